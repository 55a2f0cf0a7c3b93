"""A chart of several curves: axes, legend with last and best values, cursor, in a few milliseconds a frame.

A curve's colour says which run it is, its letter says so without colour, a dotted line is the second metric. A value
that is no number is a gap; an infinite one is marked at the edge. Of a smoothed curve the values themselves lie faint behind it.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from ...terminal import utf8_locale, visible
from ..themes import blend, plain, series_colours
from .chart_axis import Mark, Window, axis_lines, axis_word, spoken
from .curve_drawing import RAW, Curve, Frame, Layer, free_row, joined, layer_of, parts_of, sight
from .painted import fit
from .plotting import Canvas, Extremes, Scale, glyph, log_ticks, number, rounded, short

__all__ = ["Curve", "CurveChart"]

_ASCII = str.maketrans({"·": ".", "∞": "inf", "–": "-", "▴": "^"})


class CurveChart(Widget, can_focus=True):
    """See the module. ``set_curves`` shows curves; the cursor reads their values at one x; keys zoom and pan.

    Args:
        unit: what x counts, named at the cursor: step, epoch or time.
        limits: (low, high) that y always includes; ``None`` leaves that end to the data.
        empty: said while there is nothing to draw.
    """

    DEFAULT_CSS = """
    CurveChart { width: 1fr; height: 1fr; min-height: 3; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "cursor(-1)", "read left", show=False),
        Binding("right", "cursor(1)", "read right", show=False),
        Binding("escape", "no_cursor", "cursor off", show=False),
        Binding(
            "plus,equals_sign",
            "zoom_x(0.5)",
            "zoom in",
            show=False,
            tooltip="zoom in, on the chart in focus",
            id="chart.in",
        ),
        Binding("minus", "zoom_x(2)", "zoom out", show=False, tooltip="zoom out", id="chart.out"),
        Binding(
            "h,shift+left", "pan(-0.25)", "pan left", show=False, tooltip="go left in a zoomed chart", id="chart.left"
        ),
        Binding("l,shift+right", "pan(0.25)", "pan right", show=False, tooltip="go right", id="chart.right"),
        Binding("0", "whole", "all of x", show=False, tooltip="show all of x again", id="chart.whole"),
        Binding("y", "log", "log y", show=False, tooltip="logarithmic y axis on the chart in focus", id="chart.log"),
    ]

    cursor: reactive[int] = reactive(-1)
    log_y: reactive[bool] = reactive(False)

    def __init__(
        self,
        *,
        unit: str = "step",
        limits: tuple[float | None, float | None] = (None, None),
        empty: str = "nothing recorded yet",
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._unit = unit
        self._limits = limits
        self._empty = empty
        self._curves: list[Curve] = []
        self._marks: list[Mark] = []
        self._smoothing = 0.0
        self.window = Window()
        self._frame: Frame | None = None
        self._layers: dict[object, Layer] = {}
        self._extremes = Extremes()
        self._base = Style()
        self._shades: dict[str, Style] = {}
        self._key: object = None
        self._seen: object = None  # the curves as they were when they were last shown
        self._title = self._word = ""
        self._version = 0
        self._ascii = not utf8_locale()

    def set_curves(self, curves: Sequence[Curve], empty: str = "", marks: Sequence[Mark] = ()) -> None:
        """Show these curves; those whose lists grew since are drawn anew. ``empty`` is said where there are none."""
        self._curves = list(curves)
        self._marks = list(marks)
        self._empty = empty or self._empty
        seen = ([sight(curve) for curve in curves], self._marks, self._empty if not curves else "")
        if seen != self._seen:
            self._seen = seen
            self._changed()

    def set_title(self, title: str) -> None:
        """What the border says it is."""
        if title != self._title:
            self._title = title
            self.border_title = Content(visible(title))

    def _changed(self) -> None:
        self._version += 1
        self.refresh()

    def set_axis(self, unit: str, smoothing: float = 0.0) -> None:
        """What x counts from now on, and how the curves are smoothed, which is named in the border."""
        if unit != self._unit:
            self._unit = unit
            self.window.reset()
            self._changed()
        self._smoothing = smoothing
        self._tell_axis()

    def _tell(self) -> None:
        self._tell_axis()
        self._changed()

    def _tell_axis(self) -> None:
        word = axis_word(self._unit, self._smoothing, self.log_y, self.window.span is not None)
        if word != self._word:
            self._word = word
            self.border_subtitle = word

    # Reading

    def watch_cursor(self) -> None:
        self.refresh()

    def watch_log_y(self) -> None:
        self._tell()

    def action_cursor(self, by: int) -> None:
        frame = self._draw()
        if frame.width > 0:
            start = frame.width - 1 if self.cursor < 0 else self.cursor + by
            self.cursor = max(0, min(frame.width - 1, start))

    def action_no_cursor(self) -> None:
        self.cursor = -1

    def action_log(self) -> None:
        self.log_y = not self.log_y

    def action_zoom_x(self, factor: float) -> None:
        """Around the cursor where there is one, else so that the right end stays."""
        frame = self._draw()
        if frame.width > 0:
            at = frame.x(self.cursor) if 0 <= self.cursor < frame.width else frame.high
            self.window.zoom(factor, at, *frame.whole)
            self._tell()

    def action_pan(self, share: float) -> None:
        self.window.pan(share, *self._draw().whole)
        self._tell()

    def action_whole(self) -> None:
        self.window.reset()
        self._tell()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        frame = self._draw()
        place = event.x - frame.left
        self.cursor = place if 0 <= place < frame.width else -1

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_zoom_x(0.8)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_zoom_x(1.25)

    def on_leave(self) -> None:
        self.cursor = -1

    def on_blur(self) -> None:
        self.cursor = -1

    # Drawing

    def render_lines(self, crop: Region) -> list[Strip]:
        self._base, self._shades = self.rich_style, {}  # once for all lines of a painting
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        frame = self._draw()
        base = self._base
        lines = frame.lines[y] if y < len(frame.lines) else []
        segments = [Segment(text, self._shades.get(colour) or self._style(colour)) for text, colour in lines]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _style(self, colour: str) -> Style:
        variables = self.app.theme_variables
        if colour.isdigit():
            inks = series_colours(variables)
            shade = inks[int(colour) % RAW % len(inks)]
            shade = blend(shade, plain(variables, "background"), 0.6) if int(colour) >= RAW else shade
        else:
            shade = plain(variables, colour)
        return self._shades.setdefault(colour, self._base + Style(color=shade))

    def _draw(self) -> Frame:
        key = (self.size, self._version, self.cursor, self.log_y)
        if self._frame is None or key != self._key:
            self._frame, self._key = self._make(self.size), key
        return self._frame

    def _make(self, size: Size) -> Frame:
        curves = [curve for curve in self._curves if curve.xs]
        if not curves or size.width < 12 or size.height < 3:
            lines = [[(fit(self._empty, size.width), "faint")]] if not curves else []
            return Frame(lines, 0, 0, 0.0, 0.0)
        whole = min(curve.xs[0] for curve in curves), max(curve.xs[-1] for curve in curves)
        if whole[1] <= whole[0]:
            whole = whole[0], whole[0] + 1
        low, high = self.window.of(*whole)
        parts = [part for curve in curves for part in parts_of(curve, low, high)]
        plot_height = size.height - (3 if size.height >= 6 else 2)
        scale, ticks = self._scale([part.ys for part in parts], max(3, min(6, plot_height // 2)))
        texts = {scale.row(tick, plot_height): self._tick_text(tick, ticks) for tick in ticks}
        left = max((len(text) for text in texts.values()), default=0) + 1
        width = max(4, size.width - left - 2)
        canvas, ends, edges = self._ink(parts, low, high, scale, width, plot_height)
        frame = Frame([], left, width, low, high, whole)
        marks = [mark for mark in self._marks if low <= mark.x <= high]
        frame.lines.append(self._legend(curves, frame, size.width, marks))
        self._extremes.turn()
        columns = {frame.column(mark.x) for mark in marks}
        for row in range(plot_height):
            frame.lines.append(self._plot_row(row, texts, canvas, ends, edges, frame, columns))
        below = axis_lines(self._unit, low, high, left, width, marks, self._ascii)
        rows = size.height - len(frame.lines)
        frame.lines.extend([joined(below[0]), below[1]][2 - rows :] if rows > 0 else [])
        return frame

    def _scale(self, values: list[Sequence[float]], most: int) -> tuple[Scale, list[float]]:
        """The scale of y and its ticks; a linear one begins and ends on a tick."""
        real = [y for ys in values for y in self._extremes.of(ys, positive=self.log_y) if y == y]
        low, high = (min(real), max(real)) if real else (0.1, 1.0)
        if not self.log_y:
            low = low if self._limits[0] is None else min(low, self._limits[0])
            high = high if self._limits[1] is None else max(high, self._limits[1])
        scale = Scale(low, high, self.log_y)
        if self.log_y:
            return scale, log_ticks(scale.low, scale.high, most)
        marks = rounded(scale.low, scale.high, most)
        return Scale(marks[0], marks[-1]), marks

    def _tick_text(self, mark: float, marks: list[float]) -> str:
        if self.log_y:
            return short(10**mark, 10**mark)
        return short(mark, marks[1] - marks[0] if len(marks) > 1 else 0.0)

    def _ink(
        self, curves: list[Curve], low: float, high: float, scale: Scale, width: int, height: int
    ) -> tuple[Canvas, dict[tuple[int, int], tuple[str, int]], dict[tuple[int, int], tuple[str, int]]]:
        """The dots, the letters after the curves' ends and the marks of infinite values, both by (column, row)."""
        canvas = Canvas(width, height)
        ends: dict[tuple[int, int], tuple[str, int]] = {}
        edges: dict[tuple[int, int], tuple[str, int]] = {}
        kept: dict[object, Layer] = {}
        for curve in reversed(curves):
            key = (id(curve.xs), id(curve.ys), len(curve.xs), curve.dotted, low, high, scale.low, scale.high, scale.log)
            key = (*key, curve.xs[-1], curve.ys[-1], width, height)
            layer = self._layers.get(key)
            if layer is None:
                layer = layer_of(curve, low, high, scale, width, height)
            kept[key] = layer
            canvas.lay(layer.cells, curve.colour)
            for place, sign in layer.edges.items():
                edges[place] = (sign, curve.colour)
            if layer.end is not None and curve.letter:
                column = min(width, layer.end[0] // 2 + 1)
                ends[column, free_row(layer.end[1] // 4, column, ends, height)] = (curve.letter, curve.colour)
        self._layers = kept
        return canvas, ends, edges

    def _plot_row(
        self,
        row: int,
        texts: dict[int, str],
        canvas: Canvas,
        ends: dict[tuple[int, int], tuple[str, int]],
        edges: dict[tuple[int, int], tuple[str, int]],
        frame: Frame,
        marked: set[int],
    ) -> list[tuple[str, str]]:
        tick = texts.get(row)
        axis = ("+" if tick else "|") if self._ascii else ("┤" if tick else "│")
        line = [((tick or "").rjust(frame.left - 1), "muted"), (axis, "faint")]
        grid = ("." if self._ascii else "┈") if tick else " "
        cursor, inks = self.cursor, canvas.ink[row]
        for column, bits in enumerate(canvas.dots[row]):
            mark = edges.get((column, row)) or ends.get((column, row))
            if mark:
                sign = {"▲": "^", "▼": "v"}.get(mark[0], mark[0]) if self._ascii else mark[0]
                line.append((sign, str(mark[1])))
            elif bits:
                line.append((glyph(bits, self._ascii), str(inks[column])))
            elif column == cursor:
                line.append(("|" if self._ascii else "│", "muted"))
            elif column in marked:
                line.append((":" if self._ascii else "┊", "faint"))
            else:
                line.append((grid, "grid"))
        letter, colour = ends.get((canvas.width, row), ("", 0))
        line.append((letter, str(colour)))
        return joined(line)

    def _best(self, curve: Curve) -> float:
        """The best value of a curve; not a number where none is worth naming."""
        return self._extremes.of(curve.raw or curve.ys)[curve.best == "max"] if curve.best else math.nan

    def _legend(self, curves: list[Curve], frame: Frame, width: int, marks: list[Mark]) -> list[tuple[str, str]]:
        """Every curve's letter, name and value: at the cursor, or its last and its best."""
        line: list[tuple[str, str]] = []
        reading = 0 <= self.cursor < frame.width
        x = frame.x(self.cursor)
        if reading:
            line.append((f"{spoken(self._unit, x, frame.high)}  ", "foreground"))
            here = [mark for mark in marks if frame.column(mark.x) == self.cursor]
            line += [(f"▴ {fit(mark.text, min(len(mark.text), 40))}  ", str(mark.colour)) for mark in here]
        names = [curve.letter + ("·" if curve.dotted else "") for curve in curves]
        values = [number(curve.at(x) if reading else curve.last()) for curve in curves]
        bests = ["" if reading else number(self._best(curve)) for curve in curves]
        for with_best, with_label in ((True, True), (False, True), (False, False)):
            said: list[tuple[str, str]] = []
            for curve, name, value, best in zip(curves, names, values, bests, strict=True):
                key = f"{name} {visible(curve.label[:200])}" if with_label or not name else name
                said.append((key.lstrip() + " ", str(curve.colour)))
                said.append((value, "foreground"))
                if with_best and best not in ("", "–", value):
                    said.append((f" {curve.best} {best}", "muted"))
                said.append(("  ", ""))
            if sum(cell_len(text) for text, _ in line + said) - 2 <= width:
                break
        if self._ascii:
            return [(text.translate(_ASCII), colour) for text, colour in line + said]
        return line + said
