"""``surface``: the primary metric: robust is only what every member fails on.

Worst of white-box greedy with restarts, exact greedy, beam and genetic, on the closed surface. Where the surface and
the cap allow at most 4,096 texts, all of them are asked instead: there the answer is exact.
"""

from __future__ import annotations

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.genetic import genetic
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes import greedy
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.search import Search, worst_of
from aat_models.attacks.space_search import beam, exhaustive, flips
from aat_models.attacks.spaces import Space

__all__ = ["EXACT", "SURFACE"]

EXACT = 4096
"""Spaces of so many texts are searched exhaustively."""


def white_box_greedy(attempt: Attempt) -> Search:
    return flips(attempt, width=1, top=8, restarts=4)


def search(attempt: Attempt) -> Search:
    """The members in the order of their cost: a text broken cheaply costs little."""
    members = [("white box", white_box_greedy)] if attempt.white_box else []
    members.append(("greedy", greedy.search))
    if Space(attempt).size() <= EXACT:
        members.append(("exhaustive", exhaustive))
    else:
        members += [("beam", beam), ("genetic", genetic)]
    yield from worst_of(attempt, members)


SURFACE = Recipe(
    name="surface",
    goal=Untargeted(),
    transform="a substitute of the surface: synonyms, character variants, or both",
    constraint="each word is edited once; at most the budgeted share of the words, rounded up",
    strategy="worst of white-box greedy with 4 restarts, exact greedy, beam and genetic; all texts where they are ≤ 4,096",
    search=search,
    paper="the primary metric of this workbench",
    needs=("surface",),
    wants=("gradients",),
    queries_per_word=2000,
)
