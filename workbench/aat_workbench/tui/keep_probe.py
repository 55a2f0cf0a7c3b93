"""The form that keeps a typed text in a test set: its true class, and the name of the set."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Select, Static

from ..terminal import visible
from .widgets.entry import TextInput
from .widgets.painted import clip

__all__ = ["KeepProbe", "Kept"]

SHOWN = 600  # characters of the text


class Kept(NamedTuple):
    """A test set's name and the text's true class."""

    dataset: str
    label: str


class KeepProbe(ModalScreen[Kept | None]):
    """See the module. Ends with what was chosen, or ``None`` where it was left."""

    DEFAULT_CSS = """
    KeepProbe { align: center middle; }
    KeepProbe > Vertical {
        width: 76; max-width: 94%; height: auto; padding: 1 2; background: $surface; border: round $border;
        border-title-color: $foreground; border-subtitle-color: $muted;
    }
    KeepProbe Static { width: 1fr; height: auto; }
    KeepProbe .name { color: $muted; margin-top: 1; }
    KeepProbe TextInput { background: $panel; padding: 0 1; }
    KeepProbe SelectCurrent { background: $panel; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "keep", "keep", key_display="^s"),
        Binding("escape", "leave", "leave", key_display="esc"),
    ]

    def __init__(self, text: str, labels: Sequence[str], label: str, dataset: str) -> None:
        super().__init__()
        self._text, self._labels, self._label, self._dataset = text, labels, label, dataset

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = " Keep this text in a test set "
            box.border_subtitle = " tab next · ^s keeps it · esc leaves "
            rest = len(self._text) - SHOWN
            shown = visible(self._text[:SHOWN], lines=True) + (f" … {rest} characters more" if rest > 0 else "")
            yield Static(Text(shown))
            yield Static("its true class", classes="name", markup=False)
            options = [(Text(clip(label, 60), no_wrap=True), label) for label in self._labels]
            chosen = self._label if self._label in self._labels else self._labels[0]
            yield Select(options, value=chosen, allow_blank=False, compact=True)
            yield Static("test set (a new name makes a new one)", classes="name", markup=False)
            yield TextInput(id="dataset")

    def on_mount(self) -> None:
        self.query_one(TextInput).put(self._dataset)
        self.query_one(Select).focus()

    def on_input_submitted(self) -> None:
        self.action_keep()

    def action_keep(self) -> None:
        name = self.query_one(TextInput).text.strip()
        if name:
            self.dismiss(Kept(name, str(self.query_one(Select).value)))

    def action_leave(self) -> None:
        self.dismiss(None)
