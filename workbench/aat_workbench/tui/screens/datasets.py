"""The Datasets pane: what data there is, its rows, labels and lengths, and what preprocessing makes of a text."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from aat_datasets.errors import AatError
from aat_datasets.records import DatasetInfo
from aat_datasets.records import Row as DataRow
from aat_workbench.terminal import visible
from aat_workbench.tui.dataset_rows import STATES, about, data_row, grouped, info_row, label_row, length_rows
from aat_workbench.tui.dataset_view import ORDERS, Filter, Reader
from aat_workbench.tui.messages import ProbeText, TrainOn
from aat_workbench.tui.pane import Pane, PaneCommand
from aat_workbench.tui.row_detail import row_detail
from aat_workbench.tui.widgets.table import Column, Row, VirtualTable

__all__ = ["DatasetsPane"]

SECONDS_OF_REST = 0.15  # after the last key in the filter


class DatasetsPane(Pane):
    """See the module."""

    ABOUT = (
        "Datasets on the left (● ready, ◆ built in, ◐ raw files here, ○ to download); enter opens one. The filter "
        "finds texts that contain what is typed; after = it is an SQL condition over row, text, label, target. "
        "Enter on a label keeps only its rows. On the right: the row under the cursor, and what each "
        "preprocessing step does."
    )
    DEFAULT_CSS = """
    DatasetsPane #across { height: 1fr; }
    DatasetsPane #left { width: 32; }
    DatasetsPane .box { border: round $border-blurred; border-title-color: $muted; border-subtitle-color: $muted; }
    DatasetsPane .box:focus-within { border: round $border; border-title-color: $foreground; }
    DatasetsPane #datasets-box { height: 1fr; min-height: 5; }
    DatasetsPane #labels-box { height: 4; }
    DatasetsPane #lengths-box { height: 4; }
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
        Binding("slash", "filter", "filter", key_display="/", tooltip="find rows by their text", id="datasets.filter"),
        Binding("l", "labels", "labels", tooltip="go to the labels; enter there filters", id="datasets.labels"),
        Binding("s", "split", "split", tooltip="next split", id="datasets.split"),
        Binding("o", "order", "order", tooltip="sort by row, length, label, text", id="datasets.order"),
        Binding("x", "clear", "all rows", tooltip="drop the filters", id="datasets.clear"),
        Binding("p", "probe", "probe this", tooltip="open the row's text in Adversarial", id="datasets.probe"),
        Binding("t", "train", "train on this", tooltip="a new run on this dataset", id="datasets.train"),
        Binding("escape", "back", "rows", show=False),
    ]

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.reader = Reader()
        self._infos: list[DatasetInfo] = []
        self._chosen = Filter()
        self._rows: dict[int, DataRow] = {}
        self._label_counts: dict[str, int] = {}
        self._lengths: list[tuple[int, int, int]] = []
        self._widest = 5

    def compose(self) -> ComposeResult:
        with Horizontal(id="across"):
            with Vertical(id="left"):
                with Vertical(id="datasets-box", classes="box") as box:
                    box.border_title = "Datasets"
                    columns = [Column("", 1), Column("name"), Column("rows", 7, right=True)]
                    yield VirtualTable(columns, header=False, empty="looking…", id="datasets-list")
                with Vertical(id="labels-box", classes="box") as box:
                    box.border_title = "Labels"
                    columns = [Column("label"), Column("rows", 5, right=True), Column("", 4)]
                    yield VirtualTable(columns, header=False, quiet=True, id="labels")
                with Vertical(id="lengths-box", classes="box") as box:
                    box.border_title = "Words"
                    columns = [Column("words", 7, right=True), Column("rows", 5, right=True), Column("")]
                    yield VirtualTable(columns, header=False, quiet=True, id="lengths")
            with Vertical(id="right"):
                with Vertical(id="rows-box", classes="box") as box:
                    box.border_title = "Rows"
                    yield Input(placeholder="contains…   or  = SQL condition", id="filter", select_on_focus=False)
                    yield VirtualTable(self._columns(), empty="enter on a dataset opens it", id="rows")
                with VerticalScroll(id="detail-box", classes="box") as box:
                    box.border_title = "Row"
                    yield Static("", id="detail", markup=False)

    def on_mount(self) -> None:
        self._show_labels()
        self.run_worker(self._list(), group="list", exclusive=True)

    def on_unmount(self) -> None:
        self.reader.close()

    def focus_first(self) -> None:
        if self.reader.dataset is not None:
            self.query_one("#rows", VirtualTable).focus(scroll_visible=False)
        else:
            self.query_one("#datasets-list", VirtualTable).focus(scroll_visible=False)

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < 110, "-narrow")
        self._fit_left()
        self.query_one("#rows", VirtualTable).set_columns(self._columns())

    # The list of datasets

    async def _list(self) -> None:
        """Fill the list; open the first dataset that needs no work."""
        self._infos = await self.reader.listing()
        self._show_list()
        nearest = min(self._infos, key=lambda info: list(STATES).index(info.state), default=None)
        if nearest is None or self.reader.dataset is not None:
            return
        self.query_one("#datasets-list", VirtualTable).cursor = self._infos.index(nearest)
        if nearest.state == "ready":
            self._open(nearest.name)
        else:
            self._explain()

    def _show_list(self) -> None:
        current = self.reader.dataset.name if self.reader.dataset else ""
        self.query_one("#datasets-list", VirtualTable).set_list([info_row(info, current) for info in self._infos])

    @property
    def info(self) -> DatasetInfo | None:
        """The dataset under the cursor."""
        cursor = self.query_one("#datasets-list", VirtualTable).cursor
        return self._infos[cursor] if cursor < len(self._infos) else None

    def _explain(self) -> None:
        """Say in the detail what the dataset under the cursor is, while none of its rows is shown."""
        info = self.info
        if info is None or (self.reader.dataset and self.reader.dataset.name == info.name):
            return
        self.query_one("#detail", Static).update(about(info, self.app.theme_variables))
        self.query_one("#detail-box").border_title = Content(visible(info.name))

    def _open(self, name: str) -> None:
        self.run_worker(self._open_now(name), group="open", exclusive=True)

    async def _open_now(self, name: str) -> None:
        box = self.query_one("#rows-box")
        box.border_title = Content(visible(f"{name}: opening…"))

        def progress(done: int, total: int, message: str) -> None:
            share = f" {done / total:.0%}" if total else ""
            box.border_title = Content(visible(f"{name}: {message}{share}"))

        try:
            dataset = await self.reader.open(name, progress)
        except AatError as error:
            box.border_title = "Rows"
            self.workbench.say(error.message, error.hint, severity="error")
            return
        self._infos = [dataset.info if info.name == name else info for info in self._infos]
        self._show_list()
        self._chosen = Filter()
        self.query_one("#filter", Input).value = ""
        await self._show_split()
        if self.query_one("#datasets-list", VirtualTable).has_focus:
            self.query_one("#rows", VirtualTable).focus(scroll_visible=False)

    # Rows

    def _columns(self) -> list[Column]:
        number, words = Column("row", 5, right=True), Column("words", 5, right=True)
        label = min(self._widest, 12 if self.size.width < 150 else 24)
        return [number, Column("label", label), words, Column("text")]

    async def _show_split(self) -> None:
        await self._show_rows()
        summary = await self.reader.summary()
        self._widest = max([5, *(len(label) for label in summary.labels)])
        self.query_one("#rows", VirtualTable).set_columns(self._columns())
        self.query_one("#lengths", VirtualTable).set_list(length_rows(summary.lengths))
        self._label_counts = summary.labels
        self._lengths = summary.lengths
        self._show_labels()
        self._fit_left()

    def _fit_left(self) -> None:
        """Give labels and lengths the lines they need, as far as there are lines."""
        labels, lengths = len(self._label_counts), len(self._lengths)
        room = self.size.height
        self.query_one("#lengths-box").styles.height = min(lengths, room // 4) + 2
        self.query_one("#labels-box").styles.height = min(max(labels, 1), room * 2 // 5 - 2) + 2

    def _show_labels(self) -> None:
        self.query_one("#labels-box").display = bool(self._label_counts)
        self.query_one("#lengths-box").display = bool(self._lengths)
        most = max(self._label_counts.values(), default=0) or 1
        self.query_one("#labels", VirtualTable).set_list(
            [label_row(label, count, most, label == self._chosen.label) for label, count in self._label_counts.items()]
        )

    async def _show_rows(self) -> None:
        """Show the rows that the filter lets through."""
        dataset, chosen = self.reader.dataset, self._chosen
        if dataset is None:
            return
        table, box = self.query_one("#rows", VirtualTable), self.query_one("#rows-box")
        try:
            total = await self.reader.count(chosen)
        except AatError as error:
            box.border_subtitle = Content(visible(error.message))
            return
        self._rows.clear()

        async def fetch(start: int, stop: int) -> Sequence[Row]:
            rows = await self.reader.window(start, stop, chosen)
            if len(self._rows) > 2_000:
                self._rows.clear()
            self._rows.update(enumerate(rows, start))
            self.call_later(self._show_detail)
            return [data_row(row) for row in rows]

        whole = dataset.splits[self.reader.split]
        shown = f"{grouped(total)} of {grouped(whole)}" if chosen.any else grouped(whole)
        box.border_title = Content(visible(f"{dataset.name} · {self.reader.split} · {shown} rows"))
        notes = [f"label {chosen.label}"] if chosen.label else []
        notes += [f"by {chosen.order.removeprefix('-')}{' ↓' if chosen.order[0] == '-' else ''}"]
        box.border_subtitle = Content(visible(" · ".join(notes))) if notes != ["by row"] else None
        table.set_rows(total, fetch)
        if not total:
            self.query_one("#detail", Static).update("")

    def _filter_to(self, chosen: Filter, rest: float = 0.0) -> None:
        if chosen != self._chosen:
            self._chosen = chosen
            self.run_worker(self._refilter(rest), group="rows", exclusive=True)

    async def _refilter(self, rest: float) -> None:
        if rest:
            await asyncio.sleep(rest)
        await self._show_rows()

    @property
    def row(self) -> DataRow | None:
        """The row under the cursor, once it has come."""
        return self._rows.get(self.query_one("#rows", VirtualTable).cursor)

    def _show_detail(self) -> None:
        row = self.row
        if row is not None:
            self.run_worker(self._detail(row), group="detail", exclusive=True)

    async def _detail(self, row: DataRow) -> None:
        variables = self.app.theme_variables
        detail, box = self.query_one("#detail", Static), self.query_one("#detail-box", VerticalScroll)
        detail.update(row_detail(row, [], variables))
        box.border_title = Content(f"Row {row.row}")
        effects = await self.reader.effects(row.text)
        detail.update(row_detail(row, effects, variables))
        substitutes = await self.reader.substitutes(effects[-1].text if effects else row.text)
        if substitutes is not None:
            detail.update(row_detail(row, effects, variables, substitutes))

    # What the user does

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        if message.table.id == "rows":
            self._show_detail()
        elif message.table.id == "datasets-list":
            self._explain()

    def on_virtual_table_chosen(self, message: VirtualTable.Chosen) -> None:
        if message.table.id == "datasets-list" and self.info is not None:
            self._open(self.info.name)
        elif message.table.id == "labels":
            label = list(self._label_counts)[message.index]
            self._filter_to(Filter(self._chosen.text, "" if label == self._chosen.label else label, self._chosen.order))
            self._show_labels()

    def on_input_changed(self, message: Input.Changed) -> None:
        self._filter_to(Filter(message.value, self._chosen.label, self._chosen.order), SECONDS_OF_REST)

    def on_input_submitted(self) -> None:
        self.action_back()

    def action_back(self) -> None:
        self.query_one("#rows", VirtualTable).focus(scroll_visible=False)

    def action_filter(self) -> None:
        self.query_one("#filter", Input).focus()

    def action_labels(self) -> None:
        self.query_one("#labels", VirtualTable).focus()

    def action_split(self) -> None:
        if self.reader.dataset is not None:
            splits = list(self.reader.dataset.splits)
            self.reader.split = splits[(splits.index(self.reader.split) + 1) % len(splits)]
            self.run_worker(self._show_split(), group="rows", exclusive=True)

    def action_order(self) -> None:
        place = (ORDERS.index(self._chosen.order) + 1) % len(ORDERS)
        self._filter_to(Filter(self._chosen.text, self._chosen.label, ORDERS[place]))

    def action_clear(self) -> None:
        self.query_one("#filter", Input).value = ""
        self._filter_to(Filter(order=self._chosen.order))
        if self.reader.dataset is not None:
            self._show_labels()

    def action_probe(self) -> None:
        if self.row is not None:
            self.post_message(ProbeText(self.row.text))

    def action_train(self) -> None:
        info = self.info
        if info is not None:
            self.post_message(TrainOn(info.name))

    def commands(self) -> Iterable[PaneCommand]:
        yield PaneCommand("Find rows", "Key /", self.action_filter)
        yield PaneCommand("Next split", "Key s", self.action_split)
        yield PaneCommand("Sort the rows by the next order", "Key o", self.action_order)
        yield PaneCommand("Show all rows", "Key x", self.action_clear)
        if self.row is not None:
            yield PaneCommand("Probe this text", "Key p", self.action_probe)
        if self.info is not None:
            yield PaneCommand(f"Train on {visible(self.info.name)}", "Key t", self.action_train)
