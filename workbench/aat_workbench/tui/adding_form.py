"""The form that adds a user's own file as a dataset: guessed columns, its first rows, its labels, then the reading itself."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Select, Static

from aat_datasets.errors import AatError, RejectsError

from ..terminal import visible
from .added_file import NONE, Look, Settings, free_name, look_at, preview_rows, report_text, wrong
from .chrome import colour
from .data_job import DataJob
from .path_suggester import PathSuggester
from .widgets.entry import TextInput
from .widgets.table import Cell, Column, VirtualTable

__all__ = ["AddingForm"]

SECONDS_OF_REST = 0.2  # after the last key in a path
REDRAW = 0.5
COLUMNS = (("text", "text"), ("label", "label"), ("target", "output text"))


class AddingForm(ModalScreen[str | None]):
    """See the module. Ends with the name of the dataset that was added, or ``None``.

    Args:
        taken: names of datasets that exist.
    """

    DEFAULT_CSS = """
    AddingForm { align: center middle; }
    AddingForm > Vertical {
        width: 110; max-width: 96%; height: 34; max-height: 96%; padding: 0 2; background: $surface;
        border: round $border; border-title-color: $foreground; border-subtitle-color: $muted;
    }
    AddingForm Horizontal { height: 1; width: 1fr; }
    AddingForm .label { width: 12; color: $muted; }
    AddingForm Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $panel; }
    AddingForm Input:focus { border: none; background: $block-cursor-blurred-background; }
    AddingForm Select { width: 1fr; height: 1; margin-right: 1; }
    AddingForm Select.-textual-compact > SelectCurrent { background: $panel; padding: 0 1; }
    AddingForm Select.-textual-compact:focus > SelectCurrent { background: $block-cursor-blurred-background; }
    AddingForm .short { width: 8; color: $muted; padding-left: 1; }
    AddingForm #file-rows { height: 1fr; min-height: 3; margin-top: 1; }
    AddingForm #file-labels { height: auto; max-height: 3; width: 1fr; }
    AddingForm #verdict { height: auto; max-height: 8; min-height: 2; margin-top: 1; width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "start", "add", key_display="^s"),
        Binding("enter", "start", "add", show=False),
        Binding("escape", "leave", "leave", key_display="esc"),
    ]

    def __init__(self, taken: Collection[str]) -> None:
        super().__init__()
        self._taken = taken
        self._look: Look | None = None
        self._problem = "type the path of a CSV, TSV, JSONL, Parquet or text file, also with .gz"
        self._job: DataJob | None = None
        self._added = ""
        self._refused: Settings | None = None  # too many of its lines are bad: asked for again, the rest is kept

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = " Add a file "
            for id, label, hint in (
                ("path", "file", "train, or what is to be split"),
                ("dev", "dev file", "empty: a tenth of the file"),
                ("test", "test file", "empty: a tenth of the file"),
                ("name", "name", "a-z 0-9 . _ -"),
            ):
                with Horizontal():
                    yield Static(label, classes="label", markup=False)
                    line = TextInput(placeholder=hint, id=f"file-{id}")
                    if id != "name":
                        line.suggester = PathSuggester()
                    yield line
            with Horizontal():
                yield Static("columns", classes="label", markup=False)
                for id, label in COLUMNS:
                    yield Static(label if id != "target" else "output", classes="short", markup=False)
                    yield Select([("–", NONE)], value=NONE, allow_blank=False, compact=True, id=f"file-{id}")
            yield Static("", id="file-labels", markup=False)
            yield VirtualTable([Column("")], empty="no rows yet", id="file-rows")
            yield Static("", id="verdict", markup=False)

    def on_mount(self) -> None:
        self._judge()
        self.set_interval(REDRAW, self._tell_job)
        self.query_one("#file-path", Input).focus()

    async def on_unmount(self) -> None:
        if self._job is not None:
            await self._job.part()

    # The file

    def on_input_changed(self, message: Input.Changed) -> None:
        if message.input.id == "file-path":
            self._look_soon(columns=False)
        else:
            self._judge()

    def on_select_changed(self, message: Select.Changed) -> None:
        if self._look is not None and self.settings().columns != self._look.columns:
            self._look_soon(columns=True)

    @work(group="look", exclusive=True)
    async def _look_soon(self, columns: bool) -> None:
        """Look at the file's beginning, after a rest; with ``columns`` as the form has them, else as they are guessed."""
        await asyncio.sleep(SECONDS_OF_REST)
        settings = self.settings()
        try:
            self._look = await asyncio.to_thread(look_at, settings.path, settings.columns if columns else None)
            self._problem = ""
        except AatError as error:
            self._look, self._problem = None, str(error)
        if not columns:
            self._put_columns()
            if self._look is not None:
                self.query_one("#file-name", Input).value = free_name(settings.path, self._taken)
        self._show()

    def _put_columns(self) -> None:
        look = self._look
        for id, _ in COLUMNS:
            select: Select[str] = self.query_one(f"#file-{id}", Select)
            options = [] if look is None else [(Text(visible(name)[:40]), name) for name in look.known]
            with self.prevent(Select.Changed):
                select.set_options(options if id == "text" and options else [(Text("–"), NONE), *options])
                select.value = getattr(look.columns, id) if look is not None else NONE

    def _show(self) -> None:
        table = self.query_one("#file-rows", VirtualTable)
        columns, rows = preview_rows(self._look)
        table.set_columns(columns)
        table.set_list([[Cell(*cell) for cell in row] for row in rows], keep_cursor=False)
        labels = self._look.labels_told() if self._look is not None else ""
        self.query_one("#file-labels", Static).update(Content(visible(labels)))
        self._judge()

    def settings(self) -> Settings:
        """What the form says."""
        texts = {id: self.query_one(f"#file-{id}", Input).value.strip() for id in ("path", "dev", "test", "name")}
        columns = {id: str(self.query_one(f"#file-{id}", Select).value) for id, _ in COLUMNS}
        return Settings.of(texts, columns)

    def _judge(self) -> Settings | None:
        """Say what is wrong, or what will be done."""
        if self._job is not None or self._added:
            return None
        settings = self.settings()
        problem = self._problem or wrong(settings, self._taken)
        self._subtitle("^s or enter adds · tab next · → takes what is suggested · esc leaves")
        if problem:
            self._say("✗" if settings.path.name else "", problem, "error" if settings.path.name else "muted")
            return None
        self._say("✓", settings.told(self._look.splits if self._look is not None else ()), "success")
        return settings

    def _say(self, sign: str, told: str, shade: str) -> None:
        text = Text(f"{sign} " if sign else "", colour(self, shade))
        text.append(visible(told, lines=True), colour(self, "foreground" if shade == "success" else shade))
        self.query_one("#verdict", Static).update(text)

    def _subtitle(self, keys: str) -> None:
        self.query_one(Vertical).border_subtitle = f" {keys} "

    # The reading

    def on_input_submitted(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        if self._added:
            self.dismiss(self._added)
            return
        settings = self._judge()
        if settings is not None:
            self._add(settings)

    @work(group="add", exclusive=True)
    async def _add(self, settings: Settings) -> None:
        again = settings == self._refused
        self._job = DataJob("add", settings.name, **settings.arguments(), allow_rejects=again)
        self._subtitle("esc cancels")
        self._tell_job()
        try:
            report = await self._job.run(self._tell_job)
        except AatError as error:
            self._job, self._problem = None, ""
            self._judge()
            if isinstance(error, RejectsError):
                self._refused, error.hint = settings, "^s again keeps the rest"
            self._say("✗", str(error), "error")
            return
        self._job = None
        self._done(settings.name, report)

    def _done(self, name: str, report: dict[str, Any]) -> None:
        """Say what was read, and list what was not."""
        self._added = name
        self._subtitle("enter opens it · esc too")
        table = self.query_one("#file-rows", VirtualTable)
        table.display = bool(report["rejected"])
        table.set_columns([Column("line", 9, right=True), Column("file", 24), Column("why it was left out")])
        table.set_list(
            [(Cell(str(one["line"]), "muted"), Cell(one["file"]), Cell(one["reason"])) for one in report["rejected"]]
        )
        self.query_one("#file-labels", Static).update("")
        self._say("✓", report_text(report), "success")
        self.set_focus(table if table.display else None)

    def on_virtual_table_chosen(self) -> None:
        if self._added:
            self.dismiss(self._added)

    def _tell_job(self) -> None:
        if self._job is not None:
            self._say("…", self._job.told(), "warning")

    def action_leave(self) -> None:
        """Cancel the reading; without one, leave."""
        if self._job is not None:
            self._job.cancel()
        else:
            self.dismiss(self._added or None)
