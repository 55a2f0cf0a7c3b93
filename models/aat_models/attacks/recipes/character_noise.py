"""``character-noise``: misspelt words against a model that writes.

Belinkov, Bisk: Synthetic and Natural Noise Both Break Neural Machine Translation, 2018; made adversarial as in Michel et al.
2019.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.search import Search, by_importance
from aat_models.attacks.transforms import misspellings

__all__ = ["CHARACTER_NOISE"]

_TRIED = 12  # misspellings of a word


def propose(attempt: Attempt, position: int) -> Sequence[str]:
    """Some misspellings inside the word, drawn once for a place."""
    rng = attempt.rng(position)
    found = misspellings(attempt.words[position], rng)
    return found if len(found) <= _TRIED else rng.sample(found, _TRIED)


def search(attempt: Attempt) -> Search:
    editable = np.array([any(map(str.isalpha, word)) for word in attempt.words], np.bool_)
    return by_importance(attempt, editable, propose)


CHARACTER_NOISE = Recipe(
    name="character-noise",
    goal=Untargeted(),
    transform=f"{_TRIED} of: neighbours swapped, a character dropped, hit on the next key, a letter put in, inside it",
    constraint="first and last character stay; each word is edited once; at most the budgeted share of the words, rounded up",
    strategy="words by replace-1 importance, best of the misspellings drawn, kept where it helps",
    search=search,
    paper="Belinkov & Bisk 2018, Synthetic and Natural Noise Both Break Neural Machine Translation",
    differences="the worst of several misspellings at the most important words, after Michel et al. 2019, where the paper "
    "misspells every word at random",
    needs=("decoder",),
)
