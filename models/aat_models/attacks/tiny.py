"""``builtin:tiny``: a victim small enough to check by hand, with texts and synonyms of its own.

Two classes, ``negative`` and ``positive``. p(positive) = 1 / (1 + exp(−s)) where s is the sum of the words' weights; a
word without a weight counts nothing. The weights are multiples of 1/8, so sums are exact in any order, and a word's
contribution to s is its weight, exactly.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aat_datasets.records import Example
from aat_models.attacks.victim import FloatArray, IntArray

__all__ = ["SYNONYMS", "WEIGHTS", "TinyVictim", "examples", "synonyms"]

WEIGHTS = {
    "excellent": 3.0,
    "wonderful": 2.5,
    "great": 2.0,
    "charming": 1.75,
    "good": 1.5,
    "pleasant": 1.0,
    "fine": 0.5,
    "decent": 0.25,
    "watchable": 0.125,
    "slow": -0.25,
    "plain": -0.5,
    "weak": -1.0,
    "boring": -1.5,
    "bad": -1.75,
    "dull": -2.0,
    "awful": -2.5,
    "terrible": -3.0,
    "never": -1.0,
}

SYNONYMS: dict[str, tuple[str, ...]] = {
    "excellent": ("great", "fine", "superb"),
    "wonderful": ("good", "charming", "marvellous"),
    "great": ("good", "fine", "grand"),
    "charming": ("pleasant", "sweet"),
    "good": ("decent", "fine"),
    "pleasant": ("fine", "agreeable"),
    "weak": ("thin", "slow"),
    "boring": ("slow", "plain", "tedious"),
    "bad": ("weak", "poor"),
    "dull": ("slow", "plain", "boring"),
    "awful": ("bad", "weak", "ghastly"),
    "terrible": ("bad", "awful", "dreadful"),
    "film": ("movie", "picture"),
    "story": ("plot", "tale"),
    "acting": ("cast", "playing"),
}

_PRAISE = ("excellent", "wonderful", "great", "charming", "good", "pleasant", "superb")
_BLAME = ("terrible", "awful", "dull", "bad", "boring", "weak", "dreadful")
_TOPICS = ("film", "story", "acting", "music", "ending", "dialogue")


def synonyms(word: str) -> tuple[str, ...]:
    """The surface of the tiny victim's own texts."""
    return SYNONYMS.get(word, ())


def examples(split: str = "test", limit: int = 0, seed: int = 0) -> list[Example]:
    """Labelled review sentences, 200 to a split (``dev``, ``test``), the same each time; ``limit`` draws so many."""
    rng = random.Random(f"tiny {split}")
    made: list[Example] = []
    for row in range(200):
        label = rng.randrange(2)
        kind, other = (_PRAISE, _BLAME) if label else (_BLAME, _PRAISE)
        first, second = rng.sample(_TOPICS, 2)
        text = f"the {first} was {rng.choice(kind)} and the {second} is {rng.choice(kind)}"
        if rng.random() < 0.4:
            text += f" , though some of it felt {rng.choice(other)}"
        made.append(Example(row=row, text=text, label=label))
    if not 0 < limit < len(made):
        return made
    return [made[i] for i in sorted(random.Random(f"tiny draw {seed}").sample(range(len(made)), limit))]


class TinyVictim:
    """See the module. Needs numpy only; deterministic, the same on every machine."""

    def __init__(self) -> None:
        self.labels = ["negative", "positive"]
        self._ids: dict[str, int] = {}
        self._weights = np.zeros(64)
        self._size = 2  # padding and the unknown word weigh nothing

    def words(self, text: str, /) -> list[str]:
        return text.lower().split()

    def intern(self, words: Sequence[str], /) -> IntArray:
        found: list[int] = []
        for word in words:
            known = self._ids.get(word)
            if known is None:
                known = self._ids[word] = self._size
                self._size += 1
                if self._size > len(self._weights):
                    self._weights = np.concatenate([self._weights, np.zeros(len(self._weights))])
                self._weights[known] = WEIGHTS.get(word, 0.0)
            found.append(known)
        return np.array(found, np.int32)

    def score(self, ids: IntArray, lengths: NDArray[Any], /) -> FloatArray:
        positive = 1 / (1 + np.exp(-self._weights[ids].sum(axis=1)))
        return np.stack([1 - positive, positive], axis=1)

    def gradients(
        self, ids: IntArray, lengths: NDArray[Any], labels: NDArray[Any], candidates: IntArray, /
    ) -> tuple[FloatArray, FloatArray]:
        """As ``WhiteBox`` asks: a word's vector is its weight, so gains are exact but for the sigmoid's bend."""
        slope = self.score(ids, lengths)[:, 1] - labels  # d loss / d s, the same for every word
        weights = self._weights[ids]
        norms = np.where(ids > 0, np.abs(slope)[:, None], 0.0)
        gains = slope[:, None, None] * (self._weights[candidates] - weights[:, :, None])
        return norms, np.where(candidates > 0, gains, -np.inf)

    def attribute(self, text: str, label: int | None = None) -> tuple[list[str], list[float]]:
        """The words and what each adds to the evidence for ``label`` (default: the predicted class), exactly."""
        words = self.words(text)
        weights = [WEIGHTS.get(word, 0.0) for word in words]
        if label is None:
            label = int(sum(weights) > 0)
        return words, [weight if label else -weight for weight in weights]
