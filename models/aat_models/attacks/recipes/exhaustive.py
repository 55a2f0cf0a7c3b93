"""``exhaustive``: every text the surface and the cap allow: the exact answer, where the queries suffice.

A result that failed is robust for certain; one that ran out of queries is not known.
"""

from __future__ import annotations

from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.space_search import exhaustive

__all__ = ["EXHAUSTIVE"]

EXHAUSTIVE = Recipe(
    name="exhaustive",
    goal=Untargeted(),
    transform="a substitute of the surface: synonyms, character variants, or both",
    constraint="at most the budgeted share of the words, rounded up",
    strategy="all texts, those with fewer edits first",
    search=exhaustive,
    paper="a check of the searches, not from a paper",
    needs=("surface",),
    queries_per_word=1000,
)
