"""Texts, one token at a time: many side by side, each as it would be alone."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from aat_models.beams import best_of_beams
from aat_models.events import Token
from aat_models.filters import filtered, penalised
from aat_models.sampling import Sampling
from aat_models.writers import Writer

__all__ = ["Drawn", "Speller", "draw", "write"]


class Speller(Protocol):
    """One text as its tokens come."""

    def add(self, number: int) -> str:
        """What a token adds to the text; nothing where it is not known yet."""
        ...

    def rest(self) -> str:
        """What was held back, at the end."""
        ...

    def shown(self, number: int) -> str:
        """A token by itself, as a person is told of it."""
        ...


class Drawn(NamedTuple):
    """One token of each text still under way.

    ``rows`` ``(R,)`` are the texts' places among all; ``ids`` ``(R,)``; ``logits`` ``(R, V)`` are what the ids were chosen by,
    after penalty and temperature, before anything was left out.
    """

    rows: list[int]
    ids: list[int]
    logits: Tensor


@torch.inference_mode()
def draw(writer: Writer, texts: int, sampling: Sampling) -> Generator[Drawn, set[int] | None, None]:
    """Tokens of ``texts`` texts, a step at a time, the ending ones included; a text that has ended is no longer computed.

    Every text sees the random numbers it would see alone, so that the others change nothing. Whoever sends a set of rows back
    ends these.
    """
    penalty = sampling.repetition_penalty != 1
    random = torch.Generator("cpu").manual_seed(sampling.seed)
    rows = list(range(texts))
    logits = writer.begin()
    seen = _seen(writer.seen(), logits) if penalty else None
    never = list(writer.never)
    for index in range(sampling.max_tokens):
        if never:
            logits[:, never] = -torch.inf
        if seen is not None:
            logits = penalised(logits, seen, sampling.repetition_penalty)
        if sampling.greedy:
            chosen = logits.argmax(-1)
        else:
            logits = logits / sampling.temperature
            number = torch.rand(
                (), generator=random, dtype=torch.float64, device="cpu"
            )  # the same draws on every device
            chosen = _drawn(filtered(logits, sampling), number.to(logits.device))
        ids = chosen.tolist()
        ended = (yield Drawn(rows, ids, logits)) or set()
        left = [n for n, row in enumerate(rows) if ids[n] not in writer.ends and row not in ended]
        if not left or index + 1 == sampling.max_tokens:
            return
        if seen is not None:
            seen[torch.arange(len(ids), device=chosen.device), chosen] = True
        if len(left) < len(rows):
            writer.keep(left)
            rows, chosen = [rows[place] for place in left], chosen[left]
            seen = seen[left] if seen is not None else None
        logits = writer.step(chosen)


def _drawn(logits: Tensor, number: Tensor) -> Tensor:
    """The token at which a row's probabilities, added up from the likeliest on, exceed a number below 1: ``(R,)``."""
    ranked, order = torch.softmax(logits.double(), -1).sort(descending=True, stable=True)
    added = ranked.cumsum(-1)
    place = torch.searchsorted(added, number * added[:, -1:], right=True)
    # rounding may point behind the last one that is left
    place = torch.minimum(place, (ranked > 0).sum(-1, keepdim=True) - 1)
    return order.gather(1, place)[:, 0]


def _seen(before: Sequence[Sequence[int]], logits: Tensor) -> Tensor:
    """Which tokens each text holds, ``(B, V)``."""
    seen = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
    for row, ids in enumerate(before):
        seen[row, list(ids)] = True
    return seen


# tokens with their text -----------------------------------------------------------------------------------------------


def write(writer: Writer, spellers: Sequence[Speller], sampling: Sampling) -> Iterator[tuple[int, Token]]:
    """The tokens of several texts as they come, each with its text's place.

    A token that may belong to a stop string is held back until that is known; what is cut off is not told. Its probability is the
    one it was drawn with, before rules left others out.
    """
    sampling.check()
    if sampling.beams > 1:
        yield from _beams(writer, spellers, sampling)
        return
    texts = [_Text(speller, sampling.stop) for speller in spellers]
    steps = draw(writer, len(spellers), sampling)
    ended: set[int] | None = None
    while True:
        try:
            drawn = steps.send(ended) if ended is not None else next(steps)
        except StopIteration:
            break
        ended = set()
        for row, number, token in _tokens(drawn, spellers, sampling):
            if number in writer.ends:
                continue
            for told in texts[row].add(number, token):
                yield row, told
            if texts[row].over:
                ended.add(row)
    for row, text in enumerate(texts):
        for told in text.rest():
            yield row, told


def _tokens(drawn: Drawn, spellers: Sequence[Speller], sampling: Sampling) -> Iterator[tuple[int, int, Token]]:
    logs = torch.log_softmax(drawn.logits.double(), -1)
    own = logs.gather(1, torch.tensor(drawn.ids, device=logs.device)[:, None])[:, 0].tolist()
    best = logs.topk(min(sampling.alternatives, logs.shape[1]))
    for place, (row, number) in enumerate(zip(drawn.rows, drawn.ids, strict=True)):
        others = zip(best.values[place].exp().tolist(), best.indices[place].tolist(), strict=True)
        yield row, number, _token(own[place], [(spellers[row].shown(n), round(p, 6)) for p, n in others])


def _token(logprob: float, alternatives: list[tuple[str, float]]) -> Token:
    return Token(
        index=0, text="", probability=round(float(torch.tensor(logprob, dtype=torch.float64, device="cpu").exp()), 6),
        logprob=round(logprob, 6), alternatives=alternatives,
    )  # fmt: skip


class _Text:
    """One text: spells its tokens, and holds back those a stop string may begin in."""

    def __init__(self, speller: Speller, stops: Sequence[str]) -> None:
        self._speller = speller
        self._stops = stops
        self._held: list[Token] = []
        self._count = 0
        self.over = False

    def add(self, number: int, token: Token) -> list[Token]:
        """The tokens that can be told now."""
        token.text = self._speller.add(number)
        token.index = self._count
        self._count += 1
        self._held.append(token)
        return self._settled()

    def rest(self) -> list[Token]:
        """What is left at the end."""
        left = "" if self.over else self._speller.rest()
        if left:
            self._held.append(Token(index=self._count, text=left, probability=1.0))
        told = self._settled()
        told, self._held = told + self._held, []
        return told

    def _settled(self) -> list[Token]:
        if not self._stops:
            told, self._held = self._held, []
            return told
        text = "".join(token.text for token in self._held)
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.over = True
            told, self._held = _cut(self._held, min(found)), []
            return told
        safe = len(text) - max(_overlap(text, stop) for stop in self._stops)
        told: list[Token] = []
        while self._held and len(self._held[0].text) <= safe:
            safe -= len(self._held[0].text)
            told.append(self._held.pop(0))
        return told


def _overlap(text: str, stop: str) -> int:
    """How many characters at a text's end a stop string may begin with."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


def _cut(tokens: list[Token], length: int) -> list[Token]:
    """The tokens of the first ``length`` characters; the last one may be a part of itself."""
    told: list[Token] = []
    for token in tokens:
        if length <= 0:
            break
        token.text = token.text[:length]
        length -= len(token.text)
        told.append(token)
    return told


def _beams(writer: Writer, spellers: Sequence[Speller], sampling: Sampling) -> Iterator[tuple[int, Token]]:
    """Each text's best of several, told when it is known."""
    for row, (speller, chosen) in enumerate(zip(spellers, best_of_beams(writer, len(spellers), sampling), strict=True)):
        text = _Text(speller, sampling.stop)
        for number, logprob, others in chosen:
            if number in writer.ends or text.over:
                break
            alternatives = [(speller.shown(n), round(p, 6)) for n, p in others]
            for told in text.add(number, _token(logprob, alternatives)):
                yield row, told
        for told in text.rest():
            yield row, told
