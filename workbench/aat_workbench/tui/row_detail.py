"""A dataset's row in full: label, text, target, what each preprocessing step changes, ids, and what may replace a word."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from rich.text import Text

from aat_datasets.chinese import has_han
from aat_datasets.records import Row

from ..terminal import shortened, visible
from .row_words import Numbers, StepEffect, Substitutes
from .themes import plain
from .widgets.painted import clip

__all__ = ["detail_of", "row_detail"]

COMPARED = 300  # words of a step's text whose changes are marked
LISTED = 40  # words whose substitutes are listed
NUMBERED = 120  # words whose ids are shown
SHOWN = 3_000  # characters of a text that are shown
SUBSTITUTES = 4  # of a word


def row_detail(
    row: Row,
    effects: Sequence[StepEffect],
    colours: dict[str, str],
    substitutes: Substitutes | None = None,
    numbers: Numbers | None = None,
) -> Text:
    """The detail as text; ``colours`` are the theme's variables. All but the row may come later."""
    muted, faint, accent = (plain(colours, name) for name in ("muted", "faint", "accent"))
    foreground = plain(colours, "foreground")
    text = Text()
    if row.label is not None:
        text.append(shortened(row.label, 200), f"bold {plain(colours, 'primary')}")
        text.append("\n")
    text.append(detail_of(row) + "\n\n", muted)
    text.append(_cut(row.text) + "\n", foreground)
    if row.target is not None:
        text.append("\ntarget\n", muted)
        text.append(_cut(row.target) + "\n", plain(colours, "success"))
    if not effects:
        return text
    text.append("\npreprocessing\n", muted)
    before = row.text
    for effect in effects:
        text.append(f"{effect.step}", muted if effect.changed else faint)
        if not effect.changed:
            text.append("  no change\n", faint)
        else:
            text.append("\n  ")
            _append_changes(text, before, effect.text, foreground, accent)
            text.append("\n")
        before = effect.text
    words = effects[-1].text.split()
    text.append(f"→ {len(words)} word{'' if len(words) == 1 else 's'} for the model", muted)
    distinct = len(set(words))
    text.append(f", {distinct} different\n" if distinct < len(words) else "\n", muted)
    if numbers is not None:
        _append_numbers(text, numbers, colours)
    if substitutes is not None:
        _append_substitutes(text, substitutes, distinct, colours)
    return text


def _append_numbers(text: Text, numbers: Numbers, colours: dict[str, str]) -> None:
    """Every word with its id; one that the vocabulary has not got has none."""
    muted, faint, foreground = (plain(colours, name) for name in ("muted", "faint", "foreground"))
    unknown = sum(number is None for _, number in numbers.words)
    text.append(f"\ntokens · ids · {shortened(numbers.source, 200)}", muted)
    text.append(f" · {unknown} unknown\n" if unknown else "\n", plain(colours, "warning"))
    for word, number in numbers.words[:NUMBERED]:
        text.append(clip(word, 24), foreground)
        text.append(
            " unknown " if number is None else f" {number}  ", plain(colours, "warning") if number is None else faint
        )
    more = len(numbers.words) - NUMBERED
    text.append(f"… {more} more\n" if more > 0 else "\n", muted)


def _append_substitutes(text: Text, found: Substitutes, distinct: int, colours: dict[str, str]) -> None:
    """A line for every word that can be replaced, by synonyms or by misspellings of itself."""
    muted, accent = plain(colours, "muted"), plain(colours, "accent")
    text.append(f"\nsubstitutes · {len(found.words)} of {distinct} words · {shortened(found.source, 200)}, ", muted)
    text.append("misspelt\n", accent)
    for word, (synonyms, variants) in list(found.words.items())[:LISTED]:
        text.append(f"{clip(word, 24)} ", plain(colours, "foreground"))
        shown = synonyms[:SUBSTITUTES]
        text.append(", ".join(clip(other, 24) for other in shown), plain(colours, "primary"))
        text.append(f" +{len(synonyms) - len(shown)}" if len(synonyms) > len(shown) else "", muted)
        text.append(" · " if synonyms and variants else "", muted)
        text.append(", ".join(clip(other, 24) for other in variants) + "\n", accent)
    if len(found.words) > LISTED:
        text.append(f"… {len(found.words) - LISTED} words more\n", muted)


def _append_changes(text: Text, before: str, after: str, plain: str, accent: str) -> None:
    """The words after a step, those it made or changed in ``accent`` and underlined."""
    old, new = before[: SHOWN * 2].split(), after[:SHOWN].split()
    if max(len(old), len(new)) > COMPARED or max(map(len, old + new), default=0) > 200:
        text.append(_cut(after), plain)
        return
    pieces: list[tuple[str, str]] = []
    for kind, _, _, start, stop in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        style = plain if kind == "equal" else f"{accent} underline"
        pieces.extend((visible(word), style) for word in new[start:stop])
    for place, (word, style) in enumerate(pieces):
        if place:
            text.append(" ")
        text.append(word, style)
    if len(after) > SHOWN:
        text.append(f" … {len(after) - SHOWN} characters more")


def detail_of(row: Row) -> str:
    """One line about a row: its words and characters, of Chinese the characters alone."""
    words, characters = len(row.text.split()), len(row.text)
    if has_han(row.text):
        return f"{characters} characters"
    return f"{words} word{'' if words == 1 else 's'} · {characters} characters"


def _cut(text: str) -> str:
    shown = visible(text[:SHOWN], lines=True)
    return shown if len(text) <= SHOWN else f"{shown} … {len(text) - SHOWN} characters more"
