"""``input-reduction``: words are left out one by one while the prediction stays.

Feng, Wallace, Grissom, Iyyer, Rodriguez, Boyd-Graber: Pathologies of Neural Models Make Interpretations Difficult, 2018.
"""

from __future__ import annotations

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.goals import InputReduction
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.search import Search, first_best

__all__ = ["INPUT_REDUCTION"]


def search(attempt: Attempt) -> Search:
    """Each round leaves out the word without which the model is surest of the same class; ends where none may go."""
    while not attempt.reached and attempt.room > 0:
        left = [position for position, word in enumerate(attempt.words) if word]
        probabilities = yield attempt.without(left)
        same = probabilities.argmax(axis=1) == attempt.label
        if not same.any():
            return
        scores = attempt.scores(probabilities)
        scores[~same] = -1.0
        best = first_best(scores)
        attempt.change({left[best]: ""}, probabilities[best])


INPUT_REDUCTION = Recipe(
    name="input-reduction",
    goal=InputReduction(),
    transform="a word left out",
    constraint="the predicted class stays the true one",
    strategy="the least important word first, importance asked afresh each round; success is a text of one word",
    search=search,
    paper="Feng et al. 2018, Pathologies of Neural Models Make Interpretations Difficult",
    differences="importance is the victim's own answer without the word, where the paper has a first-order estimate of it "
    "and a beam of 5",
    budget=1.0,
    queries_per_word=200,
)
