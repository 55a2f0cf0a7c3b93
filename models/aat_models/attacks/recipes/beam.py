"""``beam``: beam search on a closed surface."""

from __future__ import annotations

from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.space_search import beam

__all__ = ["BEAM"]

BEAM = Recipe(
    name="beam",
    goal=Untargeted(),
    transform="a substitute of the surface: synonyms, character variants, or both",
    constraint="each word is edited once; at most the budgeted share of the words, rounded up",
    strategy="beam of width 4 over all single substitutions, to the cap; the nearest text of all rounds",
    search=beam,
    paper="beam search as in Ebrahimi et al. 2018, scored by the victim itself",
    needs=("surface",),
    queries_per_word=200,
)
