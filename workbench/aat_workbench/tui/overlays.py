"""What lies over a pane: its help, and a question before something is lost."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ..terminal import visible
from .chrome import colour
from .pane import Pane
from .widgets.entry import TextInput

__all__ = ["Ask", "Confirm", "HelpOverlay", "ShowText"]


class HelpOverlay(ModalScreen[None]):
    """What a pane is for and what its keys do."""

    DEFAULT_CSS = """
    HelpOverlay { align: center middle; }
    HelpOverlay > VerticalScroll {
        width: 76; max-width: 94%; height: auto; max-height: 90%; padding: 1 2;
        background: $surface; border: round $border; border-title-color: $foreground;
    }
    HelpOverlay Static { width: 1fr; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "close", key_display="esc"),
    ]

    def __init__(self, pane: Pane) -> None:
        super().__init__()
        self._about = pane.ABOUT.strip()
        self._title = f" {(pane.id or '').title()} "
        self._keys = self._bindings_of(pane)

    def _bindings_of(self, pane: Pane) -> list[tuple[str, str]]:
        """What can be done, with every key that does it, in the order of the bindings; quitting comes last."""
        rows: dict[str, list[str]] = {}
        for node in (pane, *pane.query("*"), pane.app):
            for key, binding in node._bindings:  # pyright: ignore[reportPrivateUsage]
                shown = binding.key_display or pane.app.get_key_display(binding.with_key(key))
                does = binding.tooltip or binding.description
                named = binding.id is not None
                if does and named and shown not in rows.setdefault(does, []):
                    rows[does].append(shown)
        return sorted(((" ".join(keys), does) for does, keys in rows.items()), key=lambda row: row[1] == "quit")

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = self._title
            text = Text(self._about + "\n\n" if self._about else "")
            wide = max((len(key) for key, _ in self._keys), default=0)
            for key, does in self._keys:
                text.append(key.rjust(wide), colour(self.app.screen, "primary", bold=True))
                text.append(f"  {does}\n")
            yield Static(text)


class Ask(ModalScreen[str | None]):
    """One line to be typed. Ends with it, or ``None`` where it was left.

    Args:
        title, hint: above and below the line.
        value: filled in first.
        check: says what is wrong with a text, or nothing.
    """

    DEFAULT_CSS = """
    Ask { align: center middle; }
    Ask > Vertical {
        width: 76; max-width: 94%; height: auto; padding: 1 2; background: $surface; border: round $border;
        border-title-color: $foreground; border-subtitle-color: $muted;
    }
    Ask TextInput { background: $panel; padding: 0 1; }
    Ask Static { width: 1fr; height: auto; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "leave", key_display="esc")]

    def __init__(self, title: str, hint: str, value: str = "", check: Callable[[str], str] = lambda text: "") -> None:
        super().__init__()
        self._title, self._hint, self._value, self._check = visible(title), visible(hint), value, check

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(f" {self._title} ")
            box.border_subtitle = " enter takes it · esc leaves "
            yield TextInput()
            yield Static("", markup=False)

    def on_mount(self) -> None:
        self.query_one(TextInput).put(self._value)
        self._judge()

    def on_input_changed(self) -> None:
        self._judge()

    def _judge(self) -> str:
        text = self.query_one(TextInput).text.strip()
        wrong = self._check(text) if text else ""
        shown = Text(f"✗ {visible(wrong)}" if wrong else self._hint, colour(self, "error" if wrong else "muted"))
        self.query_one(Static).update(shown)
        return "" if wrong else text

    def on_input_submitted(self) -> None:
        text = self._judge()
        if text:
            self.dismiss(text)

    def action_leave(self) -> None:
        self.dismiss(None)


class ShowText(ModalScreen[str | None]):
    """A text alone, from edge to edge, so that the terminal's own selection takes nothing else with it.

    Ends with ``copy`` or ``file`` where that is wanted.
    """

    DEFAULT_CSS = """
    ShowText { background: $background; }
    ShowText > VerticalScroll { height: 1fr; background: $background; }
    ShowText .text { width: 1fr; height: auto; }
    ShowText .keys { height: 1; background: $panel; color: $muted; dock: bottom; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "end(None)", "back", key_display="esc"),
        Binding("c", "end('copy')", "copy"),
        Binding("w", "end('file')", "write to a file"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = visible(text, lines=True)

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(Text(self._text), classes="text")
        yield Static("select with the mouse (most terminals: with shift) · c copy · w file · esc back", classes="keys")

    def action_end(self, wanted: str | None) -> None:
        self.dismiss(wanted)


class Confirm(ModalScreen[bool]):
    """A question answered by ``y`` or ``n``."""

    DEFAULT_CSS = """
    Confirm { align: center middle; }
    Confirm > Vertical {
        width: 60; max-width: 94%; height: auto; padding: 1 2; background: $surface; border: round $warning;
    }
    Confirm Static { width: 1fr; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape", "answer(False)", "no", key_display="n"),
    ]

    def __init__(self, question: str, consequence: str = "") -> None:
        super().__init__()
        self._question = visible(question)
        self._consequence = visible(consequence)

    def compose(self) -> ComposeResult:
        with Vertical():
            text = Text(self._question, style=colour(self.app.screen, "foreground", bold=True))
            if self._consequence:
                text.append(f"\n{self._consequence}", colour(self.app.screen, "muted"))
            text.append("\n\n  y", colour(self.app.screen, "primary", bold=True))
            text.append(" yes    ")
            text.append("n", colour(self.app.screen, "primary", bold=True))
            text.append(" no")
            yield Static(text)

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)
