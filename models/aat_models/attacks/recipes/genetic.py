"""``genetic``: a population of texts, on a closed surface.

Alzantot et al. 2018, in the faster form of Jia, Raghunathan, Göksel, Liang: Certified Robustness to Adversarial Word
Substitutions, 2019: population 60, 40 generations.
"""

from __future__ import annotations

from aat_models.attacks.genetic import genetic
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe

__all__ = ["GENETIC"]

GENETIC = Recipe(
    name="genetic",
    goal=Untargeted(),
    transform="a substitute of the surface: synonyms, character variants, or both",
    constraint="at most the budgeted share of the words, rounded up",
    strategy="population 60, 40 generations; the best substitute at a random word; parents by softmax(score / 0.3)",
    search=genetic,
    paper="Jia et al. 2019, Certified Robustness to Adversarial Word Substitutions; Alzantot et al. 2018",
    differences="no language model filters the substitutes; changes beyond the cap are undone at random after crossing; "
    "the substitutes are those of the attack's surface",
    needs=("surface",),
    queries_per_word=500,
)
