"""All texts a closed surface allows of one text, as vectors of choices, for searches that move about among them.

A member of the space is an int vector (n,): the number of each word's choice, 0 for the word itself.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aat_models.attacks.attempt import TIE, Attempt
from aat_models.attacks.requests import Edits, Texts
from aat_models.attacks.search import pick
from aat_models.attacks.victim import FloatArray, IntArray

__all__ = ["Members", "Nearest", "Space", "Walk"]

Members = NDArray[np.int64]


class Space:
    """The texts reachable from an attempt's original by substitutes of its surface, single words only.

    Attributes:
        choices: (n,) the number of substitutes of each word.
        ids: (n, 1 + S) the word's id and its substitutes', padded with 0.
        open: the positions that have a substitute.
        cap: how many positions may be changed.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._words = [
            (word, *(other for other in attempt.substitutes(position) if " " not in other))
            for position, word in enumerate(attempt.original)
        ]
        self.choices = np.array([len(words) - 1 for words in self._words], np.int64)
        self.ids = np.zeros((len(self._words), 1 + int(self.choices.max(initial=0))), np.int32)
        flat = attempt.intern([word for words in self._words for word in words])
        self.ids[np.arange(self.ids.shape[1]) <= self.choices[:, None]] = flat
        self.open: list[int] = np.flatnonzero(self.choices).tolist()
        self.cap = min(attempt.max_edits, len(self.open))
        self.origin: Members = np.zeros(len(self._words), np.int64)

    def size(self) -> int:
        """How many texts there are within the cap, the original included."""
        counts = [1] + [0] * self.cap  # texts by the number of changes
        for choices in self.choices[self.open].tolist():
            counts = [counts[0]] + [counts[k] + choices * counts[k - 1] for k in range(1, len(counts))]
        return sum(counts)

    def texts(self, members: Members) -> Texts:
        """Members (K, n) as a request."""
        n = len(self.origin)
        return Texts(self.ids[np.arange(n), members], np.full(len(members), n, np.int32))

    def at(self, member: Members) -> IntArray:
        """The victim's ids of a member, (n,)."""
        return self.ids[np.arange(len(member)), member]

    def swaps(self, member: Members, positions: Iterable[int]) -> tuple[Edits, Members]:
        """Every other substitute at each of ``positions``: the candidates, and each as a member (K, n)."""
        moves = [(i, c) for i in positions for c in range(1, int(self.choices[i]) + 1) if c != member[i]]
        return self.chosen(member, moves)

    def chosen(self, member: Members, moves: Sequence[tuple[int, int]]) -> tuple[Edits, Members]:
        """``member`` with each (position, choice) of ``moves``: the candidates, and each as a member (K, n)."""
        where = np.array([i for i, _ in moves], np.int32)
        which = np.array([c for _, c in moves], np.int64)
        members = np.repeat(member[None], len(moves), axis=0)
        members[np.arange(len(moves)), where] = which
        return Edits(self.at(member), where, self.ids[where, which], [self._words[i][c] for i, c in moves]), members

    def all(self) -> Iterator[Members]:
        """Every member within the cap but the original, those with fewer changes first."""
        for changes in range(1, self.cap + 1):
            for positions in itertools.combinations(self.open, changes):
                for chosen in itertools.product(*(range(1, int(self.choices[i]) + 1) for i in positions)):
                    member = self.origin.copy()
                    member[list(positions)] = chosen
                    yield member

    def unchanged(self, member: Members) -> list[int]:
        """The open positions that ``member`` leaves alone; none where it is at the cap."""
        if np.count_nonzero(member) >= self.cap:
            return []
        return [i for i in self.open if not member[i]]

    def change(self, attempt: Attempt, member: Members, probabilities: FloatArray) -> None:
        """Makes the attempt, at its original or on the way to ``member``, stand at ``member``."""
        attempt.change({i: self._words[i][c] for i, c in enumerate(member.tolist()) if c}, probabilities)

    def draw(self, rng: random.Random, changes: int) -> Members:
        """A member with that many random changes."""
        member = self.origin.copy()
        for i in rng.sample(self.open, min(changes, len(self.open))):
            member[i] = rng.randint(1, int(self.choices[i]))
        return member


@dataclass(frozen=True)
class Walk:
    """A member with the steps that led to it: each a member and the victim's answer to it, (C,)."""

    member: Members
    steps: tuple[tuple[Members, FloatArray], ...] = ()

    def on(self, member: Members, probabilities: FloatArray) -> Walk:
        return Walk(member, (*self.steps, (member, probabilities)))


class Nearest:
    """Of all members a search has seen, the one nearest to the goal; the attempt's own text at first."""

    def __init__(self, attempt: Attempt, space: Space) -> None:
        self._attempt = attempt
        self._space = space
        self._score = attempt.score
        self._walk = Walk(space.origin)
        self.reached = False

    def see(self, walk: Callable[[int], Walk], answer: FloatArray) -> bool:
        """Takes the answer to a request, and how each of its candidates was reached; whether the goal is reached."""
        if not len(answer):
            return self.reached
        top = pick(self._attempt, answer)
        reached = bool(self._attempt.arrived(answer)[top])
        score = float(self._attempt.scores(answer)[top])
        if reached > self.reached or (reached == self.reached and score > self._score + TIE):
            self._walk, self._score, self.reached = walk(top), score, reached
        return self.reached

    def settle(self) -> None:
        """Makes the attempt walk there."""
        for member, probabilities in self._walk.steps:
            self._space.change(self._attempt, member, probabilities)
