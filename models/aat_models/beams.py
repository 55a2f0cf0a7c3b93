"""Beam search: several texts side by side, of which the one is kept whose tokens are likeliest on average.

After each step, of everything the beams could go on with, the likeliest are kept; what ends is set aside with the mean
log-probability of its tokens, the end counted. It is over when as many have ended as there are beams and none under way, were
it to end now, is better than the worst of those, as ``transformers`` has it with ``early_stopping=False``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from aat_models.filters import penalised
from aat_models.sampling import Sampling
from aat_models.writers import Writer

__all__ = ["Choice", "best_of_beams"]

Choice = tuple[int, float, list[tuple[int, float]]]
"""A token, its log-probability, and the likeliest tokens there with their probabilities."""


class _Beam(NamedTuple):
    total: float
    choices: list[Choice]

    @property
    def mean(self) -> float:
        return self.total / max(1, len(self.choices))


class _Search:
    """The beams of one text."""

    def __init__(self, beams: int) -> None:
        self.width = beams
        self.running = [_Beam(0.0, [])]
        self.ended: list[_Beam] = []

    @property
    def over(self) -> bool:
        if not self.running:
            return True
        return len(self.ended) == self.width and max(beam.mean for beam in self.running) <= self.ended[-1].mean

    def set_aside(self, beam: _Beam) -> None:
        self.ended = sorted([*self.ended, beam], key=lambda one: -one.mean)[: self.width]

    def best(self) -> _Beam:
        for beam in self.running:
            self.set_aside(beam)
        return self.ended[0]


@torch.inference_mode()
def best_of_beams(writer: Writer, texts: int, sampling: Sampling) -> list[list[Choice]]:
    """The best text of each of ``texts``: its choices in order, the ending token last where it ended."""
    searches = [_Search(sampling.beams) for _ in range(texts)]
    before = writer.seen()
    logits = writer.begin()
    lanes = [(text, beam) for text, search in enumerate(searches) for beam in search.running]
    for index in range(sampling.max_tokens):
        if writer.never:
            logits[:, list(writer.never)] = -torch.inf
        if sampling.repetition_penalty != 1:
            seen = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
            for place, (text, beam) in enumerate(lanes):
                seen[place, [*before[text], *(choice[0] for choice in beam.choices)]] = True
            logits = penalised(logits, seen, sampling.repetition_penalty)
        logs = torch.log_softmax(logits.double(), -1)
        rows: list[int] = []
        after: list[tuple[int, _Beam]] = []
        for text, search in enumerate(searches):
            own = [place for place, (of, _) in enumerate(lanes) if of == text]
            if own:
                kept = _advance(search, [lanes[place][1] for place in own], logs[own], writer.ends, sampling)
                search.running = [beam for _, beam in kept]
                if not search.over:
                    rows += [own[parent] for parent, _ in kept]
                    after += [(text, beam) for _, beam in kept]
        lanes = after
        if not lanes or index + 1 == sampling.max_tokens:
            break
        writer.keep(rows)
        logits = writer.step(torch.tensor([beam.choices[-1][0] for _, beam in lanes], device=logits.device))
    return [search.best().choices for search in searches]


def _advance(
    search: _Search, beams: list[_Beam], logs: torch.Tensor, ends: frozenset[int], sampling: Sampling
) -> list[tuple[int, _Beam]]:
    """What goes on after one step, each with the place of the beam it comes from; what ends is set aside.

    ``logs`` ``(beams, V)``. Twice as many as there are beams are looked at, so that enough are left where some end.
    """
    totals = torch.tensor([beam.total for beam in beams], dtype=torch.float64, device=logs.device)[:, None] + logs
    words = logs.shape[1]
    found = totals.flatten().topk(min((1 + len(ends)) * search.width, totals.numel()))
    top = logs.topk(min(max(1, sampling.alternatives), words))
    kept: list[tuple[int, _Beam]] = []
    for rank, (total, place) in enumerate(zip(found.values.tolist(), found.indices.tolist(), strict=True)):
        if total == -torch.inf:
            break
        parent, number = divmod(place, words)
        others = list(zip(top.indices[parent].tolist(), top.values[parent].exp().tolist(), strict=True))
        choice = (number, float(logs[parent, number]), others[: sampling.alternatives])
        beam = _Beam(total, [*beams[parent].choices, choice])
        if number in ends:
            if rank < search.width:
                search.set_aside(beam)
        elif len(kept) < search.width:
            kept.append((parent, beam))
    return kept
