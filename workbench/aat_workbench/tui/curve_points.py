"""A metric's points in bounded memory: as they came while they are few, thinned to their extremes where they are many."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from itertools import count

from .widgets.plotting import kept

__all__ = ["MOST", "Series"]

MOST = 8192  # points kept; far more than a screen has dots
_STAGGER = 16  # series that begin together do not all thin in the same look
_numbers = count()


class Series:
    """One metric's points: ``xs`` do not fall.

    Beyond ``MOST`` points (and a few) each of ``MOST / 8`` equal stretches of x keeps its first, lowest, highest and last
    point, and one that is no number; the extremes of the whole stay exact, however many come. ``cuts`` counts how often
    points went, so that who keeps something of the first ones knows that it no longer holds.
    """

    __slots__ = ("_most", "cuts", "highest", "xs", "ys")

    def __init__(self) -> None:
        self.xs = array("d")
        self.ys = array("d")
        self.highest = math.nan
        self.cuts = 0
        self._most = MOST + next(_numbers) % _STAGGER * (MOST // (4 * _STAGGER))

    def add(self, x: float, y: float) -> None:
        self.xs.append(x)
        self.ys.append(y)
        if not y <= self.highest and math.isfinite(y):
            self.highest = y
        if len(self.xs) > self._most:
            self._thin()

    def _thin(self) -> None:
        places = kept(self.xs, self.ys, self.xs[0], self.xs[-1], MOST // 8)
        self.xs = array("d", [self.xs[place] for place in places])
        self.ys = array("d", [self.ys[place] for place in places])
        self.cuts += 1

    def drop_after(self, x: float) -> None:
        """Forget the points beyond ``x``."""
        self._cut(bisect_right(self.xs, x))

    def drop_from(self, x: float) -> None:
        """Forget the points at ``x`` and beyond."""
        self._cut(bisect_left(self.xs, x))

    def _cut(self, place: int) -> None:
        self.cuts += place < len(self.xs)
        del self.xs[place:], self.ys[place:]
        self.highest = max((y for y in self.ys if math.isfinite(y)), default=math.nan)

    def best(self) -> float:
        """The highest finite value; not a number where there is none."""
        return self.highest
