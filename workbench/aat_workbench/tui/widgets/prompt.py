"""The prompt line, with the prompts sent before under the up and down keys."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from .entry import LONGEST_EDITED, TextInput

__all__ = ["PromptInput"]


class PromptInput(TextInput):
    """A line that sends its text and remembers it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "send", id="prompt.send", key_display="⏎"),
        Binding("up", "recall(-1)", "prompt before", id="prompt.before", key_display="↑"),
        Binding("down", "recall(1)", "prompt after", id="prompt.after", key_display="↓"),
        Binding("escape", "leave", "leave", id="prompt.leave", key_display="esc"),
    ]

    class Sent(Message):
        """Enter was pressed on a text that is not blank."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """Escape was pressed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(placeholder="type a prompt", id=id)
        self._history: list[str] = []
        self._at = 0

    def remember(self, text: str) -> None:
        """``text`` was sent: clear the line."""
        if not self._history or self._history[-1] != text:
            self._history.append(text)
        self._at = len(self._history)
        self.put("")

    def _on_paste(self, event: events.Paste) -> None:
        """All of its lines, and all of a long one: the line shows the beginning, what is sent is the whole."""
        event.stop()
        event.prevent_default()
        start, end = sorted(self.selection)
        before, after = (self.text, "") if self.text != self.value else (self.value[:start], self.value[end:])
        self.put(before + event.text + after)
        self.cursor_position = min(len(before + event.text), len(self.value))
        if (count := len(self.text)) > LONGEST_EDITED:
            told = f"The prompt has {count:,} characters. The line shows the first {LONGEST_EDITED:,}; all are sent."
            self.notify(told, severity="warning", markup=False)

    def action_recall(self, by: int) -> None:
        self._at = min(max(self._at + by, 0), len(self._history))
        self.put(self._history[self._at] if self._at < len(self._history) else "")

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self.text.strip():
            self.post_message(self.Sent(self.text))
