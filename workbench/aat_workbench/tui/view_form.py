"""The form that keeps a selection of rows as a view, a dataset of its own."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Select, Static

from aat_datasets.errors import AatError

from ..terminal import visible
from .chrome import colour
from .dataset_rows import grouped
from .widgets.entry import TextInput

__all__ = ["ViewForm", "Wanted"]

REST = (("selected from too", "all"), ("taken whole", "only"))


class Wanted(NamedTuple):
    """A view's name, and the splits that are selected from; none: all."""

    name: str
    only: list[str]


class ViewForm(ModalScreen[Wanted | None]):
    """See the module. Ends with what is wanted, or ``None`` where it was left.

    Args:
        of: the dataset.
        splits: its splits. split: the one that is looked at.
        what: the selection in words. rows: how many it has there, None while they are counted.
    """

    DEFAULT_CSS = """
    ViewForm { align: center middle; }
    ViewForm > Vertical {
        width: 76; max-width: 96%; height: auto; padding: 1 2; background: $surface; border: round $border;
        border-title-color: $foreground; border-subtitle-color: $muted;
    }
    ViewForm Horizontal { height: 1; width: 1fr; }
    ViewForm .label { width: 14; color: $muted; }
    ViewForm TextInput { width: 1fr; background: $panel; padding: 0 1; }
    ViewForm Select { width: 30; height: 1; }
    ViewForm Select.-textual-compact > SelectCurrent { background: $panel; padding: 0 1; }
    ViewForm Static.say { width: 1fr; height: auto; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "save", "save", key_display="^s"),
        Binding("escape", "leave", "leave", key_display="esc"),
    ]

    def __init__(self, of: str, split: str, splits: list[str], what: str, rows: int | None, name: str) -> None:
        super().__init__()
        self._of, self._split, self._splits, self._what, self._rows = of, split, splits, what, rows
        self._given = name

    def compose(self) -> ComposeResult:
        others = [split for split in self._splits if split != self._split]
        with Vertical() as box:
            box.border_title = " Save these rows as a view "
            box.border_subtitle = " ^s or enter saves · esc leaves "
            with Horizontal():
                yield Static("name", classes="label", markup=False)
                yield TextInput()
            with Horizontal():
                yield Static(visible(" and ".join(others) or "other splits"), classes="label", markup=False)
                yield Select(REST, value="all", allow_blank=False, compact=True)
            yield Static("", classes="say", markup=False)

    def on_mount(self) -> None:
        self.query_one(TextInput).put(self._given)
        self._judge()

    def _judge(self) -> Wanted | None:
        name = self.query_one(TextInput).text.strip()
        only = [self._split] if self.query_one(Select).value == "only" else []
        text = Text()
        try:
            from aat_datasets.views import check_view

            check_view(name, self._of)
        except AatError as error:
            text.append(f"✗ {visible(error.message)}", colour(self, "error"))
            text.append(f"\n  {visible(error.hint)}" if error.hint else "", colour(self, "muted"))
            self.query_one(".say", Static).update(text)
            return None
        text.append("✓ ", colour(self, "success"))
        text.append(f"{visible(self._of)}, {visible(self._what)}", colour(self, "foreground"))
        rows = f"{grouped(self._rows)} rows" if self._rows is not None else "its rows"
        text.append(f": {rows} of {visible(self._split)}", colour(self, "foreground"))
        text.append(f"\n  a dataset of its own: aat-workbench train --dataset {visible(name)}", colour(self, "muted"))
        self.query_one(".say", Static).update(text)
        return Wanted(name, only)

    def on_input_changed(self) -> None:
        self._judge()

    def on_select_changed(self) -> None:
        self._judge()

    def on_input_submitted(self) -> None:
        self.action_save()

    def action_save(self) -> None:
        wanted = self._judge()
        if wanted is not None:
            self.dismiss(wanted)

    def action_leave(self) -> None:
        self.dismiss(None)
