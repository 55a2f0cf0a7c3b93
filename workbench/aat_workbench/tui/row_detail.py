"""A dataset's row in full: label, text, target, and what each preprocessing step changes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from rich.text import Text

from aat_datasets.records import Row

from ..terminal import visible
from .dataset_view import SHOWN, StepEffect, Substitutes, detail_of
from .themes import plain
from .widgets.painted import clip

__all__ = ["row_detail"]

COMPARED = 300  # words of a step's text whose changes are marked
LISTED = 40  # words whose substitutes are listed
SUBSTITUTES = 4  # of a word


def row_detail(
    row: Row, effects: Sequence[StepEffect], colours: dict[str, str], substitutes: Substitutes | None = None
) -> Text:
    """The detail as text; ``colours`` are the theme's variables, ``effects`` and ``substitutes`` may come later."""
    muted, faint, accent = (plain(colours, name) for name in ("muted", "faint", "accent"))
    foreground = plain(colours, "foreground")
    text = Text()
    if row.label is not None:
        text.append(visible(row.label), f"bold {plain(colours, 'primary')}")
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
    if substitutes is not None:
        _append_substitutes(text, substitutes, distinct, colours)
    return text


def _append_substitutes(text: Text, found: Substitutes, distinct: int, colours: dict[str, str]) -> None:
    """A line for every word that has synonyms: the words an attack or an adversary may put in its place."""
    muted = plain(colours, "muted")
    text.append(f"\nsubstitutes · {len(found.words)} of {distinct} words · {visible(found.source)}\n", muted)
    for word, others in list(found.words.items())[:LISTED]:
        text.append(f"{clip(word, 24)} ", plain(colours, "foreground"))
        shown = others[:SUBSTITUTES]
        text.append(", ".join(clip(other, 24) for other in shown), plain(colours, "primary"))
        text.append(f" +{len(others) - len(shown)}\n" if len(others) > len(shown) else "\n", muted)
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


def _cut(text: str) -> str:
    shown = visible(text[:SHOWN], lines=True)
    return shown if len(text) <= SHOWN else f"{shown} … {len(text) - SHOWN} characters more"
