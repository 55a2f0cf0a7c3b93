"""A result with some of its edits only: after the first ones, or without one of them."""

from __future__ import annotations

from typing import Literal, NamedTuple

from aat_models.events import AttackResult

from .heat import superscript
from .painted import clip

__all__ = ["Variation", "applied", "named", "stepped", "undone", "varied_text"]


class Variation(NamedTuple):
    """``after`` edit number ``edit`` (0: before any), or with all edits but that one (``without``)."""

    kind: Literal["after", "without"]
    edit: int


def stepped(result: AttackResult, now: Variation | None, by: int) -> Variation | None:
    """One edit on or back; ``None`` is the whole attack. Where an edit is left out, the next one is left out."""
    last = len(result.edits)
    if now is not None and now.kind == "without":
        return Variation("without", min(max(now.edit + by, 1), last))
    place = min(max((last if now is None else now.edit) + by, 0), last)
    return None if place == last else Variation("after", place)


def undone(result: AttackResult, now: Variation | None) -> Variation | None:
    """Leave out the edit the step stands on (at the end: the last one), or put it back."""
    if not result.edits:
        return None
    if now is not None and now.kind == "without":
        return None if now.edit == len(result.edits) else Variation("after", now.edit)
    return Variation("without", max(1, len(result.edits) if now is None else now.edit))


def applied(result: AttackResult, variation: Variation | None) -> frozenset[int]:
    """The numbers of the edits (from 1) that are made."""
    every = range(1, len(result.edits) + 1)
    if variation is None:
        return frozenset(every)
    if variation.kind == "after":
        return frozenset(range(1, variation.edit + 1))
    return frozenset(every) - {variation.edit}


def varied_text(result: AttackResult, variation: Variation | None) -> str:
    """The text with those edits."""
    if variation is None:
        return result.adversarial
    words = result.text.split(" ")
    made = applied(result, variation)
    for number, edit in enumerate(result.edits, start=1):
        if number in made and edit.position < len(words):
            words[edit.position] = edit.target
    return " ".join(word for word in words if word)


def named(result: AttackResult, variation: Variation) -> str:
    """``after 2 of 3 edits``, ``without edit ² dull → muted``."""
    if variation.kind == "after":
        return f"after {variation.edit} of {len(result.edits)} edits" if variation.edit else "before any edit"
    edit = result.edits[variation.edit - 1]
    return f"without edit {superscript(variation.edit)} {clip(edit.source, 24)} → {clip(edit.target, 24) or '∅'}"
