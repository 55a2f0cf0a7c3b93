"""What an attack wants of a model that writes.

- ``meaning``: relative meaning loss (Michel et al. 2019). With s the similarity, chrF, the text x becomes x', the output y
  becomes y', and r is the reference; the target's damage is d = max(0, (s(y, r) − s(y', r)) / s(y, r)), and the attack has
  succeeded where s(x', x) + d > 1: more of the output's meaning is lost than of the text's. The search climbs d, and
  beneath it how unlikely the decoder finds what it wrote at first.
- ``non-overlapping``: no word of the output stands where it stood (Cheng et al. 2020, Seq2Sick).
- ``keywords:WORD[,WORD]``: all these words are in the output (the same).

The last two climb the paper's hinge losses of the decoder's logits along the output it writes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aat_datasets.errors import UnknownNameError
from aat_datasets.records import Example
from aat_models.attacks.goals import Goal
from aat_models.attacks.victim import FloatArray
from aat_models.events import Written
from aat_models.text_metrics import Wanted
from aat_models.writing_victim import WritingVictim

__all__ = ["GOALS", "Keywords", "MeaningLoss", "NonOverlapping", "find_writing_goal", "is_writing_goal"]

GOALS = ("meaning", "non-overlapping", "keywords:WORD[,WORD]")

_MARGIN = 1.0  # a logit this far beyond the others is beaten: the ε of Cheng et al.


def is_writing_goal(name: str) -> bool:
    return name.partition(":")[0] in ("meaning", "non-overlapping", "keywords")


def find_writing_goal(name: str, victim: WritingVictim) -> _Aim:
    """One of ``GOALS``. Raises UnknownNameError, and InputError for keywords the decoder never writes."""
    kind, colon, rest = name.partition(":")
    if name == "meaning":
        return _Aim(name, victim, MeaningLoss)
    if name == "non-overlapping":
        return _Aim(name, victim, NonOverlapping)
    words = [word.strip() for word in rest.split(",") if word.strip()]
    if kind == "keywords" and colon and words:
        numbers = [victim.find(word) for word in words]
        return _Aim(name, victim, functools.partial(Keywords, keywords=numbers))
    raise UnknownNameError("goal", name, GOALS)


class _Aim:
    """A goal by name, for any example of a victim."""

    def __init__(
        self, name: str, victim: WritingVictim, kind: Callable[[WritingVictim, str, FloatArray], Goal]
    ) -> None:
        self.name = name
        self._victim = victim
        self._kind = kind

    def check(self, classes: int) -> None:
        pass

    def about(self, example: Example, answer: FloatArray) -> Goal:
        return self._kind(self._victim, example.target or "", answer)


class _OfOutput:
    """A goal for one example.

    Args:
        victim: who writes.
        reference: the wanted output; empty: what is written of the unedited text.
        answer: the victim's to the unedited text, (2,).
    """

    def __init__(self, victim: WritingVictim, reference: str, answer: FloatArray) -> None:
        self.victim = victim
        self.first_text, self.first = int(answer[0]), int(answer[1])
        self.reference = reference or victim.output(self.first)
        self._wanted, self._original = Wanted(self.reference), Wanted(victim.text(self.first_text))
        self._near: dict[int, float] = {}
        self._similar: dict[int, float] = {}
        self._measured: dict[int, tuple[float, bool]] = {}

    # as an attack asks --------------------------------------------------------------------------------------------

    def score(self, probabilities: FloatArray, label: int) -> FloatArray:
        return np.array([self._of(row)[0] for row in self._asked(probabilities)])

    def reached(self, probabilities: FloatArray, label: int, words: NDArray[Any]) -> NDArray[np.bool_]:
        return np.array([self._of(row)[1] for row in self._asked(probabilities)], np.bool_)

    def pointless(self, probabilities: FloatArray, label: int) -> bool:
        """Where the output is nothing like what is wanted there is nothing to lose."""
        return self.near(self.first) == 0.0

    def loss(self, label: int) -> tuple[int, float]:
        return label, 1.0

    def told(self, probabilities: FloatArray) -> FloatArray:
        lost = self.lost(int(probabilities[0]), int(probabilities[1]))
        return np.array([1 - lost, lost])

    def written(self, before: FloatArray, after: FloatArray) -> Written:
        text, output = int(after[0]), int(after[1])
        return Written(
            reference=self.reference,
            before=self.victim.output(self.first),
            after=self.victim.output(output),
            near_before=round(self.near(self.first), 6),
            near_after=round(self.near(output), 6),
            similarity=round(self.similarity(text), 6),
            damage=round(self.damage(output), 6),
        )

    # what a kind of goal says -------------------------------------------------------------------------------------

    def measured(self, texts: list[int], outputs: list[int]) -> list[tuple[float, bool]]:
        """How near to the goal each answer is, and whether it is there."""
        raise NotImplementedError

    def lost(self, text: int, output: int) -> float:
        """0 … 1, above a half where the goal is reached and nowhere else."""
        raise NotImplementedError

    # texts and outputs compared -----------------------------------------------------------------------------------

    def near(self, output: int) -> float:
        """chrF of an output to the reference."""
        if output not in self._near:
            self._near[output] = self._wanted.chrf(self.victim.output(output))
        return self._near[output]

    def similarity(self, text: int) -> float:
        """chrF of a text to the unedited one."""
        if text not in self._similar:
            self._similar[text] = self._original.chrf(self.victim.text(text))
        return self._similar[text]

    def damage(self, output: int) -> float:
        before = self.near(self.first)
        return max(0.0, (before - self.near(output)) / before) if before else 0.0

    def _asked(self, answers: FloatArray) -> list[tuple[int, int]]:
        """The answers (K, 2) as numbers of texts and outputs, all of them measured then."""
        rows = [(int(text), int(output)) for text, output in answers.tolist()]
        new = [row for row in dict(rows).items() if row[0] not in self._measured]
        if new:
            texts, outputs = [text for text, _ in new], [output for _, output in new]
            self._measured |= zip(texts, self.measured(texts, outputs), strict=True)
        return rows

    def _of(self, row: tuple[int, int]) -> tuple[float, bool]:
        return self._measured[row[0]]


class MeaningLoss(_OfOutput):
    """Relative meaning loss; see the module."""

    def measured(self, texts: list[int], outputs: list[int]) -> list[tuple[float, bool]]:
        likely = np.exp(self.victim.loglikelihood(texts, self.victim.output_ids(self.first)))
        return [
            (self.damage(output) + 1 - float(p), self.damage(output) > 0 and self.lost(text, output) > 0.5)
            for text, output, p in zip(texts, outputs, likely, strict=True)
        ]

    def lost(self, text: int, output: int) -> float:
        return (self.similarity(text) + self.damage(output)) / 2


class NonOverlapping(_OfOutput):
    """No word of the output stands where it stood; see the module."""

    def pointless(self, probabilities: FloatArray, label: int) -> bool:
        return not self.victim.output_ids(self.first)

    def measured(self, texts: list[int], outputs: list[int]) -> list[tuple[float, bool]]:
        first = self.victim.output_ids(self.first)
        own = [self.victim.output_ids(output) for output in outputs]
        logits = self.victim.logits(texts, own)
        found: list[tuple[float, bool]] = []
        for row, output in enumerate(own):
            here = logits[row, : min(len(first), len(output) + 1)]  # beyond its end nothing can stand where it stood
            hinge = _hinge(here, torch.tensor(first[: len(here)], device=here.device)).clamp_min(-_MARGIN).sum()
            rest = _MARGIN * (len(first) - len(here))
            found.append(((rest - float(hinge)) / len(first), self._share(output) == 1.0))
        return found

    def lost(self, text: int, output: int) -> float:
        share = self._share(self.victim.output_ids(output))
        return 1.0 if share == 1.0 else share / 2

    def _share(self, output: Sequence[int]) -> float:
        """The share of the first output's words that stand elsewhere or nowhere."""
        first = self.victim.output_ids(self.first)
        return 1 - sum(a == b for a, b in zip(first, output, strict=False)) / max(1, len(first))


class Keywords(_OfOutput):
    """All of some words, as the decoder's ids, are in the output; see the module."""

    def __init__(self, victim: WritingVictim, reference: str, answer: FloatArray, keywords: Sequence[int]) -> None:
        super().__init__(victim, reference, answer)
        self._keywords = list(keywords)

    def pointless(self, probabilities: FloatArray, label: int) -> bool:
        return self._share(self.first) == 1.0

    def measured(self, texts: list[int], outputs: list[int]) -> list[tuple[float, bool]]:
        own = [self.victim.output_ids(output) for output in outputs]
        logits = self.victim.logits(texts, own)
        return [
            (-self._loss(logits[row, : len(own[row]) + 1]), self._share(output) == 1.0)
            for row, output in enumerate(outputs)
        ]

    def lost(self, text: int, output: int) -> float:
        share = self._share(output)
        return 1.0 if share == 1.0 else share / 2

    def _loss(self, logits: Tensor) -> float:
        """Each keyword's smallest hinge over the places (T,) where no other keyword stands."""
        total, best = 0.0, logits.argmax(-1)
        for word in self._keywords:
            others = torch.tensor([other for other in self._keywords if other != word], device=best.device)
            taken = torch.isin(best, others)
            hinge = (-_hinge(logits, torch.full_like(best, word))).clamp_min(-_MARGIN)
            total += float(hinge.masked_fill(taken, 1e3).min())
        return total

    def _share(self, output: int) -> float:
        there = set(self.victim.output_ids(output))
        return sum(word in there for word in self._keywords) / len(self._keywords)


def _hinge(logits: Tensor, words: Tensor) -> Tensor:
    """How far each word's logit is above the best other one, (T,); logits (T, V), words (T,)."""
    own = logits.gather(1, words[:, None])[:, 0]
    return own - logits.scatter(1, words[:, None], -torch.inf).amax(-1)
