"""The virtual table: any number of rows, pages in view only, rows of exactly the screen's width."""

from __future__ import annotations

import asyncio

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult

from aat_workbench.tui.themes import DARK
from aat_workbench.tui.widgets.painted import fit
from aat_workbench.tui.widgets.table import KEPT_PAGES, PAGE, Bar, Cell, Column, Row, VirtualTable

from .shell_support import HOSTILE, until


class TableApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.events: list[tuple[str, int]] = []

    def compose(self) -> ComposeResult:
        columns = [Column("row", 8, right=True), Column("text"), Column("share", 5)]
        yield VirtualTable(columns, empty="no rows", id="table")

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        self.events.append(("moved", message.index))

    def on_virtual_table_chosen(self, message: VirtualTable.Chosen) -> None:
        self.events.append(("chosen", message.index))

    @property
    def table(self) -> VirtualTable:
        return self.query_one(VirtualTable)

    def lines(self) -> list[str]:
        return [self.table.render_line(y).text for y in range(self.table.size.height)]


def rows_of(start: int, stop: int) -> list[Row]:
    return [(Cell(str(row)), f"text {row}", Bar(0.5)) for row in range(start, stop)]


async def test_a_million_rows_are_shown_a_page_at_a_time() -> None:
    app = TableApp()
    asked: list[tuple[int, int]] = []

    async def fetch(start: int, stop: int) -> list[Row]:
        asked.append((start, stop))
        await asyncio.sleep(0)
        return rows_of(start, stop)

    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_rows(1_000_000, fetch)
        app.table.focus()
        await until(pilot, lambda: "text 0 " in app.lines()[1])
        await until(pilot, lambda: len(asked) == 2)
        assert asked == [(0, PAGE), (PAGE, 2 * PAGE)]  # what is in view, and what the cursor would come to
        await pilot.press("end")
        await until(pilot, lambda: "text 999999" in app.lines()[-1])
        assert asked[2:] == [(999_900, 1_000_000)]
        for page in range(2 * KEPT_PAGES):
            app.table.cursor = 500_000 + page * 10 * PAGE
            await until(pilot, lambda: f"text {app.table.cursor} " in "\n".join(app.lines()))
        assert len(app.table._pages) <= KEPT_PAGES
        assert len(asked) <= 3 + 3 * 2 * KEPT_PAGES
        await pilot.press("home")
        await until(pilot, lambda: "text 0 " in app.lines()[1])
        assert app.table.cursor == 0


async def test_a_table_grows_under_its_cursor() -> None:
    app = TableApp()
    asked: list[tuple[int, int]] = []

    async def fetch(start: int, stop: int) -> list[Row]:
        asked.append((start, stop))
        return rows_of(start, stop)

    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_rows(3, fetch)
        await until(pilot, lambda: "text 2 " in app.lines()[3])
        app.table.cursor = 2
        app.table.grow(1_000)
        await until(pilot, lambda: "text 9 " in app.lines()[10])
        assert app.table.cursor == 2 and app.table.total == 1_000
        assert asked[:2] == [(0, 3), (0, PAGE)]
        app.table.grow(1)
        await until(pilot, lambda: "text 1 " not in "\n".join(app.lines()))
        assert app.table.cursor == 0


async def test_a_click_on_a_title_says_which() -> None:
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_list(rows_of(0, 40))
        await pilot.pause()
        await pilot.click(VirtualTable, offset=(12, 0))
        await pilot.click(VirtualTable, offset=(3, 0))
        assert app.table.cursor == 0
        assert [app.table._column_at(x) for x in (0, 1, 8, 9, 11, 55)] == [None, 0, 0, None, 1, 2]


async def test_pages_that_left_the_view_are_not_fetched_and_old_answers_are_dropped() -> None:
    app = TableApp()
    gate = asyncio.Event()
    asked: list[int] = []

    async def slow(start: int, stop: int) -> list[Row]:
        asked.append(start)
        await gate.wait()
        return [("old", "old", "") for _ in range(start, stop)]

    async def quick(start: int, stop: int) -> list[Row]:
        return rows_of(start, stop)

    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_rows(10_000, slow)
        await until(pilot, lambda: asked)
        for cursor in (2_000, 4_000, 6_000):
            app.table.cursor = cursor
            await pilot.pause()
        assert asked == [0]
        app.table.set_rows(10_000, quick)
        gate.set()
        await until(pilot, lambda: "text 0 " in app.lines()[1])
        assert not any("old" in line for line in app.lines())


async def test_keys_and_mouse_move_the_cursor() -> None:
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_list(rows_of(0, 40))
        app.table.focus()
        await pilot.pause()
        await pilot.press("down", "down", "up", "enter")
        assert app.events[-2:] == [("moved", 1), ("chosen", 1)]
        await pilot.press("pagedown")
        assert app.table.cursor == 11
        await pilot.press("end", "down")
        assert app.table.cursor == 39
        await pilot.press("home", "up")
        assert app.table.cursor == 0
        await pilot.click(VirtualTable, offset=(10, 4))
        assert app.table.cursor == 3
        await pilot.click(VirtualTable, offset=(10, 0))
        assert app.table.cursor == 3
        await pilot.double_click(VirtualTable, offset=(10, 6))
        assert app.events[-1] == ("chosen", 5)


async def test_every_line_is_exactly_as_wide_as_the_table() -> None:
    app = TableApp()
    async with app.run_test(size=(47, 20)) as pilot:
        app.table.set_list([(str(place), text, Bar(2.0)) for place, text in enumerate(HOSTILE)])
        await pilot.pause()
        for line in app.lines():
            assert cell_len(line) == app.table.size.width
        app.table.set_list([])
        assert "no rows" in app.lines()[1]
        await pilot.resize_terminal(9, 6)
        app.table.set_list([("1", "中文文本", Bar(0.1))])
        await pilot.pause()
        for line in app.lines():
            assert cell_len(line) == app.table.size.width


async def test_a_shorter_list_takes_the_cursor_back() -> None:
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_list(rows_of(0, 40))
        app.table.cursor = 30
        app.table.set_list(rows_of(0, 10))
        await pilot.pause()
        assert app.table.cursor == 9
        assert "text 9" in "\n".join(app.lines())


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
@pytest.mark.parametrize("width", [1, 2, 7, 30])
@pytest.mark.parametrize("right", [False, True])
def test_a_clipped_text_has_the_width_asked_for(text: str, width: int, right: bool) -> None:
    assert cell_len(fit(text, width, right=right)) == width
