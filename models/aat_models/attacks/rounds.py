"""One round of the scheduler: what all running searches want to know, merged, asked and handed out again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from aat_models.attacks.running import Running
from aat_models.attacks.victim import FloatArray, IntArray

__all__ = ["LONG", "Round"]

LONG = 171  # words: a batch of longer texts is smaller, so that it stays in cache
_GRADIENT_CELLS = 1 << 12  # words in a batch of gradients


def _width(example: Running) -> int:
    """Words of the text whose gradient an example asks for."""
    return len(example.gradient.ids) if example.gradient is not None else 0


class Round:
    """What all running searches want to know, merged: identical texts once, sorted by length."""

    def __init__(self, running: list[Running], classes: int) -> None:
        self._running = running
        self._counts = [len(example.select) for example in running]
        self._owners = np.repeat(np.arange(len(running)), self._counts)
        self._select = np.concatenate([example.select for example in running])
        keys = np.concatenate([example.keys for example in running])
        _, first, self._same = np.unique(keys, return_index=True, return_inverse=True)
        lengths = np.concatenate([example.lengths for example in running])[first]
        by_length = np.lexsort((first, lengths))
        self._order = by_length
        self._rows = first[by_length]
        self._lengths = lengths[by_length]
        self._answers = np.zeros((len(first), classes))

    def batches(self, size: int) -> Iterator[slice]:
        """Ranges of the sorted texts, of at most ``size`` texts, fewer where they are long."""
        start = 0
        while start < len(self._rows):
            stop = min(start + size, len(self._rows))
            fitting = max(1, LONG * size // int(self._lengths[stop - 1]))
            stop = min(stop, start + fitting)
            yield slice(start, stop)
            start = stop

    def block(self, batch: slice) -> tuple[IntArray, IntArray]:
        """Ids (B, T), padded with 0, and lengths (B,)."""
        rows, lengths = self._rows[batch], self._lengths[batch]
        ids = np.zeros((len(rows), int(lengths[-1])), np.int32)
        owners = self._owners[rows]
        cuts = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(rows)]
        for start, stop in itertools.pairwise(cuts):
            self._running[owners[start]].request.rows(self._select[rows[start:stop]], ids[start:stop])
        return ids, lengths

    def slopes(self, size: int) -> Iterator[list[Running]]:
        """The examples that ask for a gradient, in batches of at most ``size``, fewer where texts are long."""
        asking = sorted((example for example in self._running if example.gradient is not None), key=lambda e: _width(e))
        while asking:
            fitting = min(size, max(1, _GRADIENT_CELLS // _width(asking[-1])))
            yield asking[:fitting]
            asking = asking[fitting:]

    def put(self, batch: slice, probabilities: FloatArray) -> None:
        self._answers[self._order[batch]] = probabilities

    def hand_out(self, seconds: float) -> None:
        """Gives every search its answers, and its share of the round's time by the texts it asked."""
        answers = self._answers[self._same]
        start = 0
        for example, count in zip(self._running, self._counts, strict=True):
            example.learn(answers[start : start + count])
            example.seconds += seconds * (count + 1) / (len(answers) + len(self._running))
            start += count
