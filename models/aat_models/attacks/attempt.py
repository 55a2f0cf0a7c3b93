"""One example under attack: what it was, where the search stands, what the search may use."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aat_models.attacks.checks import NO_CHECKS, Checks
from aat_models.attacks.goals import Goal
from aat_models.attacks.requests import Edits, GradientOf, Request, Texts
from aat_models.attacks.tagging import Tagger
from aat_models.attacks.transforms import Propose, Surface
from aat_models.attacks.victim import UNK, FloatArray, IntArray
from aat_models.events import Edit

__all__ = ["TIE", "Attempt", "Change"]

TIE = 1e-6
"""Scores nearer than this are equal: a victim's rounding must not decide."""

Change = Mapping[int, str]
"""Position → what is put there: a word, several words with spaces between, or nothing."""


class Attempt:
    """One example under attack.

    A position is that of a word in the original text, whatever was put there since.

    Attributes:
        original, words: the words before any edit, and now.
        ids: the text now, as the victim's ids.
        label: the true class.
        probabilities: the victim's answer to the text now, (C,).
        max_edits: how many positions may be changed.
        surface: the substitutes of a word; None where the attack was given none.
        tagger: says a word's part of speech; None where the recipe asks for none or its data is not there.
        checks: the attack's sentence encoder, and what substitutes must meet beside the recipe's constraints.
        white_box: whether gradients may be asked for.
        intern: the victim's ids of words, (len(words),).
        read: the victim's words of a text.
        edits: the accepted edits in order.
        trajectory: p(true class) at the start and after each accepted step, most of which make one edit.
    """

    def __init__(
        self,
        words: Sequence[str],
        ids: IntArray,
        label: int,
        probabilities: FloatArray,
        *,
        goal: Goal,
        intern: Callable[[Sequence[str]], IntArray],
        read: Callable[[str], list[str]] = str.split,
        max_edits: int,
        surface: Surface | None = None,
        tagger: Tagger | None = None,
        checks: Checks = NO_CHECKS,
        white_box: bool = False,
        seed: str = "0",
    ) -> None:
        self.original = tuple(words)
        self.words = list(words)
        self.ids = ids
        self.label = label
        self.goal = goal
        self.max_edits = max_edits
        self.surface = surface
        self.tagger = tagger
        self.checks = checks
        self.white_box = white_box
        self.edits: list[Edit] = []
        self.edited: set[int] = set()
        self.trajectory: list[float] = []
        self._start = (ids, probabilities)
        self.intern = intern
        self.read = read
        self._seed = seed
        self._allowed: dict[tuple[int, str], Sequence[str]] = {}  # what was found to be allowed; forks share it
        self._plain = True  # every position holds exactly one word
        self._stand(probabilities)

    def _stand(self, probabilities: FloatArray) -> None:
        left = np.array([len(self.ids)])
        self.probabilities = probabilities
        self.score = float(self.goal.score(probabilities[None], self.label)[0])
        self.reached = bool(self.goal.reached(probabilities[None], self.label, left)[0])
        self.trajectory.append(float(self.goal.told(probabilities)[self.label]))

    @property
    def room(self) -> int:
        """How many more positions may be edited."""
        return self.max_edits - len(self.edited)

    def rng(self, key: int | str) -> random.Random:
        """Random choices for one position or purpose: they depend on the seed, the example and ``key`` alone."""
        return random.Random(f"{self._seed}:{key}")

    def scores(self, probabilities: FloatArray) -> FloatArray:
        """How near each row (K, C) is to the goal, (K,)."""
        return self.goal.score(probabilities, self.label)

    def arrived(self, probabilities: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each row (K, C), of texts as long as this one, reaches the goal, (K,)."""
        return self.goal.reached(probabilities, self.label, np.full(len(probabilities), len(self.ids)))

    def nearer(self, probabilities: FloatArray) -> bool:
        """Whether one answer (C,) is nearer to the goal than the text now, rounding aside, or there."""
        row = probabilities[None]
        return bool(self.scores(row)[0] > self.score + TIE or self.arrived(row)[0])

    # what may be asked ------------------------------------------------------------------------------------------

    def at(self, position: int, words: Sequence[str]) -> Request:
        """Candidates that put each of ``words`` at ``position``."""
        if self._plain and all(map(_single, words)):
            return Edits(self.ids, np.full(len(words), position, np.int32), self.intern(words), words)
        return self.after([{position: word} for word in words])

    def after(self, changes: Sequence[Change]) -> Request:
        """Candidates that make each of ``changes`` to the text as it is now."""
        if self._plain and all(len(change) == 1 for change in changes):
            positions, words = [next(iter(c)) for c in changes], [next(iter(c.values())) for c in changes]
            if all(map(_single, words)):
                return Edits(self.ids, np.array(positions, np.int32), self.intern(words), words)
        return Texts.of([self._ids(self._changed(change)) for change in changes])

    def unknown(self, positions: IntArray) -> Request:
        """Candidates that put the unknown word at each of ``positions``."""
        assert self._plain, "importance is asked before an edit changes the number of words"
        return Edits(self.ids, positions, np.full(len(positions), UNK, np.int32), ["[UNK]"] * len(positions))

    def without(self, positions: Sequence[int] | IntArray) -> Request:
        """Candidates that leave out what stands at each of ``positions``, one word each."""
        widths = np.array([len(word.split(" ")) if word else 0 for word in self.words])
        assert all(widths[position] == 1 for position in positions), "a single word stands there"
        cells = (np.cumsum(widths) - widths)[np.asarray(positions, np.intp)]
        k, n = len(cells), len(self.ids)
        if n == 1:
            return Texts(np.full((k, 1), UNK, np.int32), np.ones(k, np.int32))
        left = np.arange(n - 1)
        return Texts(self.ids[left + (left >= cells[:, None])], np.full(k, n - 1, np.int32))

    def gradient(self, candidates: IntArray | None = None, ids: IntArray | None = None) -> GradientOf:
        """The gradient at ``ids`` (default: the text now), with ``candidates`` (n, S) to be ranked by it."""
        ids = self.ids if ids is None else ids
        candidates = np.zeros((len(ids), 0), np.int32) if candidates is None else candidates
        return GradientOf(ids, candidates, self.goal.loss(self.label)[0])

    def substitutes(self, position: int) -> Sequence[str]:
        """What the surface has for the word at ``position``, if the attack's constraints allow it there."""
        assert self.surface is not None, "the recipe must name the surface among its needs"
        word = self.words[position]
        words = self.surface(word)
        if not self.checks.constraints or not words:
            return words
        known = self._allowed.get((position, word))
        if known is None:
            for constraint in self.checks.constraints:
                if words:
                    mask = constraint.allows(self.original, self.original, position, words)
                    words = [words[k] for k in np.flatnonzero(mask).tolist()]
            known = self._allowed[position, word] = words
        return known

    def proposals(self, positions: Iterable[int], propose: Propose) -> list[Change]:
        """Everything ``propose`` has to offer at ``positions``, as changes of one word."""
        return [{position: word} for position in positions for word in propose(self, position)]

    # what may be done -------------------------------------------------------------------------------------------

    def change(self, change: Change, probabilities: FloatArray) -> None:
        """Makes a change; ``probabilities`` (C,) is the victim's answer to the text that comes of it."""
        for position, word in sorted(change.items()):
            if word != self.words[position]:
                self.edits.append(Edit(position, self.words[position], word))
                self.words[position] = word
                self._plain = self._plain and _single(word)
                self.edited.add(position)
        if self._plain:
            places, words = list(change), list(change.values())
            self.ids = self.ids.copy()
            self.ids[places] = self.intern(words)
        else:
            self.ids = self._ids(self.words)
        self._stand(probabilities)

    def fork(self, purpose: str) -> Attempt:
        """An attempt that begins where this one began, with random choices of its own."""
        ids, probabilities = self._start
        other = Attempt(
            self.original, ids, self.label, probabilities, goal=self.goal, intern=self.intern, read=self.read,
            max_edits=self.max_edits, surface=self.surface, tagger=self.tagger, checks=self.checks,
            white_box=self.white_box, seed=f"{self._seed}:{purpose}",
        )  # fmt: skip
        other._allowed = self._allowed
        return other

    def adopt(self, other: Attempt) -> None:
        """Stands where ``other``, a fork, stands."""
        self.words, self.ids, self._plain = other.words, other.ids, other._plain
        self.edits, self.edited, self.trajectory = other.edits, other.edited, other.trajectory
        self.probabilities, self.score, self.reached = other.probabilities, other.score, other.reached

    def _changed(self, change: Change) -> list[str]:
        words = list(self.words)
        for position, word in change.items():
            words[position] = word
        return words

    def _ids(self, words: Sequence[str]) -> IntArray:
        flat = " ".join(word for word in words if word).split(" ") if any(words) else []
        # A text without words is shown to the victim as one unknown word.
        return self.intern(flat) if flat else np.array([UNK], np.int32)


def _single(word: str) -> bool:
    return bool(word) and " " not in word
