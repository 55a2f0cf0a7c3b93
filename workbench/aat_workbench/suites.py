"""Which recipes an evaluation runs, on how many texts, and how much it looks for gradient masking."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple

import msgspec

from aat_datasets.errors import InputError, UnknownNameError
from aat_workbench.attack_request import SurfaceKind

__all__ = ["SUITES", "EvaluationRequest", "Suite", "SuiteName"]

SuiteName = Literal["quick", "standard", "full"]


class Suite(NamedTuple):
    """A fixed protocol.

    Attributes:
        recipes: in the order they run; empty: every untargeted recipe there is.
        n: texts attacked.
        sample: texts each masking check that needs attacks of its own uses; 0: those checks are left out.
        restarts: further seeds a recipe that draws at random is run with on the sample.
    """

    recipes: tuple[str, ...]
    n: int
    sample: int
    restarts: int


_NO_COMPARISON = ("exhaustive",)  # tells something only of texts with few possible edits

SUITES: dict[str, Suite] = {
    "quick": Suite(("greedy", "deepwordbug"), 200, 0, 0),
    "standard": Suite(
        ("surface", "greedy", "hotflip", "deepwordbug", "pwws", "textbugger-cf", "textfooler-cf"), 1000, 50, 1
    ),
    "full": Suite((), 1000, 100, 2),
}


class EvaluationRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What an evaluation is to do; what is None or empty is the suite's, the recipe's or the first target's own.

    ``goal`` is one of what the targets write, see evaluating_writing.py. ``fresh`` begins every attack anew; otherwise one of
    the very same settings, weights and texts is gone on with.
    """

    suite: SuiteName = "quick"
    recipes: list[str] = []
    dataset: str = ""
    split: str = ""
    n: Annotated[int, msgspec.Meta(ge=0)] | None = None
    budget: float | None = None
    queries_per_word: int | None = None
    seed: int = 0
    surface: SurfaceKind = "words"
    goal: str = ""
    fresh: bool = False

    @property
    def protocol(self) -> Suite:
        return SUITES[self.suite]

    @property
    def examples(self) -> int:
        return self.protocol.n if self.n is None else self.n

    def choose(self, known: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
        """``(recipes to run, names of the suite that are not there)`` from the known ``(name, goal)``.

        Raises UnknownNameError for a recipe that was asked for by name and is not there, InputError for one whose goal
        is not to break a classification.
        """
        goals = dict(known)
        fitting = [name for name, goal in goals.items() if goal == "untargeted"]
        for name in self.recipes:
            if name not in goals:
                raise UnknownNameError("recipe", name, goals)
            if name not in fitting:
                raise InputError(
                    f"the recipe {name} has the goal {goals[name]}: it gives no accuracy under attack",
                    f"choose among {', '.join(fitting)}",
                )
        if self.recipes:
            return list(dict.fromkeys(self.recipes)), []
        wanted = self.protocol.recipes or tuple(name for name in fitting if name not in _NO_COMPARISON)
        return [name for name in wanted if name in fitting], [name for name in wanted if name not in goals]
