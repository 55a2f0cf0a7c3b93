"""``pwws``: WordNet synonyms in the order of probability-weighted word saliency.

Ren, Deng, He, Che: Generating Natural Language Adversarial Examples through Probability Weighted Word Saliency, 2019.
"""

from __future__ import annotations

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import SamePart, content_words, where
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.recipes.sources import wordnet
from aat_models.attacks.search import Search, by_weighted_saliency
from aat_models.attacks.transforms import surface_words

__all__ = ["PWWS"]


def search(attempt: Attempt) -> Search:
    same = SamePart(attempt.tagger) if attempt.tagger is not None else None
    return by_weighted_saliency(attempt, content_words(attempt.words), where(surface_words, same))


PWWS = Recipe(
    name="pwws",
    goal=Untargeted(),
    transform="a WordNet synonym",
    constraint="same part of speech; no stop words; each word is edited once",
    strategy="each word's best synonym, chosen on the original text, in the order of softmax(saliency) times its gain",
    search=search,
    paper="Ren et al. 2019, Generating Natural Language Adversarial Examples through Probability Weighted Word Saliency",
    differences="named entities have no candidates of their own; Open English WordNet 2024 where AAT_MIRROR holds its "
    "table; synonyms that do not help alone are never put in; stop words stay; parts of speech by NLTK, not checked where "
    "its data is not there, nor in Chinese, whose synonyms are those of the Chinese Open Wordnet",
    wants=("parts of speech",),
    words=wordnet,
    budget=1.0,
)
