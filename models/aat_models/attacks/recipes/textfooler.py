"""``textfooler-cf``: TextFooler without its sentence encoder.

Jin, Jin, Zhou, Szolovits: Is BERT Really Robust? A Strong Baseline for Natural Language Attack on Text Classification and
Entailment, 2020.
"""

from __future__ import annotations

import numpy as np

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import SamePart, content_words, where
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.recipes.sources import counterfitted
from aat_models.attacks.search import Ranking, Search, by_importance, first_best
from aat_models.attacks.transforms import surface_words
from aat_models.attacks.victim import FloatArray, IntArray

__all__ = ["TEXTFOOLER", "choose", "importance"]


def importance(attempt: Attempt, positions: IntArray) -> Ranking:
    """How far p(true class) falls without the word, and, where another class wins then, how far that one rises."""
    probabilities = yield attempt.without(positions)
    before = attempt.probabilities
    winners = probabilities.argmax(axis=1)
    rises = probabilities[np.arange(len(winners)), winners] - before[winners]
    return attempt.scores(probabilities) - attempt.score + np.where(winners != attempt.label, rises, 0.0)


def choose(attempt: Attempt, probabilities: FloatArray) -> int:
    """Of the candidates that reach the goal the nearest in meaning, which is the first; else the strongest."""
    there = np.flatnonzero(attempt.arrived(probabilities))
    return int(there[0]) if len(there) else first_best(attempt.scores(probabilities))


def search(attempt: Attempt) -> Search:
    same = SamePart(attempt.tagger, verbs_for_nouns=True) if attempt.tagger is not None else None
    editable = content_words(attempt.words)
    return by_importance(attempt, editable, where(surface_words, same), importance, choose)


TEXTFOOLER = Recipe(
    name="textfooler-cf",
    goal=Untargeted(),
    transform="a neighbour in counter-fitted vectors",
    constraint="same part of speech, nouns and verbs counted as one; no stop words; each word is edited once",
    strategy="words by importance without them; a candidate that succeeds, nearest first, else the strongest",
    search=search,
    paper="Jin et al. 2020, Is BERT Really Robust? (TextFooler)",
    differences="no sentence encoder, hence the name: nearness in counter-fitted vectors is the only check of meaning; "
    "8 candidates a word (table of Jia et al. 2019) where the paper has 50; parts of speech by NLTK, not checked where its "
    "data is not there",
    wants=("parts of speech",),
    words=counterfitted,
    budget=1.0,
)
