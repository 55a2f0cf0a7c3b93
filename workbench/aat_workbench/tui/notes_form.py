"""The form for a run's note and tags."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static, TextArea

from ..notes import Notes
from ..terminal import visible
from .widgets.entry import Entry
from .widgets.page import Page

__all__ = ["NotesForm"]


class NotesForm(ModalScreen[Notes | None]):
    """Ends with the notes, or ``None`` where it was left."""

    DEFAULT_CSS = """
    NotesForm { align: center middle; }
    NotesForm > Vertical {
        width: 76; max-width: 94%; height: auto; max-height: 94%; padding: 1 2; background: $surface; border: round $border;
        border-title-color: $foreground; border-subtitle-color: $muted;
    }
    NotesForm Static { color: $muted; height: 1; }
    NotesForm Input { height: 1; border: none; padding: 0 1; background: $panel; margin-bottom: 1; }
    NotesForm Input:focus { border: none; background: $block-cursor-blurred-background; }
    NotesForm TextArea { height: 8; border: none; padding: 0 1; background: $panel; }
    NotesForm TextArea:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "keep", "keep", key_display="^s"),
        Binding("escape", "leave", "leave", key_display="esc"),
    ]

    def __init__(self, name: str, notes: Notes) -> None:
        super().__init__()
        self._title = visible(name)
        self._notes = notes

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(f" Notes on {self._title} ")
            box.border_subtitle = " tab next · ^s keep · esc leave "
            yield Static("tags, words with blanks between", markup=False)
            yield Entry(" ".join(self._notes.tags), select_on_focus=False)
            yield Static("note", markup=False)
            yield Page(visible(self._notes.text, lines=True), tab_behavior="focus", soft_wrap=True)

    def on_input_submitted(self) -> None:
        self.action_keep()

    def action_keep(self) -> None:
        tags = self.query_one(Input).value.replace(",", " ").split()
        self.dismiss(Notes(self.query_one(TextArea).text, [tag.lstrip("#+") for tag in tags]))

    def action_leave(self) -> None:
        self.dismiss(None)
