"""Genetic search on a closed surface (Alzantot et al. 2018, in the faster form of Jia et al. 2019)."""

from __future__ import annotations

import functools
import itertools
import random

import numpy as np
from numpy.typing import NDArray

from aat_models.attacks.attempt import TIE, Attempt
from aat_models.attacks.search import Search, first_best
from aat_models.attacks.spaces import Members, Nearest, Space, Walk
from aat_models.attacks.victim import FloatArray

__all__ = ["crossed", "fitness_weights", "genetic"]

_MOST_CHOICES = 10  # a word with more substitutes is drawn no more often


def genetic(attempt: Attempt, population: int = 60, generations: int = 40, temperature: float = 0.3) -> Search:
    """A population of texts, mutated by the best substitute of a random word, crossed in proportion to their fitness.

    A mutation draws a word not yet changed, the likelier the more substitutes it has, and takes its best substitute
    where that is nearer to the goal than the text was. The best of a generation lives on unchanged.
    """
    space = Space(attempt)
    nearest = Nearest(attempt, space)
    rng = attempt.rng("genetic")
    members = np.repeat(space.origin[None], population, axis=0)
    try:
        for _ in range(1 + generations if space.open else 0):
            candidates, starts = _mutations(space, members, rng)
            answer: FloatArray = yield space.texts(candidates)
            reached = nearest.see(functools.partial(_one_step, candidates, answer), answer)
            if reached or len(answer) < len(candidates):
                return
            # Six digits: what is beyond them is the victim's rounding, and must not turn a random draw.
            members, scores = _survivors(candidates, starts, attempt.scores(answer).round(6))
            elite = members[first_best(scores)]
            drawn = rng.choices(range(population), fitness_weights(scores, temperature), k=2 * (population - 1))
            pairs = zip(drawn[::2], drawn[1::2], strict=True)
            members = np.stack([elite, *(crossed(members[a], members[b], space.cap, rng) for a, b in pairs)])
    finally:
        nearest.settle()


def fitness_weights(scores: FloatArray, temperature: float) -> list[float]:
    """How likely each member is to be a parent: softmax(score / temperature)."""
    weights = np.exp((scores - scores.max()) / temperature)
    return (weights / weights.sum()).tolist()


def crossed(first: Members, second: Members, cap: int, rng: random.Random) -> Members:
    """A child with each word from either parent; changes beyond ``cap`` are undone at random."""
    child = np.array([a if rng.random() < 0.5 else b for a, b in zip(first.tolist(), second.tolist(), strict=True)])
    changed = np.flatnonzero(child).tolist()
    for position in rng.sample(changed, max(0, len(changed) - cap)):
        child[position] = 0
    return child


def _one_step(candidates: Members, answer: FloatArray, k: int) -> Walk:
    return Walk(candidates[k], ((candidates[k], answer[k]),))


def _mutations(space: Space, members: Members, rng: random.Random) -> tuple[Members, NDArray[np.intp]]:
    """Every member (P, n) as it is and with every other substitute at one random word, (K, n); where each begins."""
    positions: list[int] = []
    choices: list[int] = []  # 0 stands for the member as it is
    starts: list[int] = []
    for member in members:
        # At the cap, a word already changed is changed again.
        free = space.unchanged(member) or np.flatnonzero(member).tolist()
        (position,) = rng.choices(free, [min(int(space.choices[i]), _MOST_CHOICES) for i in free])
        others = [c for c in range(int(space.choices[position]) + 1) if c == 0 or c != member[position]]
        starts.append(len(choices))
        positions += [position] * len(others)
        choices += others
    counts = np.diff([*starts, len(choices)])
    candidates = np.repeat(members, counts, axis=0)
    changed = np.flatnonzero(choices)
    candidates[changed, np.array(positions)[changed]] = np.array(choices)[changed]
    return candidates, np.array(starts)


def _survivors(candidates: Members, starts: NDArray[np.intp], scores: FloatArray) -> tuple[Members, FloatArray]:
    """Of each member the best mutation, or itself where none is nearer to the goal."""
    kept: list[int] = []
    for start, stop in itertools.pairwise([*starts.tolist(), len(candidates)]):
        best = start + first_best(scores[start:stop])
        kept.append(best if scores[best] > scores[start] + TIE else start)
    return candidates[kept], scores[kept]
