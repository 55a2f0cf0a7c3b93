"""``greedy-*``: the closed surface by word importance, once for each way to say which words matter.

Cheaper than ``greedy`` by far: a word's substitutes are asked once, in the order of the words' importance.
"""

from __future__ import annotations

from collections.abc import Callable

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import content_words
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.search import (
    Search,
    by_importance,
    by_weighted_saliency,
    gradient_norm,
    left_out,
    replaced_by_unknown,
)
from aat_models.attacks.transforms import surface_words

__all__ = ["GREEDY_DELETE", "GREEDY_GRADIENT", "GREEDY_UNK", "GREEDY_WEIGHTED"]


def _recipe(name: str, ranking: str, paper: str, search: Callable[[Attempt], Search], needs: tuple[str, ...]) -> Recipe:
    return Recipe(
        name=f"greedy-{name}",
        goal=Untargeted(),
        transform="a substitute of the surface: synonyms, character variants, or both",
        constraint="each word is edited once; at most the budgeted share of the words, rounded up; no stop words",
        strategy=ranking,
        search=search,
        paper=paper,
        differences="the ranking alone, on the surface of the attack",
        needs=("surface", *needs),
    )


GREEDY_DELETE = _recipe(
    "delete",
    "words by how far the score moves without them; best substitute, kept where it helps",
    "Li et al. 2016, Understanding Neural Networks through Representation Erasure",
    lambda attempt: by_importance(attempt, content_words(attempt.words), surface_words, left_out),
    (),
)

GREEDY_UNK = _recipe(
    "unk",
    "words by how far the score moves with the unknown word in their place; best substitute, kept where it helps",
    "Gao et al. 2018, Black-box Generation of Adversarial Text Sequences to Evade Deep Learning Classifiers",
    lambda attempt: by_importance(attempt, content_words(attempt.words), surface_words, replaced_by_unknown),
    (),
)

GREEDY_WEIGHTED = _recipe(
    "weighted",
    "each word's best substitute, in the order of softmax(saliency) times what it gains",
    "Ren et al. 2019, Generating Natural Language Adversarial Examples through Probability Weighted Word Saliency",
    lambda attempt: by_weighted_saliency(attempt, content_words(attempt.words), surface_words),
    (),
)

GREEDY_GRADIENT = _recipe(
    "gradient",
    "words by the L1 norm of the loss's gradient; best substitute, kept where it helps",
    "Yoo & Qi 2021, Towards Improving Adversarial Training of NLP Models",
    lambda attempt: by_importance(attempt, content_words(attempt.words), surface_words, gradient_norm),
    ("gradients",),
)
