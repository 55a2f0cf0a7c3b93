"""What a difference between two attacked models is worth: intervals and a test, for answers on the same examples.

Pure functions of lists and counts. numpy is imported where it is used, so that a printed table needs none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Interval", "McNemar", "holm", "mcnemar", "paired_bootstrap", "resampled", "wilson"]

_Z = 1.959964  # the normal distribution's 97.5 % point


class Interval(NamedTuple):
    """A difference of shares, or another figure, with the ends of its interval."""

    difference: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


class McNemar(NamedTuple):
    """``only_first`` and ``only_other``: examples that one of the two got right and the other did not."""

    only_first: int
    only_other: int
    p: float


def wilson(hits: int, total: int, z: float = _Z) -> list[float]:
    """The 95 % score interval of a share (Wilson 1927), as ``[low, high]``; ``[0, 1]`` where nothing was counted."""
    if not total:
        return [0.0, 1.0]
    share = hits / total
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / scale
    return [round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)]


def paired_bootstrap(
    first: Sequence[bool], other: Sequence[bool], *, draws: int = 10_000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The percentile interval of share(other) − share(first), drawing examples (Efron 1979; paired as in Koehn 2004).

    Both (N,) are answers on the same examples in the same order. An example counts −1, 0 or 1, so a draw of N examples
    is a draw of three counts: the very bootstrap, at a cost that does not depend on N.

    Raises ValueError where the lengths differ or there is no example.
    """
    if len(first) != len(other) or not len(first):
        raise ValueError(f"paired answers are needed, got {len(first)} and {len(other)}")
    import numpy as np

    total = len(first)
    loses, gains = _discordant(first, other)
    shares = [loses / total, (total - loses - gains) / total, gains / total]
    counts = np.random.default_rng(seed).multinomial(total, shares, size=draws)  # (draws, 3)
    differences = (counts[:, 2] - counts[:, 0]) / total
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return Interval((gains - loses) / total, float(low), float(high))


def resampled(
    parts: Sequence[Sequence[float]],
    figure: Callable[[list[float]], float],
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """A figure of sums over examples, with its percentile interval, drawing examples (Efron 1979).

    Args:
        parts: what each example adds, (N, K).
        figure: of the sums (K,), such as corpus BLEU of counts; of two models' parts side by side their difference.

    Raises ValueError where there is no example.
    """
    if not len(parts):
        raise ValueError("examples are needed")
    import numpy as np

    added = np.array(parts, np.float64)
    n = len(added)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws) @ added  # (draws, K)
    low, high = np.quantile([figure(sums) for sums in drawn.tolist()], [(1 - level) / 2, (1 + level) / 2])
    return Interval(figure(added.sum(0).tolist()), float(low), float(high))


def mcnemar(first: Sequence[bool], other: Sequence[bool]) -> McNemar:
    """McNemar's exact two-sided test: under chance, the examples that tell the two apart fall on either side alike.

    Raises ValueError where the lengths differ.
    """
    if len(first) != len(other):
        raise ValueError(f"paired answers are needed, got {len(first)} and {len(other)}")
    loses, gains = _discordant(first, other)
    trials = loses + gains
    # Whole numbers up to the division: no rounding, however many examples there are.
    tail = sum(math.comb(trials, k) for k in range(min(loses, gains) + 1))
    return McNemar(loses, gains, min(1.0, 2 * tail / 2**trials))


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for having made several tests (Holm 1979), in the order they were given."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    corrected = [1.0] * len(values)
    highest = 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[at]))
        corrected[at] = highest
    return corrected


def _discordant(first: Sequence[bool], other: Sequence[bool]) -> tuple[int, int]:
    loses = sum(bool(a) and not b for a, b in zip(first, other, strict=True))
    gains = sum(bool(b) and not a for a, b in zip(first, other, strict=True))
    return loses, gains
