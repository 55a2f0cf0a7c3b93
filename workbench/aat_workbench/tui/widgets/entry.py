"""What forms are typed into, a line or a page: whatever is pasted into it is shown, and never obeyed."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from textual.document._document import EditResult
from textual.document._edit import Edit
from textual.widgets import Input, TextArea

from ...terminal import visible

__all__ = ["Entry", "Page"]


class Entry(Input):
    """An ``Input`` whose value holds nothing that a terminal would obey, hide or reorder: it becomes a glyph that is seen."""

    def validate_value(self, value: str) -> str:
        return visible(value)

    def replace(self, text: str, start: int, end: int) -> None:
        """Put ``text`` in place of the characters from ``start`` to before ``end``, and the cursor behind it."""
        super().replace(visible(text), start, end)


class Page(TextArea):
    """The same for several lines; a tab becomes blanks. The text it begins with is the caller's to make visible."""

    def edit(self, edit: Edit) -> EditResult:
        text = edit.text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
        edit.text = visible(text, lines=True)
        return super().edit(edit)
