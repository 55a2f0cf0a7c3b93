"""``random``: random substitutions, the control that every search must beat."""

from __future__ import annotations

from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.space_search import random_texts

__all__ = ["RANDOM"]

RANDOM = Recipe(
    name="random",
    goal=Untargeted(),
    transform="a substitute of the surface: synonyms, character variants, or both",
    constraint="at most the budgeted share of the words, rounded up",
    strategy="200 texts with as many random substitutions as allowed; the nearest to the goal",
    search=random_texts,
    paper="a control, not from a paper",
    needs=("surface",),
)
