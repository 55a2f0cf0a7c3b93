"""What a search asks: batches of candidate texts as ids, hashed without being made, and gradients of one text.

A request has a length, a 64-bit hash and a word count for each candidate, and writes chosen candidates into a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aat_models.attacks.victim import FloatArray, IntArray

__all__ = ["Edits", "GradientOf", "Joined", "Request", "Slopes", "Texts"]


class Request(Protocol):
    """K candidate texts."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> IntArray:
        """Words of each candidate, (K,)."""
        ...

    def keys(self) -> NDArray[np.uint64]:
        """A hash of each candidate's whole text, (K,): the same for the same text in any kind of request."""
        ...

    def rows(self, select: NDArray[np.intp], out: IntArray) -> None:
        """Writes the selected candidates into ``out`` (len(select), at least their length), which is zero before."""
        ...


@dataclass(frozen=True, slots=True)
class Edits:
    """K candidates, each ``base`` with one cell changed: ``positions[k]`` becomes ``ids[k]``, written ``words[k]``."""

    base: IntArray  # (n,)
    positions: IntArray  # (K,)
    ids: IntArray  # (K,)
    words: Sequence[str]  # K

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def lengths(self) -> IntArray:
        return np.full(len(self.positions), len(self.base), np.int32)

    def keys(self) -> NDArray[np.uint64]:
        words, places = _WORDS.at(self.base), _PLACES.first(len(self.base))
        return words @ places + (_WORDS.at(self.ids) - words[self.positions]) * places[self.positions]

    def rows(self, select: NDArray[np.intp], out: IntArray) -> None:
        out[:, : len(self.base)] = self.base
        out[np.arange(len(select)), self.positions[select]] = self.ids[select]


@dataclass(frozen=True, slots=True)
class Texts:
    """K whole texts of any lengths: ``ids`` (K, T) padded with 0, ``lengths`` (K,)."""

    ids: IntArray
    lengths: IntArray

    @classmethod
    def of(cls, rows: Sequence[IntArray]) -> Texts:
        """Of id arrays of any lengths, at least 1."""
        lengths = np.array([len(row) for row in rows], np.int32)
        ids = np.zeros((len(rows), int(lengths.max(initial=0))), np.int32)
        for k, row in enumerate(rows):
            ids[k, : len(row)] = row
        return cls(ids, lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def keys(self) -> NDArray[np.uint64]:
        return _WORDS.at(self.ids) @ _PLACES.first(self.ids.shape[1])

    def rows(self, select: NDArray[np.intp], out: IntArray) -> None:
        width = min(out.shape[1], self.ids.shape[1])  # what is beyond the block's width is padding
        out[:, :width] = self.ids[select, :width]


@dataclass(frozen=True, slots=True)
class Joined:
    """Several requests as one, in their order."""

    parts: Sequence[Request]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def lengths(self) -> IntArray:
        return np.concatenate([part.lengths for part in self.parts])

    def keys(self) -> NDArray[np.uint64]:
        return np.concatenate([part.keys() for part in self.parts])

    def rows(self, select: NDArray[np.intp], out: IntArray) -> None:
        ends = np.cumsum([len(part) for part in self.parts])
        owners = np.searchsorted(ends, select, side="right")
        for owner in np.unique(owners).tolist():
            mine = owners == owner
            block = out[mine]
            part = self.parts[owner]
            part.rows(select[mine] - (ends[owner] - len(part)), block)
            out[mine] = block


@dataclass(frozen=True, slots=True)
class GradientOf:
    """The gradient of one text's loss: ``ids`` (n,), ``candidates`` (n, S) padded with 0, the class of the loss."""

    ids: IntArray
    candidates: IntArray
    label: int

    def __len__(self) -> int:
        return 1


class Slopes(NamedTuple):
    """The answer to :class:`GradientOf`.

    ``norms`` (n,): the gradient's L1 norm at each word. ``gains`` (n, S): how far the loss would rise, to first order,
    with each candidate in the word's place; −inf where there is none.
    """

    norms: FloatArray
    gains: FloatArray


class _Numbers:
    """Random-looking 64-bit numbers by index, made as far as they were asked for.

    They are those of splitmix64 (Steele et al. 2014). A text's hash is the sum of word number × place number over its words.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._made = self._make(1 << 12)

    def _make(self, count: int) -> NDArray[np.uint64]:
        x = np.arange(self._seed, self._seed + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))

    def at(self, index: IntArray) -> NDArray[np.uint64]:
        """Those of an index array, of its shape."""
        try:
            return self._made[index]
        except IndexError:
            self._made = self._make(2 * int(index.max()))
            return self._made[index]

    def first(self, count: int) -> NDArray[np.uint64]:
        if count > len(self._made):
            self._made = self._make(2 * count)
        return self._made[:count]


_WORDS = _Numbers(0)  # the first is 0: padding adds nothing to a hash
_PLACES = _Numbers(1 << 40)
