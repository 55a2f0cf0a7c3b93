"""The rows of a dataset in the pane's table: searched for, sorted, counted, and the one under the cursor in full."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual import work
from textual.content import Content
from textual.widgets import Input, Static

from aat_datasets.errors import AatError
from aat_datasets.selection import Selection
from aat_workbench.terminal import visible
from aat_workbench.tui.dataset_rows import ORDER_OF, data_columns, data_row, grouped
from aat_workbench.tui.dataset_view import Chosen, Reader, Rows
from aat_workbench.tui.pane import Pane
from aat_workbench.tui.screens.dataset_jobs import JobLine
from aat_workbench.tui.screens.row_looking import RowLooking
from aat_workbench.tui.widgets.dataset_counts import DatasetCounts
from aat_workbench.tui.widgets.entry import TextInput
from aat_workbench.tui.widgets.table import Column, Row, VirtualTable

if TYPE_CHECKING:
    from aat_datasets.tables import Glimpse

__all__ = ["RowsShowing"]

SECONDS_OF_OLD_ROWS = 0.5  # before a search that has found nothing shows that
SECONDS_BETWEEN_COUNTS = 0.3  # while a search goes on


class RowsShowing(Pane, can_focus=False):
    """The part of a pane that shows rows; the pane lays out the widgets and says what is chosen."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.reader = Reader()
        self.looking = RowLooking(self, self.reader)
        self._chosen = Chosen()
        self._shown: Rows | None = None  # what the table shows
        self._glimpses: dict[int, Glimpse] = {}
        self._counted = 0.0  # when the counts were last drawn

    @property
    def rows_table(self) -> VirtualTable:
        return self.query_one("#rows", VirtualTable)

    @property
    def counts(self) -> DatasetCounts:
        return self.query_one(DatasetCounts)

    @property
    def jobs(self) -> JobLine:
        return self.query_one(JobLine)

    @property
    def selection(self) -> Selection:
        return self._chosen.selection

    @property
    def row(self) -> Glimpse | None:
        """The row under the cursor, once it has come."""
        return self._glimpses.get(self.rows_table.cursor)

    def _columns(self) -> list[Column]:
        widest = max((len(label) for label in self.counts.labels), default=5) if self.is_mounted else 5
        last = self._shown.scan.table.total if self._shown is not None else 0
        label = min(widest, 12 if self.size.width < 150 else 24)
        unit = "chars" if self.reader.unit == "characters" else "words"
        return data_columns(self._chosen.order, unit, last, label)

    def _reset_filter(self) -> None:
        self._chosen = Chosen(Selection(unit=self.reader.unit))
        with self.prevent(Input.Changed):
            self.query_one("#filter", TextInput).put("")

    def choose(self, chosen: Chosen, rest: float = 0.0) -> None:
        """Show other rows, after ``rest`` seconds in which nothing else is chosen."""
        if chosen != self._chosen:
            self._chosen = chosen
            self._search(rest)

    def _search(self, rest: float = 0.0) -> None:
        self.run_worker(partial(self._search_now, rest), group="rows", exclusive=True)

    async def _search_now(self, rest: float) -> None:
        if rest:
            await asyncio.sleep(rest)
        if self.reader.dataset is None:
            return
        first, began = True, time.monotonic()
        try:
            async for rows in self.reader.search(self.selection):
                # Rows of the filter before stay only as long as a blink: then they would be taken for its rows.
                if first and (rows.total or rows.scan.complete or time.monotonic() - began > SECONDS_OF_OLD_ROWS):
                    first = False
                    self._show_rows(rows)
                    if self._chosen.order != "row":
                        self._sort(rows)
                self._found(rows)
        except AatError as error:
            self.query_one("#rows-box").border_subtitle = Content(visible(error.message))

    def _show_rows(self, rows: Rows) -> None:
        """Show these rows in place of those that were."""
        if self._shown is not None:
            self._shown.close()
        self._shown = rows
        self._glimpses.clear()

        async def fetch(start: int, stop: int) -> Sequence[Row]:
            try:
                found = await self.reader.window(rows, start, stop)
            except AatError as error:
                self.query_one("#rows-box").border_subtitle = Content(visible(error.message))
                return []
            if self._shown is rows:
                if len(self._glimpses) > 2_000:
                    self._glimpses.clear()
                self._glimpses.update(enumerate(found, start))
                self.call_later(self._look)
            return [data_row(glimpse) for glimpse in found]

        self.rows_table.set_columns(self._columns())
        self.rows_table.set_rows(rows.total, fetch)
        if not rows.total:
            self.query_one("#detail", Static).update("")
            self.query_one("#detail-box").border_title = "Row"

    def _found(self, rows: Rows) -> None:
        """The search has gone on: say how far, and show what it has counted."""
        scan, shown = rows.scan, self._shown
        if shown is not None and shown.scan is scan:
            self.rows_table.empty = "no row is like that" if scan.complete else "searching…"
            self.rows_table.grow(shown.total)
            if not shown.total:
                self.rows_table.refresh()
        now = time.monotonic()
        if scan.complete or now - self._counted > SECONDS_BETWEEN_COUNTS:
            self._counted = now
            self.counts.show(scan)
            self.rows_table.set_columns(self._columns())
        self._title(rows)

    def _title(self, rows: Rows) -> None:
        dataset, scan = self.reader.dataset, rows.scan
        if dataset is None:
            return
        whole = grouped(scan.table.total)
        shown = f"{grouped(scan.total)} of {whole}" if self.selection.any else whole
        title = f"{dataset.name} · {self.reader.split} · {shown} rows"
        if self.selection.any and not scan.complete:
            title += f", {scan.scanned / scan.table.total:.0%} searched"
        box = self.query_one("#rows-box")
        box.border_title = Content(visible(title))
        notes = [replace(self.selection, contains="", where="").describe()]
        order = self._chosen.order
        if order != "row":
            name = self._columns()[ORDER_OF.index(order.removeprefix("-"))].title
            waits = self._shown is None or self._shown.order is None
            notes.append(f"by {name}{', sorting…' if waits else ''}")
        box.border_subtitle = Content(visible(" · ".join(note for note in notes if note))) or None

    @work(group="sort", exclusive=True)
    async def _sort(self, rows: Rows) -> None:
        """Replace the rows by the same in the order that is chosen."""
        chosen = self._chosen
        try:
            made = await self.reader.sorted(rows, chosen, self.jobs.run)
        except AatError as error:
            self.query_one("#rows-box").border_subtitle = Content(visible(error.message))
            return
        if chosen == self._chosen and self._shown is not None and self._shown.scan is rows.scan:
            self._show_rows(made)
            self._title(made)
        else:
            made.close()

    def _look(self) -> None:
        """Show the row under the cursor in full."""
        if self.row is not None:
            self.reader.words.run = (self.workbench.runs_root, self.workbench.selected_run)
            self.looking.look(self.row)
