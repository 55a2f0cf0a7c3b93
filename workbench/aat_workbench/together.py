"""One training by several processes, as ``torchrun`` starts them: rank 0 keeps the run's folder, the others follow.

::

    torchrun --no-python --nproc-per-node 2 -- aat-workbench train --adversary aat

Rank 0 claims the folder, writes events and checkpoints, and obeys watchers; what it is asked for reaches the others between
two events (``aat_models.training``). The others write nothing and print nothing but what goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Event
from aat_workbench.interrupts import Interrupts
from aat_workbench.runs import RunFolder
from aat_workbench.trainer import Trainer
from aat_workbench.training import claim, drive

if TYPE_CHECKING:
    from aat_models.distributed import Group
    from aat_models.loop import Loop
    from aat_models.opening import Opened

__all__ = ["train_together"]


class _Order(msgspec.Struct):
    """What rank 0 tells the others to train."""

    config: str
    checkpoint: str


def train_together(
    config: Config,
    *,
    runs_root: Path | None = None,
    resume: bool = False,
    claimed: Callable[[RunFolder], object] = lambda folder: None,
) -> Iterator[Event]:
    """As ``run_training``, in every one of several processes; only rank 0 yields events.

    ``claimed`` is called in rank 0 with the run's folder. Raises TrainingError where another process ended before its time.
    """
    from aat_models.distributed import join

    group = join()
    if group.rank:
        _follow(group)
    else:
        yield from _Lead(group).train(config, runs_root, resume, claimed)


class _Lead:
    """Rank 0's work."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.training: Loop[Any] | None = None
        self.told = False

    def train(
        self, config: Config, runs_root: Path | None, resume: bool, claimed: Callable[[RunFolder], object]
    ) -> Iterator[Event]:
        from aat_models.distributed import leave

        try:
            folder = claim(config, runs_root, resume=resume)
            claimed(folder)
            yield from drive(folder, resume=resume, opener=self._open)
        except BaseException as error:
            self._dismiss()
            if not isinstance(error, Exception):  # interrupted: the others end in order, and are waited for
                leave(self.group)
            raise
        leave(self.group)

    def _open(self, config: Config, checkpoint: Path | None) -> Trainer:
        opened = _prepared(config)  # first here alone: the others then find it in the cache
        order = _Order(configs.dump(config), str(checkpoint.absolute()) if checkpoint is not None else "")
        self.told = True
        self.group.tell(msgspec.json.encode(order))
        self.training = opened(checkpoint, self.group)
        return self.training

    def _dismiss(self) -> None:
        if not self.told:
            self.group.tell()
        elif self.training is not None:
            self.training.dismiss()


def _follow(group: Group) -> None:
    """Every other rank's work."""
    from aat_models.distributed import leave

    told = group.tell()
    if told:
        order = msgspec.json.decode(told, type=_Order)
        config = configs.from_toml(order.config)
        training = _prepared(config)(Path(order.checkpoint) if order.checkpoint else None, group)
        with Interrupts() as interrupts:  # a signal reaches all of them: rank 0 says what comes of it
            interrupts.wait_for_me = True
            for _ in training.events():
                pass
    leave(group)


def _prepared(config: Config) -> Opened:
    from aat_datasets.sources import data_root
    from aat_models.opening import prepare_training

    return prepare_training(config, data_root() / "_prepared")
