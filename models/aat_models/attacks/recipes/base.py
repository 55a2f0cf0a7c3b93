"""What a recipe declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aat_models.attacks.attempt import Attempt
from aat_models.attacks.goals import Aim
from aat_models.attacks.search import Search
from aat_models.attacks.transforms import Surface

__all__ = ["Recipe"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An attack in the field's four words, with its source.

    Attributes:
        goal: what it wants of a model that classifies; the other three words are text for people, ``search`` is the code
            that does it all.
        differences: what is not as in ``paper``; empty where nothing is.
        writing: what it wants of a model that writes, see ``aat_models.writing_goals``.
        needs: capabilities beyond a victim's scores it cannot do without: ``surface``, ``gradients``,
            ``sentence encoder``, ``decoder``.
        wants: those it uses where they are there, with a warning where not: ``gradients``, ``parts of speech``.
        words: opens substitutes of the recipe's own, which then stand in for the surface; raises DataError.
        spells: it edits characters too, so that it works where ``words`` knows no substitute.
        budget: the share of a text's words it may edit unless told otherwise; 1 is no cap.
        least_edits: a text may have this many edits even where ``budget`` allows fewer; not where one is asked for.
        most_edits: a text may never have more.
        queries_per_word: what a text may cost unless told otherwise.

    Names: a recipe that leaves out a published *check of its results* goes by another name than the paper's, since it
    finds what the paper's would not. ``-cf`` says that nearness in counter-fitted vectors is the only check of
    meaning: the sentence encoder is left out. What only weakens an attack (fewer candidates) is in ``differences``.
    """

    name: str
    goal: Aim
    transform: str
    constraint: str
    strategy: str
    search: Callable[[Attempt], Search]
    paper: str
    differences: str = ""
    writing: str = "meaning"
    needs: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    words: Callable[[], Surface] | None = None
    spells: bool = False
    budget: float = 0.3
    least_edits: int = 1
    most_edits: int | None = None
    queries_per_word: int = 50
