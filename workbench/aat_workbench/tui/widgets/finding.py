"""The line above a table that filters it by what its rows contain."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Blur
from textual.message import Message

from .entry import Entry

__all__ = ["FindLine"]


class FindLine(Entry):
    """Filters while it is typed into; enter goes back to the table, escape drops the filter first.

    It is there only while it has the focus or filters.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "drop", "drop the filter", show=False)]
    DEFAULT_CSS = """
    FindLine { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
    FindLine:focus { border: none; background: $block-cursor-blurred-background; }
    FindLine.-there { display: block; }
    """

    class Left(Message):
        """Enter or escape: the table is to take the focus."""

    def __init__(self, placeholder: str, *, id: str) -> None:
        super().__init__(placeholder=placeholder, select_on_focus=False, id=id)

    def begin(self) -> None:
        """Come up and take the keys."""
        self.add_class("-there")
        self.focus()

    def action_drop(self) -> None:
        self.value = ""
        self.post_message(self.Left())

    async def action_submit(self) -> None:
        self.post_message(self.Left())

    def on_blur(self, event: Blur) -> None:
        self.set_class(bool(self.value.strip()), "-there")
