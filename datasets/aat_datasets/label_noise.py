"""Labels that are probably wrong: where a bag-of-words model, trained without a text, is sure of another label.

Naive Bayes over words and word pairs, K folds; its probabilities are flattened by a temperature fitted on texts it was
not trained on, and what counts as sure is each class's mean probability of itself (confident learning, Northcutt et al.
2021).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Noise", "Suspect", "label_noise"]

_BUCKETS = 1 << 18
_FOLDS = 5
_SMOOTHING = 0.3


class Suspect(NamedTuple):
    """A text by its place in what was given, the label it should perhaps have, and how sure the model is of it."""

    place: int
    suggested: int
    probability: float


class Noise(NamedTuple):
    """The model's accuracy on texts it was not trained on, and what it doubts, surest first."""

    accuracy: float
    suspects: list[Suspect]


def label_noise(texts: Sequence[str], labels: Sequence[int], classes: int, seed: int = 0) -> Noise:
    """Suspects among labelled texts. Equal texts are in one fold, so that none is judged by its own copy."""
    given = np.asarray(labels, dtype=np.int64)
    features = [_features(text) for text in texts]
    folds = np.array([zlib.crc32(f"{seed} {text}".encode("utf-8", "replace")) % _FOLDS for text in texts])
    scores = _scores(features, given, folds, classes)
    scores *= _temperature(scores, given)
    probabilities = _softmax(scores)
    rows = np.arange(len(given))
    own = probabilities[rows, given]
    guessed = probabilities.argmax(axis=1)
    sure = np.array([own[given == label].mean() if np.any(given == label) else 1.0 for label in range(classes)])
    most = probabilities[rows, guessed]
    doubted = np.flatnonzero((guessed != given) & (most >= np.maximum(sure[guessed], 0.5)))
    order = doubted[np.argsort(own[doubted] - most[doubted], kind="stable")]
    suspects = [Suspect(int(at), int(guessed[at]), round(float(most[at]), 4)) for at in order]
    return Noise(float((guessed == given).mean()) if len(given) else 0.0, suspects)


def _features(text: str) -> NDArray[np.int64]:
    """Buckets of the words and pairs of words; of a text without blanks (Chinese …) of its characters and pairs."""
    words = text.lower().split()
    if len(text) > 12 * max(len(words), 1):
        words = [c for c in text.lower() if not c.isspace()]
    names = {*words, *(f"{a} {b}" for a, b in pairwise(words))}
    return np.fromiter((zlib.crc32(name.encode("utf-8", "replace")) % _BUCKETS for name in names), np.int64, len(names))


def _scores(
    features: list[NDArray[np.int64]], given: NDArray[np.int64], folds: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Log odds ``(N, C)`` of each text by counts of the other folds, the mean over the text's features."""
    counts = np.zeros((_FOLDS, _BUCKETS, classes), dtype=np.float32)
    for one, label, fold in zip(features, given, folds, strict=True):
        counts[fold, one, label] += 1
    total = counts.sum(axis=0)
    scores = np.zeros((len(features), classes))
    for fold in range(_FOLDS):
        rest = total - counts[fold] + _SMOOTHING
        weights = np.log(rest) - np.log(rest.sum(axis=0))
        sizes = np.bincount(given[folds != fold], minlength=classes) + 1.0
        prior = np.log(sizes / sizes.sum())
        for at in np.flatnonzero(folds == fold):
            scores[at] = prior + weights[features[at]].sum(axis=0)
    return scores


def _temperature(scores: NDArray[np.float64], given: NDArray[np.int64]) -> float:
    """The factor under which the given labels are likeliest: naive Bayes counts dependent words as independent."""
    rows = np.arange(len(given))
    factors = np.geomspace(0.01, 2, 40)
    losses = [
        -np.log(_softmax(scores * factor)[rows, given] + 1e-12).mean() if len(given) else 0.0 for factor in factors
    ]
    return float(factors[int(np.argmin(losses))])


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
