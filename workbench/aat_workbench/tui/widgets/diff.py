"""Original and adversarial side by side: words that changed in brackets, the characters that differ underlined."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from aat_models.events import Edit

from .heat import Word, WordFlow, with_edit

__all__ = ["DiffView", "Side", "character_changes", "diff_words", "edit_kind"]

# Above this a word is compared as a whole: nobody reads a character diff of it, and comparing is quadratic.
LONGEST_COMPARED = 48

Ranges = tuple[tuple[int, int], ...]


def _similarity(source: str, target: str) -> float:
    from rapidfuzz.distance import OSA

    return OSA.normalized_similarity(source, target)


def character_changes(source: str, target: str) -> tuple[Ranges, Ranges]:
    """Ranges of ``source`` and of ``target`` that differ.

    Two words with little in common (a synonym) count as changed whole: a diff of them would be scattered noise.
    """
    if max(len(source), len(target)) > LONGEST_COMPARED or _similarity(source, target) < 0.5:
        return ((0, len(source)),), ((0, len(target)),)
    from rapidfuzz.distance import Levenshtein

    before: list[tuple[int, int]] = []
    after: list[tuple[int, int]] = []
    for code in Levenshtein.opcodes(source, target):
        if code.tag != "equal":
            if code.src_end > code.src_start:
                before.append((code.src_start, code.src_end))
            if code.dest_end > code.dest_start:
                after.append((code.dest_start, code.dest_end))
    return tuple(before), tuple(after)


def edit_kind(source: str, target: str) -> str:
    """What an edit did, in words: which characters of a spelling, or another word."""
    if not target:
        return "word removed"
    if not source:
        return "word added"
    if max(len(source), len(target)) > LONGEST_COMPARED:
        return "word replaced"
    from rapidfuzz.distance import OSA

    if source.lower() == target.lower():
        return "letter case"
    if OSA.distance(source, target) > 2 or _similarity(source, target) < 0.6:
        return "word replaced"
    if OSA.distance(source, target) == 2:
        return "two characters changed"
    if len(target) < len(source):
        return "character dropped"
    if len(target) > len(source):
        return "character added"
    return "characters swapped" if sorted(source) == sorted(target) else "character changed"


def diff_words(
    words: Sequence[str],
    edits: Sequence[Edit],
    before: Sequence[Word] = (),
    after: Sequence[Word] = (),
    made: Collection[int] | None = None,
) -> tuple[list[Word], list[Word]]:
    """Both sides' words, the changed ones marked with the number of their edit (from 1, in order of the edits).

    ``before`` and ``after`` bring heat and numbers; they are used where they fit the words one to one. ``made`` are the
    numbers of the edits that the right side has; by default all. The left side shows where all of them are.
    """
    left = list(before) if len(before) == len(words) else [Word(word) for word in words]
    changed = list(words)
    placed = [(number, edit) for number, edit in enumerate(edits, start=1) if 0 <= edit.position < len(words)]
    for number, edit in placed:
        if made is None or number in made:
            changed[edit.position] = edit.target
    right = list(after) if [word.text for word in after] == changed else [Word(word) for word in changed]
    for number, edit in placed:
        source, target = character_changes(words[edit.position], edit.target)
        left[edit.position] = with_edit(left[edit.position], number, source)
        if made is None or number in made:
            right[edit.position] = with_edit(right[edit.position], number, target)
    return left, right


class Side(NamedTuple):
    """A side's heading (made visible by the caller) and its words."""

    title: str
    words: list[Word]


class DiffView(Horizontal):
    """Two texts side by side, or one above the other where the widget is narrow."""

    DEFAULT_CSS = """
    DiffView { height: auto; }
    DiffView > Vertical { width: 1fr; height: auto; }
    DiffView > #after { border-left: vkey $panel-lighten-2; padding-left: 1; }
    DiffView Static { text-style: bold; color: $text-muted; height: 1; }
    DiffView.-single > #after { display: none; }
    DiffView.-stacked { layout: vertical; }
    DiffView.-stacked > Vertical { width: 100%; }
    DiffView.-stacked > #after { border-left: none; padding-left: 0; margin-top: 1; }
    """

    NARROW = 72

    def compose(self) -> ComposeResult:
        with Vertical(id="before"):
            yield Static("", markup=False, id="before-title")
            yield WordFlow(id="before-words")
        with Vertical(id="after"):
            yield Static("", markup=False, id="after-title")
            yield WordFlow(id="after-words")

    def on_resize(self) -> None:
        self.set_class(self.size.width < self.NARROW, "-stacked")

    def show(self, before: Side, after: Side) -> None:
        for name, side in (("before", before), ("after", after)):
            self.query_one(f"#{name}-title", Static).update(side.title)
            self.query_one(f"#{name}-words", WordFlow).show(side.words)
