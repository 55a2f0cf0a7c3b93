"""Charts: ticks, number texts, thinning, gaps, infinities, cursor, ASCII."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from aat_workbench.tui.themes import DARK
from aat_workbench.tui.widgets.curves import Curve, CurveChart
from aat_workbench.tui.widgets.plotting import Canvas, block, log_ticks, number, rounded, short, thin, ticks


class ChartApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name

    def compose(self) -> ComposeResult:
        yield CurveChart()

    @property
    def chart(self) -> CurveChart:
        return self.query_one(CurveChart)

    def lines(self) -> list[str]:
        return [self.chart.render_line(y).text for y in range(self.chart.size.height)]


def test_ticks_are_round_and_within() -> None:
    assert ticks(0, 1, 6) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ticks(0.83, 1.31, 3) == pytest.approx([1.0, 1.2])
    assert ticks(0, 2000, 5) == [0, 500, 1000, 1500, 2000]
    assert ticks(5, 5, 4) == [5]
    assert ticks(math.nan, 1, 4) == []


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(3, 8))
def test_rounded_ticks_enclose_the_values(low: float, span: float, most: int) -> None:
    high = low + span
    if high <= low:
        return
    marks = rounded(low, high, most)
    # A span near the resolution of such a number leaves no tick where the ends are.
    slack = (marks[1] - marks[0]) * 1e-6 + 4 * math.ulp(max(abs(low), abs(high)))
    assert 2 <= len(marks) <= most
    assert marks[0] <= low + slack
    assert marks[-1] >= high - slack


def test_log_ticks_are_powers_of_ten_or_between() -> None:
    assert [round(10**mark, 6) for mark in log_ticks(-2, 0, 7)] == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
    assert log_ticks(-2, 3, 6) == [-2, -1, 0, 1, 2, 3]
    assert log_ticks(-20, 20, 6) == [-20, -10, 0, 10, 20]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.81249, "0.812"), (0.0, "0.000"), (12.3456, "12.35"), (2000, "2000"), (12345.6, "12.3k"), (3.2e6, "3.2M"),
        (0.0003, "0.0003"), (3.14159e-7, "3.14e-7"), (math.nan, "–"), (math.inf, "∞"), (-math.inf, "-∞"), (-0.5, "-0.500"),
    ],
)  # fmt: skip
def test_numbers_read_well(value: float, text: str) -> None:
    assert number(value) == text


def test_tick_texts_have_the_digits_that_tell_them_apart() -> None:
    assert [short(value, 0.25) for value in (0, 0.25, 0.5)] == ["0", "0.25", "0.50"]
    assert [short(value, 500) for value in (500, 15000)] == ["500", "15k"]
    assert short(0.00025, 0.00025) == "0.00025"
    assert [short(value) for value in (1000, 0.5, 0.125)] == ["1000", "0.5", "0.125"]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=400), st.integers(1, 20))
def test_thinning_keeps_the_extremes_and_the_order(values: list[float], columns: int) -> None:
    xs = [float(place) for place in range(len(values))]
    kept = list(thin(xs, values, xs[0], xs[-1], columns))
    assert [x for x, _ in kept] == sorted({x for x, _ in kept})
    assert set(kept) <= set(zip(xs, values, strict=True))
    assert min(y for _, y in kept) == min(values)
    assert max(y for _, y in kept) == max(values)
    assert kept[0][0] == xs[0]
    assert kept[-1][0] == xs[-1]
    assert len(kept) <= max(4 * columns, len(values) if len(values) <= 4 * columns else 0)


def test_thinning_keeps_a_gap() -> None:
    ys = [1.0] * 1000
    ys[500] = math.nan
    assert any(math.isnan(y) for _, y in thin([float(x) for x in range(1000)], ys, 0, 999, 10))


def test_a_canvas_holds_eight_dots_a_cell() -> None:
    canvas = Canvas(2, 1)
    for x in range(2):
        for y in range(4):
            canvas.dot(x, y, 0)
    canvas.dot(-1, 0, 0)
    canvas.dot(0, 9, 0)
    assert canvas.glyph(0, 0) == "⣿"
    assert canvas.glyph(1, 0) == " "
    assert canvas.glyph(0, 0, ascii_only=True) == ":"


@given(st.integers(-3, 9), st.integers(-9, 30), st.integers(-2, 2), st.integers(-9, 30))
def test_a_steep_line_is_its_dots(x: int, start: int, across: int, end: int) -> None:
    line, dots = Canvas(4, 5), Canvas(4, 5)
    line.line(x, start, x + across, end, 2)
    steps = max(abs(across), abs(end - start))
    for step in range(steps + 1):
        share = step / steps if steps else 0.0
        dots.dot(x + round(across * share), start + round((end - start) * share), 2)
    assert (line.dots, line.ink) == (dots.dots, dots.ink)


def test_bars_show_eighths() -> None:
    assert block(1.0, 4) == "████"
    assert block(0.5, 4) == "██"
    assert block(0.001, 4) == "▏"
    assert block(0.0, 4) == ""
    assert block(math.nan, 4) == ""
    assert block(0.5, 4, ascii_only=True) == "##"


async def test_the_legend_names_last_and_best_and_the_cursor_reads_values() -> None:
    app = ChartApp()
    async with app.run_test(size=(60, 14)) as pilot:
        xs = [float(x) for x in range(0, 101, 10)]
        up, down = [x / 100 for x in xs], [1 - x / 200 for x in xs]
        down[5] = 0.2
        app.chart.set_curves([Curve("up", xs, up, 0, "A", best="max"), Curve("down", xs, down, 1, "B", True, "min")])
        await pilot.pause()
        assert app.lines()[0].rstrip() == "A up 1  B· down 0.500 min 0.200"
        assert next(line.split("┤")[0].strip() for line in app.lines() if "┤" in line) == "1.00"
        app.chart.focus()
        await pilot.press("right")
        assert app.lines()[0].startswith("step 100  A up 1  B· down 0.500")
        for _ in range(app.chart._draw().width):
            await pilot.press("left")
        assert app.lines()[0].startswith("step 0  A up 0.000  B· down 1")
        await pilot.press("escape")
        assert app.lines()[0].startswith("A up")


async def test_gaps_infinities_and_log_scale_are_drawn() -> None:
    app = ChartApp()
    async with app.run_test(size=(40, 12)) as pilot:
        xs = [float(x) for x in range(100)]
        ys = [1.0 + x for x in xs]
        ys[40:60] = [math.nan] * 20
        ys[70], ys[80] = math.inf, -math.inf
        app.chart.set_curves([Curve("c", xs, ys, 0, "A")])
        await pilot.pause()
        lines = app.lines()
        assert "▲" in lines[1]
        assert "▼" in lines[-3]
        width = app.chart._draw().width
        columns = [any(0x2801 <= ord(line[at]) <= 0x28FF for line in lines[1:-2]) for at in range(len(lines[1]))]
        drawn = columns[columns.index(True) : columns.index(True) + width]
        assert not any(drawn[int(width * 0.42) : int(width * 0.58)])
        app.chart.focus()
        await pilot.press("y")
        assert any("100┤" in line for line in app.lines())
        app.chart.set_curves([Curve("c", xs, [-1.0] * 100)])
        await pilot.pause()
        assert app.lines()


@pytest.mark.parametrize(
    "curves",
    [
        [],
        [Curve("one", [5.0], [3.0])],
        [Curve("flat", [0.0, 1.0], [0.0, 0.0])],
        [Curve("none", [0.0, 1.0], [math.nan, math.nan])],
        [Curve("wild", [0.0, 1.0, 2.0], [math.inf, -math.inf, math.inf])],
        [Curve("huge", [0.0, 1.0], [1e300, -1e300])],
        [Curve("tiny", [0.0, 1.0], [1e-300, 2e-300])],
        [Curve("empty", [], [])],
        [Curve(f"c{place}", [0.0, 1.0], [0.0, place], place, "A") for place in range(20)],
    ],
    ids=lambda curves: curves[0].label if curves else "no curves",
)
@pytest.mark.parametrize("size", [(60, 14), (20, 5), (13, 4), (8, 3)])
async def test_any_curve_fits_any_size(curves: list[Curve], size: tuple[int, int]) -> None:
    app = ChartApp()
    async with app.run_test(size=size) as pilot:
        app.chart.set_curves(curves)
        for log in (False, True):
            app.chart.log_y = log
            await pilot.pause()
            for line in app.lines():
                assert cell_len(line) == app.chart.size.width


async def test_a_locale_without_utf8_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    app = ChartApp()
    async with app.run_test(size=(60, 14)) as pilot:
        xs = [float(x) for x in range(50)]
        app.chart.set_curves([Curve("c", xs, [x * x for x in xs[:-1]] + [math.inf], 0, "A")])
        await pilot.pause()
        assert "".join(app.lines()).isascii()
        assert "^" in app.lines()[1]
