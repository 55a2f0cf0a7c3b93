"""A text with the turns before it as one sequence of words, for models that read it into a fixed-length vector."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["TURN", "joined"]

TURN = "[TURN]"
"""The word after each turn that came before."""


def joined(before: Sequence[str], text: str, most: int) -> str:
    """Turns and a text, words between single blanks; the oldest turns are left out where all have over ``most`` words."""
    parts = [text]
    room = most - len(text.split())
    for turn in reversed(before):
        room -= len(turn.split()) + 1
        if room < 0:
            break
        parts += [TURN, turn]
    return " ".join(part for part in reversed(parts) if part)
