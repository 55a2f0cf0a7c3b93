"""Our recipes that search exactly as a peer does, where the shipped recipe follows its paper and the peer does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import STOP_WORDS, content_words
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.recipes.genetic import GENETIC
from aat_models.attacks.recipes.pwws import PWWS
from aat_models.attacks.recipes.sources import counterfitted
from aat_models.attacks.search import Ranking, Search, by_importance
from aat_models.attacks.transforms import Surface, surface_words
from aat_models.attacks.victim import IntArray

__all__ = ["MATCHED"]


def weighted(attempt: Attempt, positions: IntArray) -> Ranking:
    """softmax(score without the word) × the best score with a substitute, 0 where it has none."""
    saliency = attempt.scores((yield attempt.unknown(positions)))
    moves = attempt.proposals(positions.tolist(), surface_words)
    best = np.zeros(int(positions.max()) + 1)
    if moves:
        scores = attempt.scores((yield attempt.after(moves)))
        np.maximum.at(best, [next(iter(move)) for move in moves], scores)
    weights = np.exp(saliency - saliency.max())
    return weights / weights.sum() * best[positions]


def _search(attempt: Attempt) -> Search:
    return by_importance(attempt, content_words(attempt.words), surface_words, weighted)


_PWWS_ASKED_AGAIN = replace(
    PWWS,
    name="pwws-reask",
    constraint="no stop words; each word is edited once",
    strategy="words in the order of softmax(saliency) times the best substitute's score; at each word all substitutes "
    "are asked again on the text as it is now, and the best is kept where it helps",
    search=_search,
    differences="as TextAttack 0.3.10 searches: the paper chooses each substitute once, on the original text; parts of "
    "speech are not checked",
    wants=(),
)


def _without_stop_words() -> Surface:
    table = counterfitted()
    return lambda word: () if word.lower() in STOP_WORDS else table(word)


_GENETIC = replace(
    GENETIC,
    name="genetic-cf",
    transform="a neighbour in counter-fitted vectors",
    constraint="no stop words; at most a fifth of the words, rounded up",
    words=_without_stop_words,
    needs=(),
    budget=0.2,
)

MATCHED: dict[str, Recipe] = {recipe.name: recipe for recipe in (_PWWS_ASKED_AGAIN, _GENETIC)}
"""By name, as ``bench attack`` is told it."""
