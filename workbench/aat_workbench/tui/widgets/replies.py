"""What models wrote: a prompt with the replies of one or two models, while they come and after. No widgets here."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import time
from typing import Any, NamedTuple

from rich.text import Text

from aat_models.events import Token

from .bars import decimal
from .heat import Word
from .painted import clip

__all__ = ["Reply", "Turn", "shown"]


class Reply:
    """One model's reply to one prompt, while it comes and after."""

    def __init__(self, side: str, target: str, prompt: str, settings: str) -> None:
        self.side = side
        self.target = target
        self.prompt = prompt
        self.settings = settings
        self.tokens: list[Token] = []
        self.words: list[Word] = []  # the tokens with their probability beneath; the less likely, the hotter
        self.text = ""
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
        self.words.append(Word(shown(token.text), decimal(token.probability), -max(0.0, 1 - token.probability)))
        self.text += token.text

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
    """A prompt with the replies to it, and the system text of its chat."""

    prompt: str
    replies: list[Reply]
    system: str = ""


def shown(text: str) -> str:
    """A token's text as it is named: without the spaces around it, a line end as a sign."""
    return text.strip(" ").replace("\n", "⏎") or "␠"
