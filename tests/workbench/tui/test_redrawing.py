"""What a key draws anew: once, no more than it changed, and nothing that is out of date is left."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from rich.segment import Segment
from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip

from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.widgets.curves import Curve, CurveChart
from aat_workbench.tui.widgets.plotting import Extremes
from aat_workbench.tui.widgets.table import VirtualTable

from .shell_support import until
from .test_curves import ChartApp
from .test_table import TableApp, rows_of
from .training_support import app_on, chart, pane_of

SIZE = (120, 40)


def drawn_lines(monkeypatch: pytest.MonkeyPatch, kind: type[VirtualTable] | type[CurveChart]) -> set[int]:
    """The lines of widgets of this kind that are drawn from now on."""
    lines: set[int] = set()
    draw = kind.render_line

    def noted(self: VirtualTable | CurveChart, y: int) -> Strip:
        lines.add(y)
        return draw(self, y)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(kind, "render_line", noted)
    return lines


async def test_a_table_draws_the_lines_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_list(rows_of(0, 40))
        app.table.focus()
        await pilot.pause()
        lines = drawn_lines(monkeypatch, VirtualTable)
        await pilot.press("down")
        assert lines == {1, 2}
        lines.clear()
        rows = rows_of(0, 40)
        rows[4] = rows[20] = ("other", "row", "")
        app.table.set_list(rows)
        app.table.set_columns(list(app.table._columns))
        await pilot.pause()
        assert lines == {5}
        assert "other" in app.lines()[5]
        await pilot.press("end")
        assert "other" not in "\n".join(app.lines())
        app.table.cursor = 20
        assert "other" in "\n".join(app.lines())
        await pilot.pause()
        lines.clear()
        app.table.set_list(rows[:39])
        await until(pilot, lambda: lines == set(range(12)))


async def test_a_chart_that_shows_the_same_is_not_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    app = ChartApp()
    async with app.run_test(size=(60, 12)) as pilot:
        xs, ys = [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]
        app.chart.set_curves([Curve("a", xs, ys, best="max")])
        app.chart.set_axis("step")
        await pilot.pause()
        lines = drawn_lines(monkeypatch, CurveChart)
        app.chart.set_curves([Curve("a", xs, ys, best="max")])
        app.chart.set_axis("step")
        app.chart.set_title("")
        await pilot.pause()
        assert lines == set()
        xs.append(4.0)
        ys.append(9.0)
        app.chart.set_curves([Curve("a", xs, ys, best="max")])
        await until(pilot, lambda: 0 in lines)
        assert "9" in app.lines()[0]
        for changed in (Curve("b", xs, ys), Curve("b", xs, ys, dotted=True), Curve("b", xs, list(ys))):
            lines.clear()
            app.chart.set_curves([changed])
            await until(pilot, lambda: 0 in lines)
        lines.clear()
        app.chart.set_axis("epoch")
        await until(pilot, lambda: 0 in lines)
        app.chart.set_curves([], "nothing here")
        await until(pilot, lambda: "nothing here" in app.lines()[0])
        app.chart.set_curves([], "nor here")
        await until(pilot, lambda: "nor here" in app.lines()[0])


def test_extremes_are_those_of_a_list_that_grew_or_took_the_place_of_another() -> None:
    known = Extremes()
    ys = [1.0, 5.0]
    for _ in range(3):
        assert known.of(ys) == (1.0, 5.0)
        assert known.of(ys, positive=True) == (1.0, 5.0)
        known.turn()
    ys.append(-2.0)
    assert known.of(ys) == (-2.0, 5.0)
    assert known.of(ys, positive=True) == (1.0, 5.0)
    for value in range(200):  # lists that are gone leave their places in memory to others
        assert known.of([float(value), 0.5]) == (min(float(value), 0.5), max(float(value), 0.5))
        if value % 3 == 0:
            known.turn()


async def test_one_painting_shows_the_run_under_the_cursor_and_its_curves(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_on(runs)
    painted: list[tuple[str, bool]] = []
    paint = Screen._compositor_refresh

    def noted(screen: Screen[None]) -> None:
        pane = pane_of(app)
        run, first = pane.run, pane.query_one("#chart-0", CurveChart)._curves
        if run is not None and first and "loss" in run.series:
            painted.append((run.name, first[0].xs is run.series["loss"].xs))
        paint(screen)

    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "0.224" in chart(app)[0])
        monkeypatch.setattr(Screen, "_compositor_refresh", noted)
        await pilot.press("down", "down", "up", "up")
        assert len({name for name, _ in painted}) > 1
        assert all(together for _, together in painted)


@pytest.mark.slow
async def test_nothing_that_is_out_of_date_is_left_on_the_screen(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "0.224" in chart(app)[0])
        for keys in (
            ["down"], ["space", "down", "down"], ["end"], ["home", "v"], ["v", "x"], ["m", "up"], ["m", "m", "m", "x", "x"],
            ["tab"], ["left", "left"], ["y"], ["plus"], ["down", "0", "y"], ["shift+tab", "space"],
            ["slash", *"fgm"], ["backspace", "backspace", "backspace", "enter"], ["c", "down"], ["c", "end", "space"],
        ):  # fmt: skip
            await pilot.press(*keys)
            await _looks_as_drawn_anew(pilot, app, keys)


async def _looks_as_drawn_anew(pilot: Pilot[None], app: WorkbenchApp, keys: Iterable[str]) -> None:
    def shown() -> list[list[Segment]]:
        return [list(strip.simplify()) for strip in app.screen._compositor.render_strips()]

    await pilot.pause()
    left = shown()
    for widget in app.screen.query("*"):
        widget.refresh()
    await pilot.pause()
    assert left == shown(), keys
