"""``pruthi``: the single worst misspelling inside one word, or two.

Pruthi, Dhingra, Lipton: Combating Adversarial Misspellings with Robust Word Recognition, 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

from aat_datasets.chinese import has_han
from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import content_words
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.search import Search, best_swap
from aat_models.attacks.transforms import misspellings

__all__ = ["PRUTHI", "PRUTHI_2"]

_SHORTEST, _SHORTEST_CHINESE = 4, 2


def propose(attempt: Attempt, position: int) -> Sequence[str]:
    """All misspellings inside a word of four characters or more; of a Chinese word of two or more."""
    word = attempt.words[position]
    shortest = _SHORTEST_CHINESE if has_han(word) else _SHORTEST
    return misspellings(word, attempt.rng(position)) if len(word) >= shortest else ()


def search(attempt: Attempt) -> Search:
    editable = [int(i) for i in content_words(attempt.words).nonzero()[0]]
    return best_swap(attempt, attempt.proposals(editable, propose))


def _recipe(name: str, edits: int) -> Recipe:
    return Recipe(
        name=name,
        goal=Untargeted(),
        transform="inside a word: neighbours swapped, a character dropped, hit on the next key, or a letter put in",
        constraint=f"at most {edits} word{'s' * (edits > 1)}, each of four characters or more; first and last character "
        "stay; no stop words",
        strategy="the best of all misspellings of all words" + ", twice" * (edits == 2),
        search=search,
        paper="Pruthi et al. 2019, Combating Adversarial Misspellings with Robust Word Recognition",
        differences="at each place one random letter is put in, not each of the alphabet; stop words stay; in "
        "Chinese words of two characters or more, any two are swapped, any is typed twice or replaced by one of the same sound",
        budget=1.0,
        most_edits=edits,
        queries_per_word=200,
    )


PRUTHI = _recipe("pruthi", 1)
PRUTHI_2 = _recipe("pruthi-2", 2)
