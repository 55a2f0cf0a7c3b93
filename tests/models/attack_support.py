"""A victim for property tests of attacks."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from aat_models.attacks import tiny


class RandomVictim(tiny.TinyVictim):
    """Three classes; every word has a random weight for each, and pairs of words too: no search is always right."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.labels = ["a", "b", "c"]
        self._table = np.random.default_rng(seed).normal(size=(4096, 3)).round(2)

    def score(self, ids, lengths, /):
        logits = np.zeros((len(ids), 3))
        for row, (text, length) in enumerate(zip(ids.tolist(), lengths.tolist(), strict=True)):
            for i, j in zip(text[:length], [*text[1:length], 0], strict=True):
                logits[row] += self._table[i] + self._table[(31 * i + j) % 4096]
        weights = np.exp(logits - logits.max(1, keepdims=True))
        return weights / weights.sum(1, keepdims=True)

    def gradients(self, ids, lengths, labels, candidates, /):
        """Not the gradient, but what differs from call to call in no way: searches may not trust it."""
        norms = np.abs(self._table[ids, 0])
        gains = self._table[candidates, 1] * (1 + np.asarray(labels)[:, None, None])
        return norms, np.where(candidates > 0, gains, -np.inf)


def bag_of_characters(texts: Sequence[str]) -> np.ndarray:
    """Sentence vectors that need no model: how often each word and each three characters in a row are there."""
    rows = np.zeros((len(texts), 512))
    for row, text in enumerate(texts):
        for part in [*text.split(), *(text[i : i + 3] for i in range(len(text) - 2))]:
            rows[row, zlib.crc32(part.encode()) % 512] += 1
    return rows
