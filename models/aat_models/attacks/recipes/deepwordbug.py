"""``deepwordbug``: character edits at the most important words.

Gao, Lanchantin, Soffa, Qi: Black-box Generation of Adversarial Text Sequences to Evade Deep Learning Classifiers, 2018.
Words are ranked by the "replace-1" score; each in turn is swapped, substituted, inserted into or deleted from at one
random character; the whole text stays within 30 character edits.
"""

from __future__ import annotations

from collections.abc import Sequence

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import EditDistance, content_words, where
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.search import Search, by_importance
from aat_models.attacks.transforms import delete, insert, substitute, swap

__all__ = ["DEEPWORDBUG"]


def one_of_each(attempt: Attempt, position: int) -> Sequence[str]:
    """One word from each of the four transforms."""
    rng = attempt.rng(position)
    word = attempt.words[position]
    made = [transform(word, rng) for transform in (swap, substitute, delete, insert)]
    return list(dict.fromkeys(other for other in made if other is not None and other != word))


_propose = where(one_of_each, EditDistance(30))


def search(attempt: Attempt) -> Search:
    return by_importance(attempt, content_words(attempt.words), _propose)


DEEPWORDBUG = Recipe(
    name="deepwordbug",
    goal=Untargeted(),
    transform="one random character of a word swapped with its neighbour, substituted, deleted or inserted",
    constraint="Levenshtein distance of the text at most 30; each word is edited once; no stop words",
    strategy="words by replace-1 importance, best of the four transforms, kept where it helps",
    search=search,
    paper="Gao et al. 2018, Black-box Generation of Adversarial Text Sequences to Evade Deep Learning Classifiers",
    differences="tries all four transforms at a word and keeps the best, stops at the first success, leaves stop words "
    "alone (as later frameworks do); the paper applies one transform until the distance is used up; a Chinese character is "
    "substituted by one of the same sound and put in by being typed twice",
    budget=1.0,
)
