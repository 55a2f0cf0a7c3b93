"""Which intent a reply speaks to: that of the reference reply most like it.

Likeness is the cosine of words and pairs of neighbouring words, each weighted by how few replies hold it. Nothing here imports
torch.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReplyIntents"]


class ReplyIntents:
    """Reference replies with their labels.

    Args:
        replies: as words each.
        labels: of each. Of equal replies with several labels the commonest counts.
    """

    def __init__(self, replies: Sequence[Sequence[str]], labels: Sequence[int]) -> None:
        votes: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
        for reply, label in zip(replies, labels, strict=True):
            votes[tuple(reply)][label] += 1
        self.labels = [found.most_common(1)[0][0] for found in votes.values()]
        counted = [Counter(_features(reply)) for reply in votes]
        holds = Counter(feature for features in counted for feature in features)
        self._weight = {feature: math.log(1 + len(counted) / count) for feature, count in holds.items()}
        places: dict[Any, list[tuple[int, float]]] = defaultdict(list)
        for place, features in enumerate(counted):
            length = self._length(features)
            for feature, count in features.items():
                places[feature].append((place, count * self._weight[feature] / length))
        self._index: dict[Any, tuple[NDArray[np.int64], NDArray[np.float64]]] = {
            feature: (np.array([p for p, _ in found]), np.array([v for _, v in found]))
            for feature, found in places.items()
        }

    def of(self, reply: Sequence[str]) -> int:
        """The label of the reference most like ``reply``, the first of several; -1 where no word of it is in any."""
        likeness = np.zeros(len(self.labels))
        for feature, count in Counter(_features(reply)).items():
            if feature in self._index:
                where, values = self._index[feature]
                likeness[where] += count * self._weight[feature] * values
        best = int(likeness.argmax()) if len(likeness) else -1
        return self.labels[best] if best >= 0 and likeness[best] > 0 else -1

    def _length(self, features: Counter[Any]) -> float:
        return math.sqrt(sum((count * self._weight[feature]) ** 2 for feature, count in features.items())) or 1.0


def _features(words: Sequence[str]) -> list[Any]:
    return [*words, *itertools.pairwise(words)]
