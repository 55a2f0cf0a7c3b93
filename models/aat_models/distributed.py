"""Several processes that train one model, as ``torchrun`` starts them: what they tell each other.

Every process draws the same global batches, takes its own part of each, and works out gradients there. Then the gradients
are averaged, weighted by the number of texts, clipped, and every process takes the same optimiser step.

Why not DistributedDataParallel: it averages during one backward pass, in hooks. The adversaries here take several backward
passes a step, some of them for a gradient by the word vectors alone, and the tables get theirs in a last one; hooks would
average too often, or wait for gradients that do not come. One plain sum after the last pass is the whole of what is needed,
works for any adversary, and sends of the large tables only the rows that the batch touched.

Between processes on a CPU gloo carries the sums, between GPUs NCCL. A sum gives the same bytes to every process, so weights,
decisions and learning rates stay the same everywhere without being compared.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib
import os
from collections.abc import Callable, Iterable, Mapping

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.rendezvous import rendezvous

from aat_datasets.errors import TrainingError

__all__ = ["ALONE", "Group", "join", "leave"]

TABLE = 4096  # rows from which on a matrix is taken to be a table of which a batch touches few
FAREWELL = datetime.timedelta(seconds=20)
PATIENCE = datetime.timedelta(days=30)  # a watcher may pause a training; a process that ends is noticed at once anyway


class Group:
    """The processes of one training; this one is ``rank`` of ``size``. With ``size`` 1 nothing is sent.

    Every method but ``part`` must be called by all processes, in the same order. Raises TrainingError where another one is
    gone.
    """

    def __init__(
        self,
        rank: int = 0,
        size: int = 1,
        local_rank: int = 0,
        store: torch.distributed.distributed_c10d.Store | None = None,
    ) -> None:
        self.rank = rank
        self.size = size
        self.local_rank = local_rank
        self.store = store

    def part(self, index: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
        """This process's share of a global batch, and its weight.

        Where there are fewer texts than processes, the rest take the first one with weight 0: all of them make every step.
        """
        own = index[self.rank :: self.size]
        return (own, len(own) / len(index)) if len(own) else (index[:1], 0.0)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            _ask(lambda: dist.all_reduce(tensor))
        return tensor

    def average(self, parameters: Iterable[nn.Parameter], weight: float) -> None:
        """Replaces each parameter's gradient by the weighted sum over all processes."""
        if self.size == 1:
            return
        gradients: list[Tensor] = []
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad.mul_(weight))
        tables = [gradient for gradient in gradients if gradient.dim() == 2 and len(gradient) >= TABLE]
        rows = self._touched(tables)
        whole = [gradient for gradient in gradients if not any(gradient is table for table in tables)]
        parts = [
            *(gradient.flatten() for gradient in whole),
            *(t[r].flatten() for t, r in zip(tables, rows, strict=True)),
        ]
        sent = self.sum(torch.cat(parts)).split([part.numel() for part in parts])
        for gradient, found in zip(whole, sent, strict=False):
            gradient.copy_(found.view_as(gradient))
        for table, touched, found in zip(tables, rows, sent[len(whole) :], strict=True):
            table[touched] = found.view(len(touched), -1)

    def _touched(self, tables: list[Tensor]) -> list[Tensor]:
        """The rows of each table that any process has a gradient for."""
        if not tables:
            return []
        marks = torch.cat([table.any(1) for table in tables]).to(torch.uint8)
        _ask(lambda: dist.all_reduce(marks, dist.ReduceOp.MAX))
        return [mark.nonzero().squeeze(1) for mark in marks.split([len(table) for table in tables])]

    def figures(self, values: Mapping[str, float]) -> dict[str, float]:
        """The sum over all processes of each named number."""
        if self.size == 1:
            return dict(values)
        found: dict[str, float] = {}
        for told in self.gather(msgspec.json.encode(values)):
            for name, value in msgspec.json.decode(told, type=dict[str, float]).items():
                found[name] = found.get(name, 0.0) + value
        return found

    def gather(self, data: bytes) -> list[bytes]:
        """What every process gives, by rank."""
        if self.size == 1:
            return [data]
        sizes = torch.zeros(self.size, dtype=torch.int64, device="cpu")
        sizes[self.rank] = len(data)
        widest = int(self.sum(sizes).max())
        block = torch.zeros(self.size, widest, dtype=torch.uint8, device="cpu")
        block[self.rank, : len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else 0
        self.sum(block)
        return [block[rank, : int(sizes[rank])].numpy().tobytes() for rank in range(self.size)]

    def tell(self, data: bytes = b"") -> bytes:
        """What rank 0 gives; the others give nothing and wait for it."""
        return self.gather(data if self.rank == 0 else b"")[0] if self.size > 1 else data


ALONE = Group()


def join() -> Group:
    """This process's group, by the variables ``torchrun`` sets; ALONE without them."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    # torch's optimisers import this one at their first step, and its functions take the group of that moment as their
    # default: it would outlive destroy_process_group, and its threads abort a process that ends (SIGABRT, now and then).
    importlib.import_module("torch.distributed.nn.functional")
    store, rank, _ = next(rendezvous("env://"))
    _ask(lambda: dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE))
    return Group(rank, size, int(os.environ.get("LOCAL_RANK", "0")), store)


def leave(group: Group) -> None:
    """Ends this process's part in a group whose work is done.

    They wait for each other: one that closes while another still reads what it was sent would look as if it had died.
    """
    if group.store is None:
        return
    with contextlib.suppress(RuntimeError):  # the last one finds whoever kept the list gone
        group.store.set(f"left/{group.rank}", "")
        group.store.wait([f"left/{rank}" for rank in range(group.size)], FAREWELL)
    dist.destroy_process_group()


def _ask(call: Callable[[], object]) -> None:
    try:
        call()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise TrainingError(
            f"another process of this command is gone: {reason}", "what it said stands above; --resume goes on"
        ) from error
