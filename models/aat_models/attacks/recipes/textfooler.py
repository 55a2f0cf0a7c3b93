"""``textfooler``: nearest words at the most important places; ``textfooler-cf`` is the same without a sentence encoder.

Jin, Jin, Zhou, Szolovits: Is BERT Really Robust? A Strong Baseline for Natural Language Attack on Text Classification and
Entailment, 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import SamePart, SentenceSimilarity, content_words, where
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.recipes.sources import counterfitted
from aat_models.attacks.search import Ranking, Search, by_importance, first_best
from aat_models.attacks.transforms import Propose, surface_words
from aat_models.attacks.victim import FloatArray, IntArray

__all__ = ["LEAST_COSINE", "TEXTFOOLER", "TEXTFOOLER_CF", "choose", "importance"]

LEAST_COSINE = round(math.cos(0.5), 4)
"""0.8776: the authors' program keeps the angle between two vectors within 0.5 (TextAttack: 1 − 0.5 / π = 0.8408)."""


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
    return by_importance(attempt, content_words(attempt.words), _neighbours(attempt), importance, choose)


def search_near(attempt: Attempt) -> Search:
    """The same with neighbours in the order of the text's similarity, those that change its meaning left out."""
    encoder = attempt.checks.encoder
    assert encoder is not None, "the recipe names it among its needs"
    least = LEAST_COSINE if encoder.least is None else encoder.least
    similar = SentenceSimilarity(encoder, least, short=encoder.least is not None)
    neighbours = _neighbours(attempt)

    def nearest(attempt: Attempt, position: int) -> Sequence[str]:
        return similar.nearest(attempt.words, position, neighbours(attempt, position))

    return by_importance(attempt, content_words(attempt.words), nearest, importance, choose)


def _neighbours(attempt: Attempt) -> Propose:
    same = SamePart(attempt.tagger, verbs_for_nouns=True) if attempt.tagger is not None else None
    return where(surface_words, same)


TEXTFOOLER = Recipe(
    name="textfooler",
    goal=Untargeted(),
    transform="a neighbour in counter-fitted vectors",
    constraint="same part of speech, nouns and verbs counted as one; no stop words; each word is edited once; the 15 "
    f"words around an edit keep a cosine of {LEAST_COSINE} with what they were, in texts of 15 words or more",
    strategy="words by importance without them; a candidate that succeeds, nearest in meaning first, else the strongest",
    search=search_near,
    paper="Jin et al. 2020, Is BERT Really Robust? (TextFooler)",
    differences="the encoder is the one given, where the paper has the Universal Sentence Encoder; a cosine that is asked "
    "for is kept to in short texts too; meaning is checked before the victim is asked, not after; 8 candidates a word "
    "(table of Jia et al. 2019) where the paper has 50; parts of speech by NLTK, not checked where its data is not there",
    needs=("sentence encoder",),
    wants=("parts of speech",),
    words=counterfitted,
    budget=1.0,
)

TEXTFOOLER_CF = Recipe(
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
