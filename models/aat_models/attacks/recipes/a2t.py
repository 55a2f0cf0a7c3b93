"""``a2t-cf``: the cheap attack made for adversarial training, without its sentence encoder; white box.

Yoo, Qi: Towards Improving Adversarial Training of NLP Models, 2021.
"""

from __future__ import annotations

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import SamePart, content_words, where
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.recipes.sources import counterfitted
from aat_models.attacks.search import Search, by_importance, gradient_norm
from aat_models.attacks.transforms import surface_words

__all__ = ["A2T"]


def search(attempt: Attempt) -> Search:
    same = SamePart(attempt.tagger) if attempt.tagger is not None else None
    return by_importance(attempt, content_words(attempt.words), where(surface_words, same), gradient_norm)


A2T = Recipe(
    name="a2t-cf",
    goal=Untargeted(),
    transform="a neighbour in counter-fitted vectors",
    constraint="same part of speech; at most a tenth of the words, but four may always be edited; no stop words",
    strategy="words by the L1 norm of one gradient; best candidate, kept where it helps",
    search=search,
    paper="Yoo & Qi 2021, Towards Improving Adversarial Training of NLP Models",
    differences="no sentence encoder, hence the name: nearness in counter-fitted vectors is the only check of meaning; 8 "
    "candidates a word (table of Jia et al. 2019) where the paper has 20; parts of speech by NLTK, not checked where its "
    "data is not there",
    needs=("gradients",),
    wants=("parts of speech",),
    words=counterfitted,
    budget=0.1,
    least_edits=4,
)
