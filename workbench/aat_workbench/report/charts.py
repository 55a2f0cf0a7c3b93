"""Charts as SVG text, drawn by hand: bars with intervals, differences around zero, curves.

Coordinates are in pixels of the viewBox. Colours are those of Okabe & Ito, which readers with any colour vision tell
apart; series differ in their dash as well. Text takes the page's colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aat_workbench.report.escaping import markup

__all__ = ["Bar", "Chart", "bars", "curves", "differences", "document"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ("", "6 3", "2 2", "8 3 2 3", "1 3", "10 4")
_WIDTH = 760
_LEFT = 250  # of the plot: labels stand before it
_RIGHT = _WIDTH - 130  # figures stand behind it
_ROW = 24
_POINTS = 400  # of a curve; more cannot be told apart at this width
_LABEL = 38  # characters of a label


class Bar(NamedTuple):
    """One value with its interval; ``group`` picks the colour."""

    label: str
    value: float
    low: float
    high: float
    group: int = 0


class Chart(NamedTuple):
    """The inside of an SVG, and its height; the width is the same for all."""

    body: str
    height: int


def document(charts: Sequence[Chart]) -> str:
    """Charts below one another as one SVG file."""
    parts: list[str] = []
    top = 0
    for chart in charts:
        parts.append(f'<g transform="translate(0 {top})">{chart.body}</g>')
        top += chart.height + 20
    height = max(top, 40)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="13" fill="currentColor">{"".join(parts)}</svg>'
    )


def bars(title: str, rows: Sequence[Bar]) -> Chart:
    """Shares between 0 and 1 as bars, with their intervals as whiskers."""

    def x(value: float) -> float:
        return _LEFT + min(1.0, max(0.0, value)) * (_RIGHT - _LEFT)

    parts = [_title(title), *_ticks([0, 0.25, 0.5, 0.75, 1], x, len(rows))]
    for at, row in enumerate(rows):
        middle = 46 + at * _ROW
        told = f"{row.value:.3f}  ({row.low:.3f} to {row.high:.3f})"
        parts.append(
            f'<rect x="{_LEFT}" y="{middle - 7}" width="{x(row.value) - _LEFT:.1f}" height="14" '
            f'fill="{_COLOURS[row.group % len(_COLOURS)]}" fill-opacity="0.75"><title>{markup(told)}</title></rect>'
        )
        parts += [
            _label(row.label, middle),
            *_whisker(x(row.low), x(row.high), middle),
            _figure(f"{row.value:.3f}", middle),
        ]
    return Chart("".join(parts), 46 + len(rows) * _ROW + 14)


def differences(title: str, rows: Sequence[Bar]) -> Chart:
    """Differences of shares with their intervals around a line at zero."""
    widest = max([0.05, *(abs(end) for row in rows for end in (row.low, row.high, row.value))]) * 1.1

    def x(value: float) -> float:
        return (_LEFT + _RIGHT) / 2 + value / widest * (_RIGHT - _LEFT) / 2

    ticks = [-widest / 1.1, 0, widest / 1.1]
    parts = [_title(title), *_ticks(ticks, x, len(rows), "{:+.2f}")]
    for at, row in enumerate(rows):
        middle = 46 + at * _ROW
        parts += [_label(row.label, middle), *_whisker(x(row.low), x(row.high), middle)]
        parts.append(
            f'<circle cx="{x(row.value):.1f}" cy="{middle}" r="5" fill="{_COLOURS[row.group % len(_COLOURS)]}"/>'
        )
        parts.append(_figure(f"{row.value:+.3f}", middle))
    return Chart("".join(parts), 46 + len(rows) * _ROW + 14)


def curves(title: str, series: Mapping[str, Sequence[tuple[int, float]]]) -> Chart:
    """Values by step, one line each; values that are no numbers leave a gap."""
    finite = {name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in series.items()}
    finite = {name: points for name, points in finite.items() if points}
    if not finite:
        return Chart(_title(f"{title}: no points"), 40)
    xs = [x for points in finite.values() for x, _ in points]
    ys = [y for points in finite.values() for _, y in points]
    left, right, top, bottom = 70, _WIDTH - 20, 40, 230
    low, high = min(ys), max(ys)
    spread = (high - low) or abs(high) or 1.0
    first, last = min(xs), max(max(xs), min(xs) + 1)

    def place(x: float, y: float) -> str:
        return f"{left + (x - first) / (last - first) * (right - left):.1f},{bottom - (y - low) / spread * (bottom - top):.1f}"

    parts = [_title(title)]
    for value in (low, low + spread / 2, low + spread):
        y = place(first, value).split(",")[1]
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y}" y2="{y}" stroke="currentColor" stroke-opacity="0.2"/>')
        parts.append(f'<text x="{left - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    parts.append(f'<text x="{left}" y="{bottom + 18}">step {first}</text>')
    parts.append(f'<text x="{right}" y="{bottom + 18}" text-anchor="end">step {max(xs)}</text>')
    for at, (name, points) in enumerate(finite.items()):
        colour, dash = _COLOURS[at % len(_COLOURS)], _DASHES[at % len(_DASHES)]
        style = f'stroke="{colour}" stroke-width="1.8"' + (f' stroke-dasharray="{dash}"' if dash else "")
        line = " ".join(place(x, y) for x, y in _thinned(points))
        if len(points) > 1:
            parts.append(f'<polyline points="{line}" fill="none" {style}/>')
        else:
            cx, cy = line.split(",")
            parts.append(f'<circle cx="{cx}" cy="{cy}" r="3" fill="{colour}"/>')
        y = bottom + 38 + at * 18
        parts.append(f'<line x1="{left}" x2="{left + 30}" y1="{y}" y2="{y}" {style}/>')
        parts.append(f'<text x="{left + 38}" y="{y + 4}">{markup(name)}: {points[-1][1]:.4g}</text>')
    return Chart("".join(parts), bottom + 38 + len(finite) * 18)


def _title(text: str) -> str:
    return f'<text x="0" y="16" font-weight="bold" font-size="15">{markup(text)}</text>'


def _label(text: str, middle: float) -> str:
    short = text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
    return (
        f'<text x="{_LEFT - 8}" y="{middle + 4}" text-anchor="end">{markup(short)}<title>{markup(text)}</title></text>'
    )


def _figure(text: str, middle: float) -> str:
    return f'<text x="{_RIGHT + 10}" y="{middle + 4}">{markup(text)}</text>'


def _whisker(low: float, high: float, middle: float) -> Iterator[str]:
    style = 'stroke="currentColor" stroke-width="1.5"'
    yield f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" {style}/>'
    for end in (low, high):
        yield f'<line x1="{end:.1f}" x2="{end:.1f}" y1="{middle - 5}" y2="{middle + 5}" {style}/>'


def _ticks(values: Sequence[float], x: Callable[[float], float], rows: int, form: str = "{:.2f}") -> Iterator[str]:
    bottom = 34 + rows * _ROW
    for value in values:
        place = x(value)
        yield f'<line x1="{place:.1f}" x2="{place:.1f}" y1="32" y2="{bottom}" stroke="currentColor" stroke-opacity="0.2"/>'
        yield f'<text x="{place:.1f}" y="{bottom + 16}" text-anchor="middle" font-size="11">{form.format(value)}</text>'


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most about ``_POINTS`` of the points: of every stretch its lowest and its highest, so that no peak is lost."""
    if len(points) <= _POINTS:
        return list(points)
    stretch = -(-len(points) // (_POINTS // 2))
    kept: list[tuple[int, float]] = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        ends = {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}
        kept += sorted(ends)
    return kept
