"""What a chart of curves is made of: a curve, its cells by themselves, and the drawn lines. Knows no widget."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from .plotting import Canvas, Scale, between, thin

__all__ = ["RAW", "Curve", "Frame", "Layer", "free_row", "joined", "layer_of", "parts_of", "sight"]

RAW = 100  # added to the ink of a curve's own values behind its smoothed ones


class Curve(msgspec.Struct):
    """One line of a chart. ``xs`` rises; ``colour`` counts from 0; ``best`` says which value is worth naming.

    ``raw`` are the values behind smoothed ``ys``; the best is the best of them.
    """

    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    colour: int = 0
    letter: str = ""
    dotted: bool = False
    best: Literal["max", "min", ""] = ""
    raw: Sequence[float] = ()

    def at(self, x: float) -> float:
        """The value at the last point not after ``x``; not a number before the first."""
        place = bisect_right(self.xs, x) - 1
        return self.ys[place] if place >= 0 else math.nan

    def last(self) -> float:
        return self.ys[-1] if self.ys else math.nan


class Layer(NamedTuple):
    """One curve's cells by themselves, which stay as they are while it does not grow: ``(row, column, dots)``.

    ``edges`` are the marks of infinite values by (column, row), ``end`` the dot the curve ends at. ``xs`` and ``ys`` are what it
    was drawn from, so that nothing else can have their place in memory.
    """

    cells: list[tuple[int, int, int]]
    edges: dict[tuple[int, int], str]
    end: tuple[int, int] | None
    xs: Sequence[float]
    ys: Sequence[float]


def layer_of(curve: Curve, low: float, high: float, scale: Scale, width: int, height: int) -> Layer:
    """A curve from ``low`` to ``high`` on ``width`` × ``height`` cells."""
    canvas = Canvas(width, height)
    edges: dict[tuple[int, int], str] = {}
    across, down = 2 * width - 1, 4 * height - 1
    before: tuple[int, int] | None = None
    for x, y in thin(curve.xs, curve.ys, low, high, 2 * width):
        if y != y or (scale.log and y <= 0):
            before = None
            continue
        if math.isinf(y):
            column = min(width - 1, round((x - low) / (high - low) * across) // 2)
            edges[column, 0 if y > 0 else height - 1] = "▲" if y > 0 else "▼"
            before = None
            continue
        here = (round((x - low) / (high - low) * across), round((1 - scale.share(y)) * down))
        if here != before:
            canvas.line(*(before or here), *here, 0, curve.dotted)
        before = here
    return Layer(canvas.cells(), edges, before, curve.xs, curve.ys)


class Frame(msgspec.Struct):
    """A drawn chart: its lines of cells, where the plot lies in them, and what of x it shows of how much."""

    lines: list[list[tuple[str, str]]]
    left: int
    width: int
    low: float
    high: float
    whole: tuple[float, float] = (0.0, 0.0)

    def x(self, column: int) -> float:
        return self.low + (self.high - self.low) * column / max(1, self.width - 1)

    def column(self, x: float) -> int:
        return round((x - self.low) / (self.high - self.low) * (self.width - 1))


def sight(curve: Curve) -> tuple[object, ...]:
    """What tells a curve from another, and from itself before it grew; holds while both are kept."""
    ends = (curve.xs[-1], curve.ys[-1]) if curve.xs else ()
    look = (curve.label, curve.colour, curve.letter, curve.dotted, curve.best)
    return (id(curve.xs), id(curve.ys), id(curve.raw) if curve.raw else 0, len(curve.xs), ends, look)


def parts_of(curve: Curve, low: float, high: float) -> list[Curve]:
    """What of a curve is in view, and the values it smooths, which lie behind it and have no letter."""
    xs, ys = between(curve.xs, curve.ys, low, high)
    smoothed = msgspec.structs.replace(curve, xs=xs, ys=ys, raw=())
    if not curve.raw:
        return [smoothed]
    xs, ys = between(curve.xs, curve.raw, low, high)
    return [smoothed, msgspec.structs.replace(curve, xs=xs, ys=ys, raw=(), letter="", colour=curve.colour + RAW)]


def free_row(row: int, column: int, taken: dict[tuple[int, int], tuple[str, int]], height: int) -> int:
    """The row nearest to ``row`` that has no letter in ``column`` yet."""
    for distance in range(height):
        for near in (row - distance, row + distance):
            if 0 <= near < height and (column, near) not in taken:
                return near
    return row


def joined(line: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Neighbours of one colour in one piece: fewer segments, fewer bytes to the terminal."""
    merged: list[tuple[str, str]] = []
    for text, colour in line:
        if merged and merged[-1][1] == colour:
            merged[-1] = (merged[-1][0] + text, colour)
        else:
            merged.append((text, colour))
    return merged
