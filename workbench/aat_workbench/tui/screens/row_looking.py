"""The row under the cursor, in full: what is quick at once, the rest as it comes."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from aat_datasets.errors import AatError
from aat_datasets.records import Row

from ...terminal import visible
from ..dataset_view import Reader

if TYPE_CHECKING:
    from aat_datasets.tables import Glimpse

__all__ = ["RowLooking"]

REST = 0.05  # seconds on a row before more than its place is looked at: paging past it costs nothing


class RowLooking:
    """Shows rows in the ``#detail`` of the widget that owns it."""

    def __init__(self, owner: Widget, reader: Reader) -> None:
        self._owner = owner
        self._reader = reader
        self.row: Row | None = None  # the last that was shown in full

    def look(self, glimpse: Glimpse) -> None:
        # A function, not a coroutine: one that is replaced before it began would be called forgotten.
        self._owner.run_worker(partial(self._look, glimpse), group="detail", exclusive=True)

    async def _look(self, glimpse: Glimpse) -> None:
        from ..row_detail import row_detail  # the first paint does not wait for it

        await asyncio.sleep(REST)
        detail = self._owner.query_one("#detail", Static)
        box = self._owner.query_one("#detail-box", VerticalScroll)
        variables = self._owner.app.theme_variables
        words = self._reader.words
        try:
            row = await self._reader.full(glimpse)
            if row is None:
                return
            self.row = row
            detail.update(row_detail(row, [], variables))
            box.border_title = Content(f"Row {row.row}")
            box.scroll_home(animate=False)
            effects = await words.effects(row.text)
            detail.update(row_detail(row, effects, variables))
            text = effects[-1].text if effects else row.text
            substitutes = await words.substitutes(text)
            detail.update(row_detail(row, effects, variables, substitutes))
            numbers = await words.numbers(text)
            detail.update(row_detail(row, effects, variables, substitutes, numbers))
        except AatError as error:
            box.border_subtitle = Content(visible(error.message))
