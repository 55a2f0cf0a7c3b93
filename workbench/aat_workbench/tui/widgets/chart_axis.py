"""The horizontal axis of a chart: what it counts, its ticks and words, and the stretch of it that is in view."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .plotting import short, ticks

__all__ = ["Mark", "Window", "axis_lines", "axis_word", "spoken", "x_ticks"]

SMALLEST = 1e-4  # share of the whole that may fill the chart


class Mark(msgspec.Struct, frozen=True):
    """Something that happened at ``x``, in words; ``colour`` is the run's."""

    x: float
    text: str
    colour: int = 0


class Window(msgspec.Struct):
    """The stretch of x in view; ``None`` is all of it. While it touches the right end it goes along with what comes."""

    span: tuple[float, float] | None = None
    follows: bool = False

    def of(self, low: float, high: float) -> tuple[float, float]:
        """Where the chart of a curve over ``[low, high]`` begins and ends."""
        if self.span is None:
            return low, high
        width = min(self.span[1] - self.span[0], high - low)
        start = high - width if self.follows else min(max(self.span[0], low), high - width)
        self.span = (start, start + width)
        return self.span

    def zoom(self, factor: float, at: float, low: float, high: float) -> None:
        """Show ``factor`` times as much, so that ``at`` stays where it is."""
        start, end = self.of(low, high)
        width = max((end - start) * factor, (high - low) * SMALLEST)
        if width >= high - low:
            self.reset()
            return
        share = (at - start) / (end - start)
        self._move(at - share * width, width, low, high)

    def pan(self, share: float, low: float, high: float) -> None:
        """Go ``share`` of what is in view to the right."""
        if self.span is not None:
            start, end = self.of(low, high)
            self._move(start + share * (end - start), end - start, low, high)

    def _move(self, start: float, width: float, low: float, high: float) -> None:
        start = min(max(start, low), high - width)
        self.span = (start, start + width)
        self.follows = start + width >= high - 1e-9 * (high - low)

    def reset(self) -> None:
        self.span, self.follows = None, False


def _time_unit(high: float) -> tuple[float, str]:
    return (3600.0, "h") if high >= 3 * 3600 else (60.0, "min") if high >= 180 else (1.0, "s")


def x_ticks(unit: str, low: float, high: float, most: int) -> tuple[list[tuple[float, str]], str]:
    """Ticks with their texts, and the word for what is counted. ``unit``: step, epoch or time (in seconds)."""
    size, word = _time_unit(high) if unit == "time" else (1.0, unit)
    marks = [mark for mark in ticks(low / size, high / size, most) if unit != "step" or mark == round(mark)]
    step = marks[1] - marks[0] if len(marks) > 1 else 0.0
    found = [(mark * size, short(mark, step)) for mark in marks]
    if unit == "time" and found:  # a figure alone would not say which unit it is in
        found[-1] = (found[-1][0], f"{found[-1][1]} {word}")
        word = ""
    return found, word


def spoken(unit: str, x: float, high: float) -> str:
    """A place on the axis as it is read at the cursor."""
    if unit == "time":
        size, word = _time_unit(high)
        return f"{x / size:.1f} {word}"
    return f"{unit} {x:.0f}" if unit == "step" else f"{unit} {x:.2f}"


def axis_word(unit: str, smoothing: float, log_y: bool, zoomed: bool) -> str:
    """How a chart is not as usual, for its border."""
    parts = [f"by {unit}"] if unit != "step" else []
    parts += [f"smoothed {smoothing:g}"] if smoothing else []
    parts += ["log y"] if log_y else []
    parts += ["zoomed"] if zoomed else []
    return " · ".join(parts)


def axis_lines(
    unit: str, low: float, high: float, left: int, width: int, marks: Sequence[Mark], ascii_only: bool
) -> list[list[tuple[str, str]]]:
    """The axis and the line of figures below it, in cells with their colours."""
    found, word = x_ticks(unit, low, high, max(2, width // 12))
    line = ["-" if ascii_only else "─"] * width
    inks = ["faint"] * width
    texts = [" "] * (left + width + 2)
    free = 0

    def column(x: float) -> int:
        return round((x - low) / (high - low) * (width - 1))

    for x, text in found:
        line[column(x)] = "+" if ascii_only else "┬"
        start = min(max(free, left + column(x) - len(text) // 2), len(texts) - len(text))
        if start >= free:
            texts[start : start + len(text)] = text
            free = start + len(text) + 1
    if word and free + len(word) + 1 < len(texts):
        texts[-len(word) :] = word
    for mark in marks:
        line[column(mark.x)], inks[column(mark.x)] = "^" if ascii_only else "▴", str(mark.colour)
    axis = [(" " * (left - 1), ""), ("+" if ascii_only else "└", "faint"), *zip(line, inks, strict=True)]
    return [axis, [("".join(texts), "muted")]]
