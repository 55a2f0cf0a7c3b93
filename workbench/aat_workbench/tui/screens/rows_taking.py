"""What a user does with rows and datasets beyond looking: go to one, save them as a view, add a file, download."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from aat_datasets.errors import AatError
from aat_datasets.records import DatasetInfo
from aat_datasets.selection import Selection

from ..data_job import DataJob
from ..dataset_rows import grouped
from ..dataset_view import Reader, Rows
from ..overlays import Ask, Confirm
from ..pane import Pane
from ..widgets.table import VirtualTable
from .dataset_jobs import JobLine

if TYPE_CHECKING:
    from textual.widget import Widget

__all__ = ["RowsTaking", "may_download"]


class RowsTaking:
    """Asks and does, for the pane that owns it; the coroutines are its workers."""

    def __init__(self, owner: Pane, reader: Reader) -> None:
        self._owner = owner
        self._reader = reader

    def _complain(self, error: AatError) -> None:
        self._owner.workbench.say(error.message, error.hint, severity="error")

    async def jump(self, rows: Rows) -> bool:
        """Ask for a row's number and put the cursor there; whether it went."""
        if not rows.total:
            return False
        last = rows.scan.table.total - 1

        def check(text: str) -> str:
            number = text.replace(" ", "")
            fits = number.isdecimal() and int(number[:18]) <= last
            return "" if fits else f"expected a number from 0 to {grouped(last)}"

        hint = f"0 to {grouped(last)}; a row that is filtered out: the next one"
        typed = await self._owner.app.push_screen_wait(Ask("Go to which row?", hint, check=check))
        if not typed:
            return False
        try:
            place = await self._reader.place(rows, int(typed.replace(" ", "")))
        except AatError as error:
            self._complain(error)
            return False
        self._owner.query_one("#rows", VirtualTable).cursor = place
        return True

    async def overlap(self) -> dict[str, int] | None:
        """The overlap of the dataset's splits; None where it cannot be told."""
        try:
            return await self._reader.overlap()
        except AatError as error:
            self._complain(error)
            return None

    async def save_view(self, selection: Selection, rows: Rows, taken: Collection[str]) -> str:
        """Ask for a name and save the selected rows; the name, or nothing where that was not wanted, or not possible."""
        from ..view_form import ViewForm

        dataset = self._reader.dataset
        assert dataset is not None
        of = dataset.name
        free = next(name for number in range(1, 10_000) if (name := f"{of[:56]}-{number}") not in taken)
        total = rows.scan.total if rows.scan.complete else None
        form = ViewForm(of, self._reader.split, list(dataset.splits), selection.describe(), total, free)
        wanted = await self._owner.app.push_screen_wait(form)
        if wanted is None:
            return ""
        job = DataJob("view", wanted.name, of=of, selection=msgspec.to_builtins(selection), only=wanted.only)
        try:
            await self._owner.query_one(JobLine).run(job)
        except AatError as error:
            self._complain(error)
            return ""
        return wanted.name

    async def add(self, taken: set[str]) -> str | None:
        """Ask for a file and add it; the name of the dataset."""
        from ..adding_form import AddingForm

        return await self._owner.app.push_screen_wait(AddingForm(taken))


async def may_download(owner: Widget, info: DatasetInfo) -> bool:
    """Ask whether a dataset may be fetched, naming the addresses."""
    from aat_datasets import catalog

    card = catalog.card(info.name)
    files = next((source.files for source in card.sources if source.files and all(f.url for f in source.files)), [])
    size = sum(file.size for file in files)
    told = f", {size / 1e6:.1f} MB" if size else ""
    where = "\n".join(file.url for file in files[:4]) + ("\n…" if len(files) > 4 else "")
    return bool(await owner.app.push_screen_wait(Confirm(f"Download {info.name}{told}?", where)))
