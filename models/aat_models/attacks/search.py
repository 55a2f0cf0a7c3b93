"""What is tried next: a search is a plain generator for one example.

It yields what it wants to know: a batch of candidate texts, and is sent the victim's probabilities for them, (K, C);
or a gradient, and is sent its slopes. It moves its attempt forward with ``change`` and returns when it is done. Where
the query budget ends inside a batch, only the first rows are answered, so fewer rows than were yielded may come back;
the next yield is the last.

Comparisons allow for a victim's rounding (``TIE``): the same text scored in another batch may differ in the last
digits, and a result must not depend on that.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias

import numpy as np

from aat_models.attacks.attempt import TIE, Attempt, Change
from aat_models.attacks.requests import GradientOf, Request
from aat_models.attacks.transforms import Propose
from aat_models.attacks.victim import FloatArray, IntArray

__all__ = [
    "Ranking",
    "Search",
    "best_swap",
    "by_importance",
    "by_weighted_saliency",
    "first_best",
    "gradient_norm",
    "left_out",
    "pick",
    "ranked",
    "replaced_by_unknown",
    "worst_of",
]

Search: TypeAlias = Generator[Request | GradientOf, Any, None]
Ranking: TypeAlias = Generator[Request | GradientOf, Any, FloatArray]
"""A part of a search: returns the importance of each of the positions it was given."""


def first_best(scores: FloatArray) -> int:
    """The first row whose score is, but for rounding, the largest."""
    return int(np.argmax(scores >= scores.max() - TIE))


def ranked(scores: FloatArray) -> list[int]:
    """Rows by falling score; rows that are equal but for rounding stay in their order."""
    if not len(scores):
        return []
    order = np.argsort(-scores, kind="stable")
    falls = np.diff(scores[order], prepend=scores[order[:1]]) < -TIE
    group = np.cumsum(falls)
    return order[np.lexsort((order, group))].tolist()


def pick(attempt: Attempt, probabilities: FloatArray) -> int:
    """The row of (K, C) nearest to the goal; one that reaches it goes before all that do not."""
    scores, there = attempt.scores(probabilities), np.flatnonzero(attempt.arrived(probabilities))
    return int(there[first_best(scores[there])]) if len(there) else first_best(scores)


# --- the best of all changes, round after round -----------------------------------------------------------------------


def best_swap(attempt: Attempt, moves: Sequence[Change]) -> Search:
    """Exact greedy: each round asks about every move whose positions are not yet edited, and takes the best one.

    Ends at the goal, at the edit cap, or where no single move comes nearer to the goal.
    """
    while attempt.room > 0:
        moves = [move for move in moves if len(move) <= attempt.room and attempt.edited.isdisjoint(move)]
        if not moves:
            return
        probabilities = yield attempt.after(moves)
        best = pick(attempt, probabilities)
        if not attempt.nearer(probabilities[best]):
            return
        attempt.change(moves[best], probabilities[best])
        if attempt.reached:
            return


# --- words in the order of their importance ---------------------------------------------------------------------------


def replaced_by_unknown(attempt: Attempt, positions: IntArray) -> Ranking:
    """The goal's score with each word replaced by the unknown word: the "replace-1" score (Gao et al. 2018)."""
    probabilities = yield attempt.unknown(positions)
    return attempt.scores(probabilities)


def left_out(attempt: Attempt, positions: IntArray) -> Ranking:
    """The goal's score with each word left out (Li et al. 2016)."""
    probabilities = yield attempt.without(positions)
    return attempt.scores(probabilities)


def gradient_norm(attempt: Attempt, positions: IntArray) -> Ranking:
    """The L1 norm of the loss's gradient by each word's vector (Yoo & Qi 2021), as a share of the largest."""
    slopes = yield attempt.gradient()
    norms = slopes.norms[positions]
    return norms / max(float(norms.max(initial=0)), 1e-30)


def by_importance(
    attempt: Attempt,
    editable: np.ndarray[Any, np.dtype[np.bool_]],
    propose: Propose,
    rank: Callable[[Attempt, IntArray], Ranking] = replaced_by_unknown,
    choose: Callable[[Attempt, FloatArray], int] = pick,
) -> Search:
    """Word-importance ranking: the most important word goes first, each gets its best proposal.

    A proposal is accepted where it comes nearer to the goal. Ends at the goal, at the edit cap or after the last word.

    Args:
        editable: (n,) masks the words that are considered.
        rank: says their importance.
        choose: picks one of a word's candidates by their probabilities.
    """
    positions = np.flatnonzero(editable).astype(np.int32)
    if not len(positions):
        return
    importance = yield from rank(attempt, positions)
    for place in ranked(importance):
        if attempt.room < 1:
            return
        position = int(positions[place])
        words = propose(attempt, position)
        if not words:
            continue
        probabilities = yield attempt.at(position, words)
        best = choose(attempt, probabilities)
        if attempt.nearer(probabilities[best]):
            attempt.change({position: words[best]}, probabilities[best])
            if attempt.reached:
                return


def by_weighted_saliency(attempt: Attempt, editable: np.ndarray[Any, np.dtype[np.bool_]], propose: Propose) -> Search:
    """Probability-weighted word saliency (Ren et al. 2019).

    A word's saliency S is how far its loss moves the score; each word's best substitute w* is the one that moves the
    score of the *original* text furthest, by ΔP. Words are replaced by their w* in the order of softmax(S) · ΔP until
    the goal is reached, without asking whether a replacement still helps. Words whose ΔP is not positive stay.
    """
    n = len(attempt.original)
    saliency = (yield from replaced_by_unknown(attempt, np.arange(n, dtype=np.int32))) - attempt.score
    moves = attempt.proposals(np.flatnonzero(editable).tolist(), propose)
    if not moves or len(saliency) < n:
        return
    gains = attempt.scores((yield attempt.after(moves))) - attempt.score
    best: dict[int, int] = {}  # position → its best move
    for k, gain in enumerate(gains.tolist()):
        (position,) = moves[k]
        if gain > TIE and (position not in best or gain > gains[best[position]] + TIE):
            best[position] = k
    weights = np.exp(saliency - saliency.max())
    order = list(best.items())
    for place in ranked(np.array([weights[position] / weights.sum() * gains[k] for position, k in order])):
        if attempt.room < 1:
            return
        change = moves[order[place][1]]
        answer = yield attempt.after([change])
        attempt.change(change, answer[0])
        if attempt.reached:
            return


# --- several searches ---------------------------------------------------------------------------------------------------


def worst_of(attempt: Attempt, members: Sequence[tuple[str, Callable[[Attempt], Search]]]) -> Search:
    """Runs searches after one another, each from the original text, until one reaches the goal.

    The attempt ends where the first successful one ended, else where the one that came nearest did. They share the
    example's query budget, and what one has asked costs the next nothing.
    """
    best = attempt
    try:
        for name, member in members:
            current = attempt.fork(name)
            try:
                yield from member(current)
            finally:  # also where the budget closes the search
                if current.reached > best.reached or current.score > best.score + TIE:
                    best = current
            if best.reached:
                return
    finally:
        if best is not attempt:
            attempt.adopt(best)
