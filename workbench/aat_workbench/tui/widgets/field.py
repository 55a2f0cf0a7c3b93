"""Compact controls with their names: a choice, a number."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Select, Static
from textual.widgets._select import SelectCurrent

from aat_datasets.errors import ConfigError

from .entry import Entry
from .painted import clip

__all__ = ["Choice", "Field", "Number"]


class Field(Horizontal):
    """A control behind its name."""

    DEFAULT_CSS = """
    Field { height: 1; width: auto; margin-right: 2; }
    Field > .name { width: auto; color: $muted; margin-right: 1; }
    Field Select { width: 1fr; }
    Field Input { width: 1fr; background: $surface; padding: 0; }
    Field Input:focus { background: $block-cursor-background; }
    Field SelectCurrent { background: $surface; padding: 0 1 0 0; }
    Field Select:focus SelectCurrent { background: $block-cursor-background; }
    Field SelectOverlay { min-width: 36; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "leave the field", show=False)]

    class Left(Message):
        """Escape was pressed: the pane takes the focus, so that its keys and 1–4 work."""

    def __init__(self, name: str, cells: int, *, id: str) -> None:
        super().__init__(id=id)
        self._title = name
        self._cells = cells

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def on_mount(self) -> None:
        self.styles.width = len(self._title) + 1 + self._cells


class Choice(Field):
    """A choice of named values; each option has a value and a note.

    The names come from disk: they are made visible, and never read as markup.
    """

    def __init__(
        self, name: str, options: Sequence[tuple[str, str]], cells: int, *, id: str, empty: str = "none"
    ) -> None:
        super().__init__(name, cells, id=id)
        self._options = list(options)
        self._empty = empty  # what stands for the empty value

    def compose(self) -> ComposeResult:
        yield Static(self._title, classes="name", markup=False)
        yield Select(self._prompts(), value=self._options[0][0], allow_blank=False, compact=True)

    def _prompts(self) -> Iterable[tuple[Text, str]]:
        for value, note in self._options:
            text = Text(clip(value, 44) or self._empty, no_wrap=True, overflow="ellipsis")
            if note:
                text.append(f"  {clip(note, 60)}", style="dim")
            yield text, value

    def on_mount(self) -> None:
        super().on_mount()
        self.call_after_refresh(self._tell)

    def on_select_changed(self) -> None:
        self._tell()

    def _tell(self) -> None:
        """The closed control shows the value alone; the notes are for choosing."""
        shown = Text(clip(self.value, self._cells - 3) or self._empty, no_wrap=True)
        self.select.query_one(SelectCurrent).update(shown)

    @property
    def select(self) -> Select[str]:
        return self.query_one(Select)

    @property
    def value(self) -> str:
        return str(self.select.value) if self.is_mounted and self.select.is_mounted else self._options[0][0]

    def set(self, value: str) -> None:
        """Choose ``value``, which becomes an option where it is none yet."""
        if value not in {option for option, _ in self._options}:
            self.set_options([(value, ""), *self._options])
        self.select.value = value

    def set_options(self, options: Sequence[tuple[str, str]]) -> None:
        """Other options; the choice stays where it is still among them."""
        if list(options) == self._options:
            return
        value = self.value
        self._options = list(options)
        with self.prevent(Select.Changed):
            self.select.set_options(self._prompts())
            if value in {option for option, _ in options}:
                self.select.value = value
        self._tell()


class Number(Field):
    """A number typed into a short line."""

    def __init__(self, name: str, value: str, cells: int, *, low: float, high: float, whole: bool, id: str) -> None:
        super().__init__(name, cells, id=id)
        self._value = value
        self._low, self._high, self._whole = low, high, whole

    def compose(self) -> ComposeResult:
        yield Static(self._title, classes="name", markup=False)
        yield Entry(self._value, type="integer" if self._whole else "number", compact=True, select_on_focus=True)

    def number(self) -> float:
        """What was typed. Raises ConfigError where it is no number, or out of range."""
        typed = self.query_one(Input).value.strip()
        try:
            value = int(typed) if self._whole else float(typed)
        except ValueError:
            value = float("nan")
        if not self._low <= value <= self._high:
            kind = "a whole number" if self._whole else "a number"
            raise ConfigError(f"{self._title}: expected {kind} from {self._low:g} to {self._high:g}, got {typed!r}")
        return value
