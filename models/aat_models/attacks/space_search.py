"""Searches on a closed surface that keep whole texts: beam, random, exhaustive, and first-order flips."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from aat_models.attacks.attempt import TIE, Attempt
from aat_models.attacks.requests import Edits, Joined, Slopes
from aat_models.attacks.search import Search, ranked
from aat_models.attacks.spaces import Members, Nearest, Space, Walk
from aat_models.attacks.victim import FloatArray

__all__ = ["beam", "exhaustive", "flips", "random_texts"]


def beam(attempt: Attempt, width: int = 4) -> Search:
    """Beam search: each round extends the ``width`` best texts by every single substitution at a word they leave alone.

    Ends at the goal or at the edit cap; where the goal is not reached, the nearest text of all rounds is taken.
    """
    space = Space(attempt)
    nearest = Nearest(attempt, space)
    states = [Walk(space.origin)]
    try:
        while True:
            parts, candidates = _joined([(s, *space.swaps(s.member, space.unchanged(s.member))) for s in states])
            if not candidates:
                return
            answer: FloatArray = yield Joined(parts)
            walks = [walk.on(member, row) for (walk, member), row in zip(candidates, answer, strict=False)]
            if nearest.see(walks.__getitem__, answer):
                return
            states = _best(walks, attempt.scores(answer), width)
    finally:
        nearest.settle()


def flips(attempt: Attempt, width: int, top: int, restarts: int = 0) -> Search:
    """First-order flips (Ebrahimi et al. 2018): one gradient ranks all substitutes, the victim is asked about the best.

    Each round takes the gradient at each of the ``width`` best texts and asks about the ``top`` substitutions it ranks
    highest; it ends at the goal, at the edit cap, or where no asked text is nearer than those it came from. A restart
    begins at a random text with half the edits the cap allows.
    """
    space = Space(attempt)
    nearest = Nearest(attempt, space)
    rng = attempt.rng("flips")
    try:
        for restart in range(1 + restarts if space.open else 0):
            states, score = [Walk(space.origin)], attempt.score
            if restart:
                start = space.draw(rng, (space.cap + 1) // 2)
                answer: FloatArray = yield space.texts(start[None])
                states, score = [Walk(start, ((start, answer[0]),))], float(attempt.scores(answer)[0])
                if nearest.see(states.__getitem__, answer):
                    return
            while True:
                extensions: list[tuple[Walk, Edits, Members]] = []
                for state in states:
                    if space.unchanged(state.member):
                        slopes: Slopes = yield attempt.gradient(space.ids[:, 1:], space.at(state.member))
                        steepest = _steepest(attempt, space, state.member, slopes, top)
                        extensions.append((state, *space.chosen(state.member, steepest)))
                parts, candidates = _joined(extensions)
                if not candidates:
                    break
                answer = yield Joined(parts)
                walks = [walk.on(member, row) for (walk, member), row in zip(candidates, answer, strict=False)]
                if nearest.see(walks.__getitem__, answer):
                    return
                scores = attempt.scores(answer)
                if scores.max() <= score + TIE:
                    break
                states, score = _best(walks, scores, width), float(scores.max())
    finally:
        nearest.settle()


def random_texts(attempt: Attempt, trials: int = 200, batch: int = 20) -> Search:
    """Random search: texts with as many random substitutions as the cap allows; the nearest to the goal is taken."""
    space = Space(attempt)
    rng = attempt.rng("random texts")
    drawn = (space.draw(rng, space.cap) for _ in range(trials if space.open else 0))
    yield from _until_reached(attempt, space, drawn, batch)


def exhaustive(attempt: Attempt, batch: int = 512) -> Search:
    """Every text within the cap, those with fewer changes first, until one reaches the goal.

    Where it fails, no substitution within the surface and the cap succeeds.
    """
    space = Space(attempt)
    yield from _until_reached(attempt, space, space.all(), batch)


def _until_reached(attempt: Attempt, space: Space, members: Iterator[Members], batch: int) -> Search:
    nearest = Nearest(attempt, space)
    try:
        while chunk := list(itertools.islice(members, batch)):
            answer: FloatArray = yield space.texts(np.stack(chunk))
            walks = [Walk(m, ((m, row),)) for m, row in zip(chunk, answer, strict=False)]
            if nearest.see(walks.__getitem__, answer):
                return
    finally:
        nearest.settle()


def _joined(
    extensions: Sequence[tuple[Walk, Edits, Members]],
) -> tuple[list[Edits], list[tuple[Walk, Members]]]:
    """The requests of all walks, and for each candidate the walk it extends and the member it is."""
    return [edits for _, edits, _ in extensions], [(walk, member) for walk, _, made in extensions for member in made]


def _best(walks: Sequence[Walk], scores: FloatArray, width: int) -> list[Walk]:
    """The ``width`` highest, each member once: two walks may lead to the same text."""
    found: dict[bytes, Walk] = {}
    for k in ranked(scores):
        if len(found) == width:
            break
        found.setdefault(walks[k].member.tobytes(), walks[k])
    return list(found.values())


def _steepest(attempt: Attempt, space: Space, member: Members, slopes: Slopes, top: int) -> list[tuple[int, int]]:
    """The (position, choice) pairs a gradient ranks highest, at words that ``member`` leaves alone."""
    _, sign = attempt.goal.loss(attempt.label)
    free = np.zeros(len(member), np.bool_)
    free[space.unchanged(member)] = True
    there = free[:, None] & np.isfinite(slopes.gains)
    positions, choices = np.nonzero(there)
    gains = sign * slopes.gains[there]
    scale = max(float(np.abs(gains).max(initial=0)), 1e-30)  # ties are relative: a gradient has no scale of its own
    return [(int(positions[k]), int(choices[k]) + 1) for k in ranked(gains / scale)[:top]]
