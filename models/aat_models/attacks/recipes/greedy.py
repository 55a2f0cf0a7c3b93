"""``greedy``: the exact best swap, round after round, on a closed surface.

The plainest strong attack on a closed surface: no importance ranking, no sampling. Each round asks about every
substitution at every word not yet edited. Costs rounds × (substitutes of the text) queries.
"""

from __future__ import annotations

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.search import Search, best_swap
from aat_models.attacks.transforms import surface_words

__all__ = ["GREEDY", "search"]


def search(attempt: Attempt) -> Search:
    return best_swap(attempt, attempt.proposals(range(len(attempt.words)), surface_words))


GREEDY = Recipe(
    name="greedy",
    goal=Untargeted(),
    transform="a substitute of the surface: synonyms, character variants, or both",
    constraint="each word is edited once; at most the budgeted share of the words, rounded up",
    strategy="exact greedy: the best of all single substitutions, asked afresh each round",
    search=search,
    paper="best-of-all greedy word swaps; the search of Kuleshov et al. 2018 without its language model",
    needs=("surface",),
)
