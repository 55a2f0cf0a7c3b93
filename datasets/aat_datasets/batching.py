"""Batches of texts of like length, in an order that can be taken up anywhere.

Encoded splits lie in the data cache as flat arrays and are memory-mapped; an epoch's order depends on the seed and
the epoch alone, so a sampler's whole state is two numbers.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["BucketSampler", "EncodedSplit", "SplitWriter", "cached", "pad"]


class EncodedSplit:
    """One split as numbers.

    ``ids`` is flat int32 with ``offsets`` ``(N + 1,)``; ``labels`` ``(N,)`` int32, −1 where there is none; ``rows`` ``(N,)``
    are the rows of the dataset's table, −1 for what joined from another. ``target_ids`` and ``target_offsets`` are the
    output texts, empty where there are none.
    """

    ARRAYS = ("ids", "offsets", "labels", "rows", "target_ids", "target_offsets")

    def __init__(
        self,
        ids: NDArray[np.int32],
        offsets: NDArray[np.int64],
        labels: NDArray[np.int32],
        rows: NDArray[np.int64],
        target_ids: NDArray[np.int32] | None = None,
        target_offsets: NDArray[np.int64] | None = None,
    ) -> None:
        self.ids = ids
        self.offsets = offsets
        self.labels = labels
        self.rows = rows
        self.target_ids = np.empty(0, np.int32) if target_ids is None else target_ids
        self.target_offsets = np.zeros(len(labels) + 1, np.int64) if target_offsets is None else target_offsets

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Words of each text, ``(N,)``."""
        return np.diff(self.offsets)

    @property
    def has_targets(self) -> bool:
        return len(self.target_ids) > 0

    def text(self, index: int) -> NDArray[np.int32]:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def target(self, index: int) -> NDArray[np.int32]:
        return self.target_ids[self.target_offsets[index] : self.target_offsets[index + 1]]

    def save(self, folder: Path, name: str) -> None:
        for array in self.ARRAYS:
            np.save(folder / f"{name}.{array}.npy", getattr(self, array))

    @classmethod
    def load(cls, folder: Path, name: str) -> EncodedSplit:
        """Memory-mapped: nothing is read before it is used."""
        return cls(**{array: _map(folder / f"{name}.{array}.npy") for array in cls.ARRAYS})


def _map(path: Path) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # an empty array cannot be mapped
        return np.load(path, allow_pickle=False)


class SplitWriter:
    """An encoded split that is written piece by piece, whatever its size: nothing of it stays in memory.

    Args:
        folder, name: as ``EncodedSplit.load`` will be given them.
    """

    _TYPES: ClassVar[dict[str, type]] = {
        "ids": np.int32, "offsets": np.int64, "labels": np.int32, "rows": np.int64,
        "target_ids": np.int32, "target_offsets": np.int64,
    }  # fmt: skip

    def __init__(self, folder: Path, name: str) -> None:
        self._files = {array: (folder / f"{name}.{array}.npy").open("w+b") for array in self._TYPES}
        self._counts = dict.fromkeys(self._TYPES, 0)
        for array in self._TYPES:
            self._header(array)
        self._append("offsets", np.zeros(1))
        self._append("target_offsets", np.zeros(1))

    def append(self, split: EncodedSplit) -> None:
        """Add texts at the end."""
        self._append("offsets", split.offsets[1:] + self._counts["ids"])
        self._append("target_offsets", split.target_offsets[1:] + self._counts["target_ids"])
        for array in ("ids", "labels", "rows", "target_ids"):
            self._append(array, getattr(split, array))

    def close(self) -> None:
        """Write how long the arrays have become."""
        for array, file in self._files.items():
            file.seek(0)
            self._header(array)
            file.close()

    def _append(self, array: str, values: NDArray[Any]) -> None:
        values.astype(self._TYPES[array], copy=False).tofile(self._files[array])
        self._counts[array] += len(values)

    def _header(self, array: str) -> None:
        # NumPy leaves room in the header for the first axis to grow: it can be written again in its place.
        described: dict[str, Any] = {
            "descr": np.lib.format.dtype_to_descr(np.dtype(self._TYPES[array])),
            "fortran_order": False,
            "shape": (self._counts[array],),
        }
        np.lib.format.write_array_header_1_0(self._files[array], described)
        self._files[array].flush()


def cached(
    root: Path, key: str, make: Callable[[Path], tuple[list[str], dict[str, list[str]]]]
) -> tuple[dict[str, EncodedSplit], dict[str, list[str]]]:
    """Encoded splits and word lists from the cache folder ``root/key``; ``make`` writes them where they are not there.

    ``make`` is given a folder and returns the names of the splits it has written there, and the lists. The folder appears
    under its key in one rename with everything in it, so a half-written one is never read, and of two processes that
    make it at once one wins.
    """
    folder = root / key
    if not (folder / "meta.json").exists():
        root.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{key[:12]}-", dir=root))
        try:
            names, lists = make(work)
            (work / "meta.json").write_bytes(msgspec.json.encode({"splits": names, "lists": lists}))
            with contextlib.suppress(OSError):  # somebody else was first
                work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    meta = msgspec.json.decode((folder / "meta.json").read_bytes())
    return {name: EncodedSplit.load(folder, name) for name in meta["splits"]}, meta["lists"]


def pad(pieces: list[NDArray[np.int32]], value: int = 0) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Pieces of different length as one array ``(B, T)``, and their lengths ``(B,)``."""
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    block = np.full((len(pieces), int(lengths.max(initial=1))), value, dtype=np.int32)
    for row, piece in enumerate(pieces):
        block[row, : len(piece)] = piece
    return block, lengths


class BucketSampler:
    """Batches of indices, texts of like length together.

    Every epoch is a new shuffle; within stretches of ``window`` batches texts are sorted by length, cut into batches,
    and the batches shuffled: padding nearly vanishes while the order stays random.

    Args:
        lengths: words of each text, ``(N,)``.
        batch_size: texts a batch; the last one of an epoch may be smaller.
        seed: of the order.
        window: batches sorted together.

    ``repeats`` may be set at any time: each batch then comes that often in a row.
    """

    def __init__(self, lengths: NDArray[np.int64], batch_size: int, seed: int, window: int = 50) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.window = window
        self.epoch: int = 0
        self.position: int = 0
        self.repeats: int = 1
        self.turn: int = 0  # how often the batch at ``position`` has come
        self._order: list[NDArray[np.int64]] = []
        self._order_epoch = -1

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-len(self.lengths) // self.batch_size)

    def order(self, epoch: int) -> list[NDArray[np.int64]]:
        """The batches of one epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        shuffled = rng.permutation(len(self.lengths))
        stretch = self.batch_size * self.window
        batches: list[NDArray[np.int64]] = []
        for start in range(0, len(shuffled), stretch):
            part = shuffled[start : start + stretch]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [part[at : at + self.batch_size] for at in range(0, len(part), self.batch_size)]
        return [batches[place] for place in rng.permutation(len(batches))]

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        """Batches without end, from where the sampler stands."""
        while True:
            if self._order_epoch != self.epoch:
                self._order, self._order_epoch = self.order(self.epoch), self.epoch
            batch = self._order[self.position]
            self.turn += 1
            if self.turn >= self.repeats:
                self.position, self.turn = self.position + 1, 0
            if self.position == len(self._order):
                self.epoch, self.position = self.epoch + 1, 0
            yield batch

    def state(self) -> dict[str, int]:
        return {"epoch": self.epoch, "position": self.position, "turn": self.turn}

    def restore(self, state: dict[str, int]) -> None:
        self.epoch, self.position, self.turn = state["epoch"], state["position"], state.get("turn", 0)
