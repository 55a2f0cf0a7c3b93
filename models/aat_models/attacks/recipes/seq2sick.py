"""``seq2sick``: word substitutions against a model that writes, up to an output with no word where it stood.

Cheng, Yi, Chen, Zhang, Hsieh: Seq2Sick: Evaluating the Robustness of Sequence-to-Sequence Models with Adversarial Examples, 2020.
"""

from __future__ import annotations

from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.recipes.greedy import search

__all__ = ["SEQ2SICK"]

SEQ2SICK = Recipe(
    name="seq2sick",
    goal=Untargeted(),
    writing="non-overlapping",
    transform="a substitute of the surface: synonyms, character variants, or both",
    constraint="each word is edited once; at most the budgeted share of the words, rounded up",
    strategy="exact greedy on the hinge loss of the decoder's logits: the best of all single substitutions, each round",
    search=search,
    paper="Cheng et al. 2020, Seq2Sick: Evaluating the Robustness of Sequence-to-Sequence Models with Adversarial Examples",
    differences="words come from the attack's surface and are searched greedily, where the paper projects a gradient, with a "
    "group lasso, on all words of the vocabulary; its goals and losses are kept: non-overlapping, and keywords:WORD",
    needs=("surface", "decoder"),
)
