"""The Datasets pane: what data there is, its rows, labels and lengths, and what becomes of a text on its way to a model."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from aat_datasets.errors import AatError
from aat_datasets.records import DatasetInfo
from aat_datasets.selection import Selection
from aat_workbench.terminal import visible
from aat_workbench.tui.data_job import DataJob
from aat_workbench.tui.dataset_rows import (
    ORDER_OF,
    STATES,
    about,
    data_columns,
    data_row,
    grouped,
    info_row,
)
from aat_workbench.tui.dataset_view import Chosen, Reader, Rows
from aat_workbench.tui.messages import ProbeText, TrainOn
from aat_workbench.tui.pane import Pane, PaneCommand
from aat_workbench.tui.screens.dataset_jobs import JobLine
from aat_workbench.tui.screens.row_looking import RowLooking
from aat_workbench.tui.screens.rows_taking import RowsTaking, may_download
from aat_workbench.tui.widgets.dataset_counts import DatasetCounts
from aat_workbench.tui.widgets.probe import TextInput
from aat_workbench.tui.widgets.table import Column, Row, VirtualTable

if TYPE_CHECKING:
    from aat_datasets.tables import Glimpse

__all__ = ["DatasetsPane"]

SECONDS_OF_REST = 0.1  # after the last key in the filter
SECONDS_OF_OLD_ROWS = 0.5  # before a search that has found nothing shows that
SECONDS_BETWEEN_COUNTS = 0.3  # while a search goes on
ORDERS = ("row", "size", "-size", "label", "text")  # that the key turns through


class DatasetsPane(Pane):
    """See the module."""

    ABOUT = (
        "Datasets on the left (● ready, ◆ built in, ◐ raw files here, ○ to download); enter opens one. The filter "
        "finds texts that contain what is typed; after = it is an SQL condition over row, text, label, target. "
        "Enter on a label or on a length keeps only its rows; enter on another length widens the range. A click on a "
        "column's title sorts. Filtered rows are saved as a view, a dataset of its own, when they are trained on."
    )
    DEFAULT_CSS = """
    DatasetsPane #across { height: 1fr; }
    DatasetsPane #left { width: 34; }
    DatasetsPane .box { border: round $border-blurred; border-title-color: $muted; border-subtitle-color: $muted; }
    DatasetsPane .box:focus-within { border: round $border; border-title-color: $foreground; }
    DatasetsPane #datasets-box { height: 1fr; min-height: 4; }
    DatasetsPane #rows-box { width: 2fr; height: 1fr; }
    DatasetsPane #detail-box { width: 1fr; height: 1fr; }
    DatasetsPane #right { layout: horizontal; width: 1fr; }
    DatasetsPane #filter { height: 1; border: none; padding: 0 1; background: $panel; }
    DatasetsPane #filter:focus { border: none; background: $block-cursor-blurred-background; }
    DatasetsPane #detail { width: 1fr; height: auto; padding: 0 1; }
    DatasetsPane.-narrow #left { width: 26; }
    DatasetsPane.-narrow #right { layout: vertical; }
    DatasetsPane.-narrow #rows-box { width: 1fr; height: 3fr; }
    DatasetsPane.-narrow #detail-box { width: 1fr; height: 2fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "cancel", "cancel", tooltip="stop what is being read, downloaded or sorted", id="datasets.cancel"),
        Binding("slash", "filter", "filter", key_display="/", tooltip="find rows by their text", id="datasets.filter"),
        Binding("l", "labels", "labels", tooltip="go to the labels; enter there filters", id="datasets.labels"),
        Binding("w", "lengths", "lengths", tooltip="go to the lengths; enter there filters", id="datasets.lengths"),
        Binding("s", "split", "split", tooltip="next split", id="datasets.split"),
        Binding("o", "order", "order", tooltip="sort by row, length, label, text", id="datasets.order"),
        Binding("g", "jump", "go to", tooltip="go to a row by its number", id="datasets.jump"),
        Binding("x", "clear", "all rows", tooltip="drop the filters", id="datasets.clear"),
        Binding("p", "probe", "probe", tooltip="open the row's text in Adversarial", id="datasets.probe"),
        Binding("a", "attack", "attack", tooltip="look for an edit that breaks a model on it", id="datasets.attack"),
        Binding("t", "train", "train", tooltip="a new run on these rows", id="datasets.train"),
        Binding("n", "add", "add", tooltip="add a file of your own", id="datasets.add"),
        Binding("i", "about", "about", tooltip="what the dataset is; overlap of its splits", id="datasets.about"),
        Binding("escape", "back", "rows", show=False),
    ]

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.reader = Reader()
        self._infos: list[DatasetInfo] = []
        self._chosen = Chosen()
        self._shown: Rows | None = None  # what the table shows
        self._glimpses: dict[int, Glimpse] = {}
        self._counted = 0.0  # when the counts were last drawn
        self._overlap: dict[str, int] | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="across"):
            with Vertical(id="left"):
                with Vertical(id="datasets-box", classes="box") as box:
                    box.border_title = "Datasets of this machine" if self.workbench.mirror else "Datasets"
                    columns = [Column("", 1), Column("name"), Column("rows", 5, right=True)]
                    yield VirtualTable(columns, header=False, empty="looking…", id="datasets-list")
                yield DatasetCounts(id="counts")
            with Vertical(id="right"):
                with Vertical(id="rows-box", classes="box") as box:
                    box.border_title = "Rows"
                    yield TextInput(placeholder="contains…   or  = SQL condition", id="filter")
                    yield VirtualTable(self._columns(), empty="enter on a dataset opens it", id="rows")
                with VerticalScroll(id="detail-box", classes="box") as box:
                    box.border_title = "Row"
                    yield Static("", id="detail", markup=False)
        yield JobLine(id="job")

    def on_mount(self) -> None:
        self.looking = RowLooking(self, self.reader)
        self.taking = RowsTaking(self, self.reader)
        self.run_worker(self._list, group="list", exclusive=True)

    async def on_unmount(self) -> None:
        await self.reader.close()

    # Parts

    @property
    def rows_table(self) -> VirtualTable:
        return self.query_one("#rows", VirtualTable)

    @property
    def datasets_table(self) -> VirtualTable:
        return self.query_one("#datasets-list", VirtualTable)

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
    def info(self) -> DatasetInfo | None:
        """The dataset under the cursor."""
        cursor = self.datasets_table.cursor
        return self._infos[cursor] if cursor < len(self._infos) else None

    @property
    def row(self) -> Glimpse | None:
        """The row under the cursor, once it has come."""
        return self._glimpses.get(self.rows_table.cursor)

    def focus_first(self) -> None:
        table = self.rows_table if self.reader.dataset is not None else self.datasets_table
        self.focus_on(table)

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < 110, "-narrow")
        self.counts.fit()
        self.rows_table.set_columns(self._columns())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "cancel":
            return self.is_mounted and self.jobs.job is not None
        return True

    # The list of datasets

    async def _list(self) -> None:
        """Fill the list; open the first dataset that needs no work."""
        await self.refresh_list()
        nearest = min(self._infos, key=lambda info: list(STATES).index(info.state), default=None)
        if nearest is None or self.reader.dataset is not None:
            return
        self.datasets_table.cursor = self._infos.index(nearest)
        if nearest.state == "ready":
            self.open(nearest.name)
        else:
            self._explain()

    async def refresh_list(self) -> None:
        """Datasets come and go: read the cards again."""
        at = self.info.name if self.info is not None else ""
        self._infos = await self.reader.listing()
        self._show_list()
        names = [info.name for info in self._infos]
        if at in names:
            self.datasets_table.cursor = names.index(at)

    def _show_list(self) -> None:
        current = self.reader.dataset.name if self.reader.dataset else ""
        rows = [info_row(info, current) for info in self._infos]
        wide = max((len(count.text) for _, _, count in rows), default=5)
        self.datasets_table.set_columns([Column("", 1), Column("name"), Column("rows", wide, right=True)])
        self.datasets_table.set_list(rows)

    def _explain(self) -> None:
        """Say in the detail what the dataset under the cursor is, while none of its rows is shown."""
        info = self.info
        if info is not None and not (self.reader.dataset and self.reader.dataset.name == info.name):
            self._tell(info)

    def _tell(self, info: DatasetInfo, overlap: dict[str, int] | None = None, rejected: int = 0) -> None:
        self.workers.cancel_group(self, "detail")
        self.query_one("#detail", Static).update(about(info, self.app.theme_variables, overlap, rejected))
        self.query_one("#detail-box").border_title = Content(visible(info.name))

    def open(self, name: str) -> None:
        """Show a dataset; read its raw files in, or ask for a download, where that is needed first."""
        self.run_worker(partial(self._open_now, name), group="open", exclusive=True)

    async def _open_now(self, name: str) -> None:
        info = next((info for info in self._infos if info.name == name), None)
        try:
            if info is not None and info.state == "downloadable":
                if not await may_download(self, info):
                    return
                await self.jobs.run(DataJob("get", name))
            elif info is None or info.state != "ready":
                await self.jobs.run(DataJob("open", name))
            dataset = await self.reader.open(name)
        except AatError as error:
            self.workbench.say(error.message, error.hint, severity="error")
            return
        self._infos = [dataset.info if info.name == name else info for info in self._infos]
        self._show_list()
        self._overlap = None
        self._reset_filter()
        self._search()
        if self.screen.focused in (None, self.datasets_table):  # none: the list's focus is still on its way
            self.focus_on(self.rows_table)

    # Rows

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

    # What the user does

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        if message.table.id == "rows":
            self._look()
        elif message.table.id == "datasets-list":
            self._explain()

    def on_virtual_table_headed(self, message: VirtualTable.Headed) -> None:
        if message.table.id == "rows":
            order = ORDER_OF[message.index]
            self.choose(Chosen(self.selection, f"-{order}" if self._chosen.order == order else order))

    def on_virtual_table_chosen(self, message: VirtualTable.Chosen) -> None:
        chosen = self.selection
        if message.table.id == "datasets-list" and self.info is not None:
            self.open(self.info.name)
        elif message.table.id == "labels":
            label = list(self.counts.labels)[message.index]
            self._select(replace(chosen, label="" if label == chosen.label else label))
        elif message.table.id == "lengths":
            low, high, _ = self.counts.lengths[message.index]
            self._select(within(chosen, low, high))

    def _select(self, selection: Selection, rest: float = 0.0) -> None:
        self.choose(Chosen(selection, self._chosen.order), rest)

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        typed = self.query_one("#filter", TextInput).text
        condition = typed.startswith("=")
        self._select(
            replace(self.selection, contains="" if condition else typed, where=typed[1:].strip() if condition else ""),
            SECONDS_OF_REST,
        )

    def on_input_submitted(self) -> None:
        self.action_back()

    def action_back(self) -> None:
        self.focus_on(self.rows_table)

    def action_filter(self) -> None:
        self.focus_on(self.query_one("#filter", Input))

    def action_labels(self) -> None:
        self.focus_on(self.query_one("#labels", VirtualTable))

    def action_lengths(self) -> None:
        self.focus_on(self.query_one("#lengths", VirtualTable))

    def action_split(self) -> None:
        if self.reader.dataset is not None:
            splits = list(self.reader.dataset.splits)
            self.reader.choose_split(splits[(splits.index(self.reader.split) + 1) % len(splits)])
            self._search()

    def action_order(self) -> None:
        now = self._chosen.order
        place = (ORDERS.index(now) + 1) % len(ORDERS) if now in ORDERS else 0
        self.choose(Chosen(self.selection, ORDERS[place]))

    def action_clear(self) -> None:
        if self.reader.dataset is not None:
            order = self._chosen.order
            with self.prevent(Input.Changed):
                self.query_one("#filter", TextInput).put("")
            self.choose(Chosen(Selection(unit=self.reader.unit), order))

    def action_cancel(self) -> None:
        self.jobs.cancel()

    @work(group="jump", exclusive=True)
    async def action_jump(self) -> None:
        if self._shown is not None and await self.taking.jump(self._shown):
            self.action_back()

    @work(group="about", exclusive=True)
    async def action_about(self) -> None:
        dataset = self.reader.dataset
        if dataset is None:
            self._explain()
            return
        self._tell(dataset.info, self._overlap, dataset.meta.rejected)
        if self._overlap is None:
            found = await self.taking.overlap()
            if found is not None and self.reader.dataset is dataset:
                self._overlap = found
                self._tell(dataset.info, found, dataset.meta.rejected)

    @work(group="act", exclusive=True)
    async def _send(self, attack: bool) -> None:
        row = await self.reader.full(self.row) if self.row is not None else None
        if row is not None:
            self.post_message(ProbeText(row.text, attack=attack))

    def action_probe(self) -> None:
        self._send(False)

    def action_attack(self) -> None:
        self._send(True)

    @work(group="act", exclusive=True)
    async def action_train(self) -> None:
        """Train on what is shown: the dataset, or the selected rows as a view of their own."""
        dataset, rows, info = self.reader.dataset, self._shown, self.info
        name = dataset.name if dataset is not None else info.name if info is not None else ""
        if dataset is not None and rows is not None and self.selection.any:
            name = await self.taking.save_view(self.selection, rows, {info.name for info in self._infos})
            await self.refresh_list()
        if name:
            self.post_message(TrainOn(name))

    @work(group="act", exclusive=True)
    async def action_add(self) -> None:
        added = await self.taking.add({info.name for info in self._infos})
        await self.refresh_list()
        if added:
            self.open(added)

    def commands(self) -> Iterable[PaneCommand]:
        if self.jobs.job is not None:
            yield PaneCommand("Cancel the work", "Key c", self.action_cancel)
        yield PaneCommand("Add a file", "Key n; CSV, TSV, JSONL, Parquet or text", self.action_add)
        yield PaneCommand("Find rows", "Key /", self.action_filter)
        yield PaneCommand("Go to a row", "Key g", self.action_jump)
        yield PaneCommand("Next split", "Key s", self.action_split)
        yield PaneCommand("Sort the rows by the next order", "Key o", self.action_order)
        yield PaneCommand("Show all rows", "Key x", self.action_clear)
        yield PaneCommand("About the dataset", "Key i; with the overlap of its splits", self.action_about)
        if self.row is not None:
            yield PaneCommand("Probe this text", "Key p", self.action_probe)
            yield PaneCommand("Attack this text", "Key a", self.action_attack)
        if self.reader.dataset is not None:
            what = "these rows of " if self.selection.any else ""
            yield PaneCommand(f"Train on {what}{visible(self.reader.dataset.name)}", "Key t", self.action_train)


def within(chosen: Selection, low: int, high: int) -> Selection:
    """The selection with a range of lengths widened to hold ``low`` to ``high``; dropped where it was that range."""
    if (chosen.shortest, chosen.longest) == (low, high):
        return replace(chosen, shortest=0, longest=0)
    if chosen.shortest or chosen.longest:
        low, high = min(chosen.shortest or low, low), max(chosen.longest, high)
    return replace(chosen, shortest=low, longest=high)
