"""What an attack is to do, as the command line and the engine's protocol say it. Nothing here imports a model."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = ["AttackRequest", "SurfaceKind"]

SurfaceKind = Literal["words", "characters", "all"]


class AttackRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What an attack is to do.

    Attributes:
        recipe: name of a recipe.
        dataset, split: where the texts come from; empty: the target's own dataset, its test split, else dev.
        n: how many texts, drawn with ``seed``; 0: all.
        budget: share of a text's words that may be edited; None: the recipe's own.
        queries_per_word: a text of n words may cost this many queries times n; None: the recipe's own.
        goal: ``untargeted`` or ``targeted:LABEL``; empty: the recipe's own.
        surface: substitutes are the lexicon's words, misspelt characters, or both.
        texts, labels: attack these instead of a dataset; a label is a number or a name; without one the aim is to
            change the prediction.
        save: keep the results in a folder; None: where they come from a dataset.
        similarity: a sentence encoder, with the cosine that a recipe which checks meaning keeps; see attack_checks.py.
        fluency: a run whose decoder judges substitutes, with the nats a text may lose; see attack_checks.py.
        resume: go on with the newest attack of the same settings.
    """

    recipe: str = "greedy"
    dataset: str = ""
    split: str = ""
    n: Annotated[int, msgspec.Meta(ge=0)] = 200
    budget: float | None = None
    queries_per_word: int | None = None
    goal: str = ""
    seed: int = 0
    surface: SurfaceKind = "words"
    texts: list[str] | None = None
    labels: list[int | str | None] | None = None
    similarity: str = ""
    fluency: str = ""
    save: bool | None = None
    resume: bool = False
