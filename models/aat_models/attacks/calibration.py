"""Temperature scaling: the single number that makes a victim's confidence honest (Guo et al. 2017).

An overconfident model hides the differences a score-based attack climbs, and so looks robust. Every attack is run
against the model calibrated on held-out texts. Only probabilities are needed: their logarithms are logits but for a
constant per text, which the softmax removes. The predicted class never changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aat_datasets.errors import DataError
from aat_datasets.records import Example
from aat_models.attacks.victim import FloatArray, Victim, score_texts

__all__ = ["HIGHEST", "LOWEST", "calibrate", "fit_temperature", "temper"]

LOWEST, HIGHEST = 0.1, 1000.0
"""The range a temperature is looked for in."""

_TINY = 1e-300  # so small that even logits times 50 keep their order


def temper(probabilities: FloatArray, temperature: float) -> FloatArray:
    """softmax(log p / T) of each row, (N, C)."""
    if temperature == 1.0:
        return np.asarray(probabilities, np.float64)
    logits = np.log(np.maximum(probabilities, _TINY, dtype=np.float64)) / temperature
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def fit_temperature(probabilities: FloatArray, labels: NDArray[Any]) -> float:
    """The T that minimises the negative log-likelihood of ``labels`` (N,) under softmax(log p / T).

    Each label has 1 / (N + 2) of its weight on the likeliest other class, as in Platt (1999): else a model that is right on
    all of a few texts would be called infinitely sure, and no edit would move its probabilities. The likelihood is
    convex in 1/T, so a golden-section search finds the minimum, to four digits. Of a single class it says nothing: 1.
    """
    if probabilities.shape[1] < 2:
        return 1.0
    logits = np.log(np.maximum(probabilities, _TINY, dtype=np.float64))  # (N, C)
    logits -= logits.max(axis=1, keepdims=True)
    rows, doubt = np.arange(len(labels)), 1 / (len(labels) + 2)
    true = logits[rows, labels]
    others = logits.copy()
    others[rows, labels] = -np.inf
    wanted = (1 - doubt) * true + doubt * others.max(axis=1)

    def loss(inverse: float) -> float:
        return float(np.mean(np.log(np.exp(inverse * logits).sum(axis=1)) - inverse * wanted))

    low, high = 1 / HIGHEST, 1 / LOWEST
    golden = (math.sqrt(5) - 1) / 2
    while high - low > 1e-5 * low:
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) <= loss(right):
            high = right
        else:
            low = left
    return round(2 / (low + high), 4)


def calibrate(victim: Victim, examples: Sequence[Example], batch: int = 256) -> float:
    """The victim's temperature on held-out examples. Raises DataError where none has a label."""
    known = [example for example in examples if example.label is not None]
    if not known:
        raise DataError("no labelled examples to calibrate on", "calibrate on a split with labels")
    probabilities = score_texts(victim, [example.text for example in known], batch)
    return fit_temperature(probabilities, np.array([example.label for example in known]))
