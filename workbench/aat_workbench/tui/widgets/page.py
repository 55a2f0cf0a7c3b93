"""Several lines that are typed into: whatever is pasted is shown, and never obeyed."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from textual.document._document import EditResult
from textual.document._edit import Edit
from textual.widgets import TextArea

from ...terminal import visible

__all__ = ["Page"]


class Page(TextArea):
    """A ``TextArea`` like ``Entry``; a tab becomes blanks. The text it begins with is the caller's to make visible."""

    def edit(self, edit: Edit) -> EditResult:
        text = edit.text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
        edit.text = visible(text, lines=True)
        return super().edit(edit)
