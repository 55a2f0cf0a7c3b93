"""The Datasets pane: what data there is, its rows, labels and lengths, and what becomes of a text on its way to a model.

How the rows are found and shown is in ``rows_showing``.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from msgspec.structs import replace
from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from aat_datasets.errors import AatError
from aat_datasets.records import DatasetInfo
from aat_datasets.selection import Selection
from aat_workbench.terminal import visible
from aat_workbench.tui.data_job import DataJob
from aat_workbench.tui.dataset_rows import ORDER_OF, STATES, about, info_row
from aat_workbench.tui.dataset_view import Chosen
from aat_workbench.tui.messages import ProbeText, TrainOn
from aat_workbench.tui.pane import PaneCommand
from aat_workbench.tui.screens.dataset_jobs import JobLine
from aat_workbench.tui.screens.datasets_look import ABOUT, BINDINGS, CSS
from aat_workbench.tui.screens.rows_showing import RowsShowing
from aat_workbench.tui.screens.rows_taking import RowsTaking, may_download
from aat_workbench.tui.widgets.dataset_counts import DatasetCounts
from aat_workbench.tui.widgets.entry import TextInput
from aat_workbench.tui.widgets.table import Column, VirtualTable

__all__ = ["DatasetsPane"]

SECONDS_OF_REST = 0.1  # after the last key in the filter
ORDERS = ("row", "size", "-size", "label", "text")  # that the key turns through


class DatasetsPane(RowsShowing):
    """See the module."""

    ABOUT = ABOUT
    DEFAULT_CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = BINDINGS

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._infos: list[DatasetInfo] = []
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
        self.taking = RowsTaking(self, self.reader)
        self.run_worker(self._list, group="list", exclusive=True)

    async def on_unmount(self) -> None:
        await self.reader.close()

    # Parts

    @property
    def datasets_table(self) -> VirtualTable:
        return self.query_one("#datasets-list", VirtualTable)

    @property
    def info(self) -> DatasetInfo | None:
        """The dataset under the cursor."""
        cursor = self.datasets_table.cursor
        return self._infos[cursor] if cursor < len(self._infos) else None

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

    def recoloured(self) -> None:
        if self.row is not None:
            self._look()
        else:
            self._explain()

    # The list of datasets

    async def _list(self) -> None:
        """Fill the list; open the first dataset that needs no work."""
        await self.refresh_list()
        nearest = min(self._infos, key=lambda info: list(STATES).index(info.state), default=None)
        if nearest is None or self.reader.dataset is not None:
            return
        self._point_at(nearest.name)
        if nearest.state == "ready":
            self.open(nearest.name)
        else:
            self._explain()

    async def refresh_list(self) -> None:
        """Datasets come and go: read the cards again."""
        at = self.info.name if self.info is not None else ""
        self._infos = await self.reader.listing()
        self._show_list()
        self._point_at(at)

    def _point_at(self, name: str) -> None:
        names = [info.name for info in self._infos]
        if name in names:
            self.datasets_table.cursor = names.index(name)

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
            self._point_at(added)
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
