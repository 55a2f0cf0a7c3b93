"""The probe: a text typed here is answered by one or two models while it is typed."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from aat_workbench.terminal import visible

from ..themes import plain
from .bars import ProbabilityBars, decimal
from .entry import TextInput
from .heat import WordFlow, salience_words
from .painted import clip

__all__ = ["Answer", "ProbePanel"]

# More is not edited in one line; a longer text that was handed over is kept whole as long as it is not edited.


class Answer:
    """One model's answer to a text; ``error`` where there is none."""

    def __init__(
        self,
        labels: Sequence[str] = (),
        probabilities: Sequence[float] = (),
        words: Sequence[str] = (),
        scores: Sequence[float] = (),
        error: str = "",
        method: str = "",
    ) -> None:
        self.labels = labels
        self.probabilities = probabilities
        self.words = words
        self.scores = scores
        self.error = error
        self.method = method

    def predicted_label(self) -> str:
        """The name of the likeliest class; empty where there is no answer."""
        if not self.probabilities:
            return ""
        best = max(range(len(self.probabilities)), key=lambda c: self.probabilities[c])
        return self.labels[best] if best < len(self.labels) else f"class {best}"

    def predicted(self) -> str:
        """The likeliest class and its probability."""
        if not self.probabilities:
            return ""
        return f"{clip(self.predicted_label(), 24)} {decimal(max(self.probabilities))}"


class _ProbeInput(TextInput):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "what would break this?", id="probe.break", key_display="⏎"),
    ]


class _Side(Vertical):
    """One model's column."""

    DEFAULT_CSS = """
    _Side { width: 1fr; height: auto; }
    _Side > .title { height: 1; }
    _Side > WordFlow { max-height: 6; }
    """

    def __init__(self, letter: str, *, id: str) -> None:
        super().__init__(id=id)
        self.letter = letter
        self.target = ""
        self.answered = False

    def compose(self) -> ComposeResult:
        yield Static("", classes="title")
        yield ProbabilityBars(most=3)
        yield WordFlow()

    def _title(self) -> Text:
        title = Text(no_wrap=True, overflow="ellipsis")
        title.append(f" {self.letter} ", style="reverse bold")
        title.append(f" {clip(self.target, 36)}")
        return title

    def wait(self) -> None:
        """The answer takes its time, as while a model is read; one that stands here stays."""
        if not self.answered:
            title = self._title()
            title.append("  asking …", style=plain(self.app.theme_variables, "muted"))
            self.query_one(".title", Static).update(title)

    def show(self, answer: Answer | None) -> None:
        self.answered = answer is not None
        title = self._title()
        if answer is not None and answer.probabilities:
            title.append("  says ")
            title.append(answer.predicted(), style="bold")
        elif answer is not None and answer.error:
            title.append("  " + visible(answer.error[:400]), style=plain(self.app.theme_variables, "error"))
        self.query_one(".title", Static).update(title)
        bars, flow = self.query_one(ProbabilityBars), self.query_one(WordFlow)
        if answer is None:
            bars.clear()
            flow.show([])
            return
        bars.show(answer.labels, answer.probabilities)
        flow.show(salience_words(answer.words, answer.scores))


class ProbePanel(Vertical):
    """Input line, the answers of A and B, and what was found to break the text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back to results", id="probe.leave", key_display="esc"),
        Binding("ctrl+u", "clear", "clear", id="probe.clear", key_display="^u"),
        Binding("ctrl+s", "keep", "keep in a test set", id="probe.keep", key_display="^s"),
    ]
    DEFAULT_CSS = """
    ProbePanel { height: auto; padding: 0 1; }
    ProbePanel > #probe-line { height: 1; }
    ProbePanel > #probe-line > .prompt { width: 2; color: $primary; text-style: bold; }
    ProbePanel > #probe-line > TextInput { width: 1fr; background: transparent; padding: 0; }
    ProbePanel > #probe-found { height: auto; max-height: 2; }
    ProbePanel > #probe-sides { height: auto; margin-top: 1; }
    ProbePanel > #probe-sides > #side-b { margin-left: 2; }
    """

    class Typed(Message):
        """The text changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class BreakIt(Message):
        """Which edit would change the answer to ``text``?"""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Keep(Message):
        """``text`` is wanted in a test set."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """Escape was pressed."""

    def compose(self) -> ComposeResult:
        with Horizontal(id="probe-line"):
            yield Static("›", classes="prompt", markup=False)
            yield _ProbeInput(placeholder="type a text: the models answer as you type", id="probe-input")
        yield Static("", id="probe-found", markup=False)
        with Horizontal(id="probe-sides"):
            yield _Side("A", id="side-a")
            yield _Side("B", id="side-b")

    def on_mount(self) -> None:
        self.set_target("b", "")
        self.query_one("#probe-sides").display = False
        self.query_one("#probe-found").display = False

    @property
    def input(self) -> TextInput:
        return self.query_one(TextInput)

    @property
    def text(self) -> str:
        return self.input.text

    def put(self, text: str) -> None:
        """Put ``text`` in the line and focus it."""
        self.input.put(text)
        self.input.focus()

    def set_target(self, side: str, target: str) -> None:
        """Which model answers on side ``a`` or ``b``; an empty name takes the side away."""
        column = self.query_one(f"#side-{side}", _Side)
        column.target = target
        column.display = bool(target)
        column.show(None)

    def show(self, side: str, answer: Answer | None) -> None:
        self.query_one(f"#side-{side}", _Side).show(answer)
        self.query_one("#probe-sides").display = bool(self.text.strip())

    def wait(self, side: str) -> None:
        """Say that side ``a`` or ``b`` is asked, where nothing is answered yet."""
        self.query_one(f"#side-{side}", _Side).wait()
        self.query_one("#probe-sides").display = bool(self.text.strip())

    def show_found(self, told: Text | None) -> None:
        """A line on what was found to break the text."""
        line = self.query_one("#probe-found", Static)
        line.display = told is not None
        line.update(told if told is not None else "")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(self.text))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_break_it()

    def action_break_it(self) -> None:
        if self.text.strip():
            self.post_message(self.BreakIt(self.text))

    def action_keep(self) -> None:
        if self.text.strip():
            self.post_message(self.Keep(self.text))

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_clear(self) -> None:
        self.input.put("")
