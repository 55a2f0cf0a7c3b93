"""``hotflip``: flips ranked by one gradient, white box.

Ebrahimi, Rao, Lowd, Dou: HotFlip: White-Box Adversarial Examples for Text Classification, 2018, section on words.
"""

from __future__ import annotations

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.search import Search
from aat_models.attacks.space_search import flips

__all__ = ["HOTFLIP"]


def search(attempt: Attempt) -> Search:
    return flips(attempt, width=10, top=10)


HOTFLIP = Recipe(
    name="hotflip",
    goal=Untargeted(),
    transform="a substitute of the surface: synonyms, character variants, or both",
    constraint="each word is edited once; at most the budgeted share of the words, rounded up",
    strategy="beam of width 10; a gradient at each text picks the ten flips of largest first-order gain, which are asked",
    search=search,
    paper="Ebrahimi et al. 2018, HotFlip: White-Box Adversarial Examples for Text Classification",
    differences="flips come from the attack's surface in place of all words with cosine 0.8 and the same part of speech",
    needs=("surface", "gradients"),
    queries_per_word=200,
)
