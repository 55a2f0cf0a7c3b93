"""The arithmetic of a chart in character cells: ticks, number texts, thinning, and dots in Braille patterns.

Plain Python on purpose: a few thousand points reach the screen at most, and importing numpy takes longer than drawing
them. Long curves are thinned to the lowest and highest point of every dot column first, with built-in functions.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

import msgspec

__all__ = [
    "Canvas", "Extremes", "Scale", "between", "block", "extremes", "glyph", "log_ticks", "number", "rounded", "short", "thin",
    "ticks",
]  # fmt: skip

# Bits of a Braille cell's eight dots, by row then column.
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
# By side of the cell, first and last row: the bits between.
_UPRIGHT = [
    [[sum(_BITS[row][side] for row in range(first, last + 1)) for last in range(4)] for first in range(4)]
    for side in range(2)
]


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` round values within ``[low, high]``, a step of 1, 2 or 5 times a power of ten apart."""
    span = high - low
    if most < 1 or not math.isfinite(span) or span <= 0:
        return [low] if most >= 1 and math.isfinite(low) else []
    power = 10.0 ** math.floor(math.log10(span / most))
    for _ in range(3):
        for factor in (1, 2, 5):
            step = factor * power
            first = math.ceil(low / step - 1e-9)
            last = math.floor(high / step + 1e-9)
            if last - first + 1 <= most:
                return [place * step for place in range(first, last + 1)]
        power *= 10
    return []


def rounded(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` (two at least) round values a step apart that enclose ``[low, high]``, ``low < high``."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    while True:
        for factor in (1, 2, 2.5, 5):
            step = factor * power
            first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
            if last - first + 1 <= max(2, most):
                return [place * step for place in range(first, max(last, first + 1) + 1)]
        power *= 10


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` exponents of ten within ``[low, high]``: of 1, 2 and 5 times powers of ten, or powers alone."""
    for factors in ((1, 2, 5), (1,)):
        powers = range(math.floor(low), math.ceil(high) + 1)
        marks = [power + math.log10(factor) for power in powers for factor in factors]
        marks = [mark for mark in marks if low - 1e-9 <= mark <= high + 1e-9]
        if marks and len(marks) <= most:
            return marks
    return [mark for mark in ticks(low, high, most) if mark == int(mark)]


def number(value: float) -> str:
    """A figure to read: four significant digits, ``12.3k`` beyond ten thousand, ``–`` where it is not a number."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:.3g}M"
    if size >= 1e4:
        return f"{value / 1e3:.3g}k"
    if size and size < 1e-3:
        return f"{value:.3g}".replace("e-0", "e-")
    if value == int(value) and size >= 1:
        return str(int(value))
    return f"{value:.4g}" if size >= 1 else f"{value:.3f}"


def short(value: float, step: float = 0.0) -> str:
    """A tick's text: as many digits as ticks ``step`` apart need."""
    size = abs(value)
    if size < 1e-12:
        return "0"
    if size >= 1e6:
        return f"{value / 1e6:.3g}M"
    if size >= 1e4:
        return f"{value / 1e3:.4g}k"
    if size < 1e-3:
        return f"{value:.2g}".replace("e-0", "e-")
    if not step:  # a tick alone
        return f"{value:.4g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1  # steps of 2.5
    return f"{value:.{min(digits, 6)}f}"


def block(share: float, width: int, *, ascii_only: bool = False) -> str:
    """A bar of at most ``width`` cells, in eighths of a cell; a share above nothing shows something."""
    if not share > 0 or width <= 0:
        return ""
    if ascii_only:
        return "#" * max(1, round(min(1.0, share) * width))
    full, part = divmod(max(1, round(min(1.0, share) * width * 8)), 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")


def thin(
    xs: Sequence[float], ys: Sequence[float], low: float, high: float, columns: int
) -> Iterator[tuple[float, float]]:
    """The points of a curve that matter on ``columns`` dot columns between ``low`` and ``high``: those of ``kept``."""
    if len(xs) <= 4 * columns or high <= low:
        return zip(xs, ys, strict=True)
    return ((xs[place], ys[place]) for place in kept(xs, ys, low, high, columns))


def kept(xs: Sequence[float], ys: Sequence[float], low: float, high: float, columns: int) -> list[int]:
    """The places of the points that matter where ``low`` to ``high`` is cut into ``columns``. ``xs`` does not fall.

    Of a column with more than four points the first, lowest, highest and last are kept, in order; a column with a value
    that is no number keeps that too, so that the gap stays.
    """
    places: list[int] = []
    start, size = 0, len(xs)
    width = (high - low) / columns
    for column in range(1, columns + 1):
        stop = size if column == columns else bisect_left(xs, low + width * column, start)
        if stop - start <= 4:
            places.extend(range(start, stop))
        else:
            part = ys[start:stop]
            lowest, highest = min(part), max(part)
            gap = -1
            if not math.isfinite(sum(part)):  # min and max mean nothing beside what is no number
                gap = next((start + place for place, y in enumerate(part) if y != y), -1)
                real = [y for y in part if y == y]
                lowest, highest = (min(real), max(real)) if real else (part[0], part[0])
            ends = {start, stop - 1, gap} - {-1}
            if lowest == lowest:
                ends |= {start + part.index(lowest), start + part.index(highest)}
            places.extend(sorted(ends))
        start = stop
    return places


def extremes(ys: Sequence[float], *, positive: bool = False) -> tuple[float, float]:
    """The lowest and highest finite value, of the positive ones where asked for; not numbers where there is none."""
    if not positive and ys and math.isfinite(sum(ys)):  # the usual case, without looking at each
        return min(ys), max(ys)
    real = [y for y in ys if math.isfinite(y) and (y > 0 or not positive)]
    return (min(real), max(real)) if real else (math.nan, math.nan)


class Extremes:
    """``extremes`` of the lists of one painting, kept for the next; a list is the same while its length and last value are."""

    def __init__(self) -> None:
        self._before: dict[object, tuple[Sequence[float], tuple[float, float]]] = {}
        self._now: dict[object, tuple[Sequence[float], tuple[float, float]]] = {}

    def of(self, ys: Sequence[float], *, positive: bool = False) -> tuple[float, float]:
        key = (id(ys), len(ys), ys[-1] if ys else 0.0, positive)
        found = self._now.get(key) or self._before.get(key) or (ys, extremes(ys, positive=positive))
        self._now[key] = found  # with the list, so that no other has its place in memory
        return found[1]

    def turn(self) -> None:
        """A painting is done: what it did not ask for is forgotten."""
        self._before, self._now = self._now, {}


def between(
    xs: Sequence[float], ys: Sequence[float], low: float, high: float
) -> tuple[Sequence[float], Sequence[float]]:
    """The part of a curve within ``[low, high]``, cut on the straight line to the next point outside. ``xs`` rises."""
    if not xs or (xs[0] >= low and xs[-1] <= high):
        return xs, ys
    start, stop = bisect_left(xs, low), bisect_right(xs, high)
    inside, values = list(xs[start:stop]), list(ys[start:stop])
    if 0 < start < len(xs) and xs[start] > low:
        inside.insert(0, low)
        values.insert(0, _on_line(xs, ys, start, low))
    if 0 < stop < len(xs) and (not inside or inside[-1] < high):
        inside.append(high)
        values.append(_on_line(xs, ys, stop, high))
    return inside, values


def _on_line(xs: Sequence[float], ys: Sequence[float], place: int, x: float) -> float:
    """The value at ``x`` between the points ``place - 1`` and ``place``; not a number beside a gap."""
    before, after = ys[place - 1], ys[place]
    if not (math.isfinite(before) and math.isfinite(after)):
        return math.nan
    return before + (x - xs[place - 1]) / (xs[place] - xs[place - 1]) * (after - before)


class Scale(msgspec.Struct):
    """Values to heights. On a log scale ``low`` and ``high`` become exponents of ten."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if self.log:
            self.low, self.high = math.log10(self.low), math.log10(self.high)
        if self.high - self.low < 1e-12:
            pad = abs(self.low) * 0.1 or 0.5
            self.low, self.high = self.low - pad, self.high + pad
        if self.log:  # what a float can hold
            self.low, self.high = max(self.low, -307.0), min(self.high, 307.0)

    def share(self, value: float) -> float:
        """0 at the bottom, 1 at the top; what lies outside is clipped."""
        at = math.log10(value) if self.log else value
        return min(1.0, max(0.0, (at - self.low) / (self.high - self.low)))

    def row(self, mark: float, height: int) -> int:
        """The cell row of a tick, which on a log scale is an exponent."""
        share = min(1.0, max(0.0, (mark - self.low) / (self.high - self.low)))
        return round((1 - share) * (4 * height - 1)) // 4


class Canvas:
    """``width`` × ``height`` cells of 2 × 4 dots, each cell with the colour drawn last.

    In ASCII a cell with dots shows ``.``, ``:`` or ``'`` by where they are.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.dots = [bytearray(width) for _ in range(height)]
        self.ink: list[list[int]] = [[-1] * width for _ in range(height)]

    def cells(self) -> list[tuple[int, int, int]]:
        """``(row, column, dots)`` of the cells that have any."""
        return [(row, column, bits) for row, line in enumerate(self.dots) for column, bits in enumerate(line) if bits]

    def lay(self, cells: Iterable[tuple[int, int, int]], ink: int) -> None:
        """Put ``cells`` of another canvas of this size over what is there."""
        for row, column, bits in cells:
            self.dots[row][column] |= bits
            self.ink[row][column] = ink

    def dot(self, x: int, y: int, ink: int) -> None:
        """Set the dot ``x`` from the left, ``y`` from the top; outside the canvas nothing happens."""
        column, row = x >> 1, y >> 2
        if 0 <= column < self.width and 0 <= row < self.height:
            self.dots[row][column] |= _BITS[y & 3][x & 1]
            self.ink[row][column] = ink

    def line(self, x0: int, y0: int, x1: int, y1: int, ink: int, dotted: bool = False) -> None:
        """A straight line between two dots; ``dotted`` leaves every second pair out."""
        steps = max(abs(x1 - x0), abs(y1 - y0))
        if steps == 0:
            self.dot(x0, y0, ink)
            return
        if not dotted and x0 == x1:
            self._column(x0, y0, y1, ink)
            return
        if not dotted and steps > 1 and abs(x1 - x0) == 1:  # half of it in either column
            middle = y0 + (steps // 2 if y1 > y0 else -(steps // 2))
            self._column(x0, y0, middle, ink)
            self._column(x1, middle + (1 if y1 > y0 else -1), y1, ink)
            return
        for step in range(steps + 1):
            x = x0 + round((x1 - x0) * step / steps)
            y = y0 + round((y1 - y0) * step / steps)
            if not dotted or (x + y) % 4 < 2:
                self.dot(x, y, ink)

    def _column(self, x: int, start: int, end: int, ink: int) -> None:
        """The dots of one column between two heights: most of a noisy curve, so cell by cell."""
        column = x >> 1
        top, bottom = (start, end) if start <= end else (end, start)
        if not 0 <= column < self.width or bottom < 0:
            return
        top = max(top, 0)
        masks = _UPRIGHT[x & 1]
        first, last = top >> 2, bottom >> 2
        for row in range(first, min(self.height - 1, last) + 1):
            mask = masks[top & 3 if row == first else 0][bottom & 3 if row == last else 3]
            self.dots[row][column] |= mask
            self.ink[row][column] = ink

    def glyph(self, column: int, row: int, ascii_only: bool = False) -> str:
        """The character of one cell; a space where it has no dots."""
        return glyph(self.dots[row][column], ascii_only)


def glyph(bits: int, ascii_only: bool = False) -> str:
    """The character of these dots; a space where there are none."""
    if not bits:
        return " "
    if not ascii_only:
        return chr(0x2800 + bits)
    upper, lower = bits & 0x1B, bits & 0xE4
    return ":" if upper and lower else "'" if upper else "."
