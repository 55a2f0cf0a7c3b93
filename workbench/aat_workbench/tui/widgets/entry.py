"""The input line that every form is made of: whatever is pasted into it is shown, and never obeyed."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from textual.widgets import Input

from ...terminal import visible

__all__ = ["Entry"]


class Entry(Input):
    """An ``Input`` whose value holds nothing that a terminal would obey, hide or reorder: it becomes a glyph that is seen."""

    def validate_value(self, value: str) -> str:
        return visible(value)

    def replace(self, text: str, start: int, end: int) -> None:
        """Put ``text`` in place of the characters from ``start`` to before ``end``, and the cursor behind it."""
        super().replace(visible(text), start, end)
