"""Lines that are typed into: whatever is pasted into one is shown, and never obeyed. ``page`` has the same for several."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Input

from ...terminal import visible

__all__ = ["LONGEST_EDITED", "Entry", "TextInput"]

LONGEST_EDITED = 4000


class Entry(Input):
    """An ``Input`` whose value holds nothing that a terminal would obey, hide or reorder: it becomes a glyph that is seen.

    Its width never follows from its value, so that a key has nothing laid out anew.
    """

    virtual_size: Reactive[Size] = Reactive(Size(0, 0))

    def validate_value(self, value: str) -> str:
        return visible(value)

    def replace(self, text: str, start: int, end: int) -> None:
        """Put ``text`` in place of the characters from ``start`` to before ``end``, and the cursor behind it."""
        super().replace(visible(text), start, end)


class TextInput(Entry):
    """An input line whose value comes from data or a paste: what is drawn is always visible text.

    ``text`` is what was put in, control characters and all, until it is edited.
    """

    def __init__(self, *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(placeholder=placeholder, id=id, compact=True, select_on_focus=False)
        self._source = ""
        self._drawn = ""

    def validate_value(self, value: str) -> str:
        return visible(value)[:LONGEST_EDITED]

    @property
    def text(self) -> str:
        return self._source if self.value == self._drawn else self.value

    def put(self, text: str) -> None:
        """Replace the text."""
        self._source = text
        self._drawn = self.validate_value(" ".join(text.splitlines()) if "\n" in text else text)
        self.value = self._drawn
        self.cursor_position = len(self._drawn)
