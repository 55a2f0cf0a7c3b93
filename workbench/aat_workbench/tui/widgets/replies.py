"""What models wrote: a transcript of prompts with the replies of one or two models, as they stream."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import time
from typing import Any, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from aat_models.events import Token
from aat_workbench.terminal import shortened, visible

from ..themes import plain
from .bars import decimal
from .heat import Word
from .painted import clip

__all__ = ["Reply", "Transcript", "Turn", "shown", "token_words"]

LONGEST_SHOWN = 20_000  # characters of one reply that are laid out
LONGEST_PROMPT = 1_000  # of a prompt: what was sent need not be read again


class Reply:
    """One model's reply to one prompt, while it comes and after."""

    def __init__(self, side: str, target: str, prompt: str, settings: str) -> None:
        self.side = side
        self.target = target
        self.prompt = prompt
        self.settings = settings
        self.tokens: list[Token] = []
        self.summary: dict[str, Any] = {}
        self.problem = ""
        self.notices: list[str] = []  # what of the prompt and the turns before it the model did not read
        self.state = "loading"
        self.asked = time.monotonic()
        self.first: float | None = None
        self.last = self.asked

    def take(self, token: Token) -> None:
        self.last = time.monotonic()
        if self.first is None:
            self.first, self.state = self.last, "writing"
        self.tokens.append(token)

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens)

    @property
    def rate(self) -> float:
        """Tokens a second: the engine's own figure at the end, what was seen until then."""
        told = self.summary.get("tokens_per_second")
        if isinstance(told, int | float):
            return float(told)
        seconds = self.last - (self.first or self.asked)
        return (len(self.tokens) - 1) / seconds if len(self.tokens) > 1 and seconds > 0 else 0.0

    def title(self) -> Text:
        """Letter, model, state, figures."""
        text = Text()
        text.append(f" {self.side} ", style="reverse bold")
        text.append(f" {clip(self.target, 32)}", style="bold")
        facts = [] if self.state == "done" else [self.state]
        if self.tokens:
            facts.append(f"{len(self.tokens)} tokens")
        if self.rate:
            facts.append(f"{self.rate:.3g} tokens/s")
        logprob = self.summary.get("logprob")
        if isinstance(logprob, int | float):
            facts.append(f"log p {logprob:.1f}")
        text.append("  " + " · ".join([*facts, self.settings]), style="dim")
        return text


class Turn(NamedTuple):
    """A prompt with the replies to it."""

    prompt: str
    replies: list[Reply]


def shown(text: str) -> str:
    """A token's text as it is named: without the spaces around it, a line end as a sign."""
    return text.strip(" ").replace("\n", "⏎") or "␠"


def token_words(reply: Reply) -> list[Word]:
    """Tokens with their probability beneath; the less likely a token, the hotter."""
    words: list[Word] = []
    for token in reply.tokens:
        words.append(Word(shown(token.text), decimal(token.probability), -max(0.0, 1 - token.probability)))
    return words


class _ReplyView(Vertical):
    DEFAULT_CSS = """
    _ReplyView { width: 1fr; height: auto; margin-right: 1; }
    _ReplyView > .title { height: auto; }
    _ReplyView > .text { height: auto; padding-left: 4; }
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply

    def compose(self) -> ComposeResult:
        yield Static(self.reply.title(), classes="title")
        yield Static("", classes="text")

    def on_mount(self) -> None:
        self.draw()

    def draw(self) -> None:
        reply = self.reply
        title = reply.title()
        for told in reply.notices:
            title.append(f"\n    {shortened(told, LONGEST_PROMPT)}", style=plain(self.app.theme_variables, "warning"))
        self.query_one(".title", Static).update(title)
        if reply.problem:
            text = Text(shortened(reply.problem, LONGEST_PROMPT), style=plain(self.app.theme_variables, "error"))
        else:
            text = Text(visible(reply.text[:LONGEST_SHOWN], lines=True).strip(" "))
            if reply.state == "writing":
                text.append("▌", style=plain(self.app.theme_variables, "primary"))
        self.query_one(".text", Static).update(text)


class _Turn(Vertical):
    DEFAULT_CSS = """
    _Turn { height: auto; margin-bottom: 1; }
    _Turn > .prompt { height: auto; color: $primary; }
    _Turn > Horizontal { height: auto; }
    """

    def __init__(self, prompt: str, replies: list[Reply]) -> None:
        super().__init__()
        self.prompt = prompt
        self.replies = replies

    def compose(self) -> ComposeResult:
        text = Text("› " + visible(self.prompt[:LONGEST_PROMPT]))
        if (more := len(self.prompt) - LONGEST_PROMPT) > 0:
            text.append(f" … and {more:,} more characters", style="dim")
        yield Static(text, classes="prompt")
        with Horizontal():
            for reply in self.replies:
                yield _ReplyView(reply)


class Transcript(VerticalScroll, can_focus=True):
    """Turns, newest last; scrolls along while a reply streams."""

    DEFAULT_CSS = """
    Transcript { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    Transcript > #nothing { color: $muted; }
    """

    def __init__(self, *, empty: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self._empty = empty
        self.replies: list[Reply] = []
        self.turns: list[Turn] = []

    def compose(self) -> ComposeResult:
        yield Static(Text(self._empty), id="nothing")

    def add(self, prompt: str, replies: list[Reply]) -> None:
        """A new turn."""
        self.query_one("#nothing").display = False
        self.replies += replies
        self.turns.append(Turn(prompt, replies))
        self.mount(_Turn(prompt, replies))
        self.scroll_end(animate=False)

    def draw(self, reply: Reply) -> None:
        """``reply`` has grown, or ended."""
        for view in self.query(_ReplyView):
            if view.reply is reply and view.is_mounted:  # one that is not yet draws itself when it is
                view.draw()
        self.scroll_end(animate=False)
