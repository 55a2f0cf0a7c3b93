"""``textbugger-cf``: five bugs at the most important words, without the sentence encoder.

Li, Ji, Du, Li, Wang: TextBugger: Generating Adversarial Text Against Real-world Applications, 2019, black box.
"""

from __future__ import annotations

from collections.abc import Sequence

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import content_words
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.recipes.sources import counterfitted
from aat_models.attacks.search import Search, by_importance, left_out
from aat_models.attacks.transforms import delete, lookalike, split, surface_words, swap

__all__ = ["TEXTBUGGER", "bugs"]

_NEIGHBOURS = 5


def bugs(attempt: Attempt, position: int) -> Sequence[str]:
    """A space put in, an inner character left out, two inner ones swapped, one that looks alike, and 5 neighbours."""
    rng = attempt.rng(position)
    word = attempt.words[position]
    made = [split(word, rng), delete(word, rng, margin=1), swap(word, rng, margin=1), lookalike(word, rng)]
    made += surface_words(attempt, position)[:_NEIGHBOURS]
    return list(dict.fromkeys(other for other in made if other is not None and other != word))


def search(attempt: Attempt) -> Search:
    return by_importance(attempt, content_words(attempt.words), bugs, left_out)


TEXTBUGGER = Recipe(
    name="textbugger-cf",
    goal=Untargeted(),
    transform="a space put in, an inner character dropped or swapped with the next, one that looks alike, or one of 5 "
    "neighbours in counter-fitted vectors",
    constraint="no stop words; each word is edited once",
    strategy="words by importance without them, best of the bugs, kept where it helps",
    search=search,
    paper="Li et al. 2019, TextBugger: Generating Adversarial Text Against Real-world Applications",
    differences="no sentence encoder, hence the name: nearness in counter-fitted vectors (the paper: GloVe) is the only "
    "check of meaning; words are ranked over the whole text, not sentence by sentence; a bug that does not help is left "
    "out; stop words stay; Chinese words have the four bugs, with look-alikes of their own, and no neighbours",
    spells=True,
    words=counterfitted,
    budget=1.0,
)
