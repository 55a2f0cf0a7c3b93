"""What the Datasets pane reads, off the screen's thread: windows of rows in one thread, searches and counts in another.

Imports the readers (and with them DuckDB and NLTK) when the first dataset is opened, not before.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from aat_datasets.records import DatasetInfo, Row
from aat_datasets.selection import Selection, Unit, unit_of

from .data_job import DataJob
from .row_words import RowWords

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset
    from aat_datasets.ordering import Ordering
    from aat_datasets.scanning import Scan
    from aat_datasets.tables import Glimpse, Table

__all__ = ["Chosen", "Reader", "Rows"]

T = TypeVar("T")

CUT = 600  # characters of a text that a window of rows brings
CHUNK = 1_000  # rows read at once where they lie side by side: that costs as much as reading a hundred
CHUNKS = 8
STEP = 0.08  # seconds a search goes on between two looks at what it found
FIRST_PAGE = 0.4  # seconds that the first page of a split has to itself
SCREENFUL = 50  # matches that are shown as soon as they are there
SORTED_HERE = 200_000  # rows of a split that are sorted in this process; larger ones in one of their own


class Chosen(msgspec.Struct, frozen=True):
    """Which rows, in which order: ``row``, ``label``, ``size``, ``text``, with ``-`` before it from the last."""

    selection: Selection = Selection()
    order: str = "row"


class Rows:
    """What a table of rows shows: those a search has found so far, perhaps in another order."""

    def __init__(self, scan: Scan, table: Table, order: Ordering | None = None) -> None:
        self.scan = scan
        self.order = order
        self._table = table
        self._chunks: OrderedDict[int, list[Glimpse]] = OrderedDict()

    @property
    def total(self) -> int:
        return self.order.total if self.order is not None else self.scan.total

    def window(self, start: int, stop: int) -> list[Glimpse]:
        """The rows at the places ``start`` to ``stop`` (excluded). Blocks; raises DataError."""
        unit = self.scan.selection.unit
        if self.order is not None:
            return self._table.glimpses(self.order.rows(start, stop), CUT, unit)
        if self.scan.selection.any:
            if self.at_hand(start, stop):
                return self.scan.first[start:stop]
            return self._table.glimpses(self.scan.rows(start, stop, self._table), CUT, unit)
        found: list[Glimpse] = []
        for chunk in range(start // CHUNK, -(-stop // CHUNK)):
            first = chunk * CHUNK
            found += self._chunk(chunk, unit)[max(start - first, 0) : stop - first]
        return found

    def at_hand(self, start: int, stop: int) -> bool:
        """Whether ``window`` need not look: the search brought these rows with it."""
        return self.order is None and self.scan.selection.any and min(stop, self.total) <= len(self.scan.first)

    def _chunk(self, number: int, unit: Unit) -> list[Glimpse]:
        if number not in self._chunks:
            rows = range(number * CHUNK, min((number + 1) * CHUNK, self.scan.total))
            self._chunks[number] = self._table.glimpses(rows, CUT, unit)
            while len(self._chunks) > CHUNKS:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(number)
        return self._chunks[number]

    def place(self, row: int) -> int:
        """Where the row of that number stands, or where it would; with another order, 0 where it is not there."""
        if self.order is not None:
            return self.order.place(row) or 0
        return self.scan.place(row, self._table)

    def close(self) -> None:
        if self.order is not None:
            self.order.close()


class Reader:
    """Everything slow; the coroutines may be called from the app's loop only."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rows")
        # What may take seconds has a thread and a connection of its own: it holds up no row.
        self._searches = ThreadPoolExecutor(max_workers=1, thread_name_prefix="search")
        self._searched: Table | None = None
        self._scan: Scan | None = None
        self._orders: Path | None = None  # the folder of sorted orders
        self._made = 0
        self.words = RowWords(self._run)
        self.dataset: Dataset | None = None
        self.split = ""

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def _search(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._searches, work)

    async def close(self) -> None:
        """Let what runs end by itself; nothing waits for it but processes."""
        self._scan = None
        if self._searched is not None:
            self._searched.interrupt()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._searches.shutdown(wait=False, cancel_futures=True)
        if self._orders is not None:
            with contextlib.suppress(OSError):
                for path in self._orders.iterdir():
                    path.unlink()
                self._orders.rmdir()
        await self.words.close()

    async def listing(self) -> list[DatasetInfo]:
        def work() -> list[DatasetInfo]:
            from aat_datasets import catalog

            return catalog.listing()

        return await self._run(work)

    async def open(self, name: str) -> Dataset:
        """Show a dataset whose Parquet is there. Raises as ``catalog.open_dataset``."""

        def work() -> Dataset:
            from aat_datasets import catalog

            return catalog.open_dataset(name)

        self.dataset = await self._run(work)
        self.words.dataset = self.dataset
        self.choose_split(next(iter(self.dataset.splits), ""))
        return self.dataset

    def choose_split(self, split: str) -> None:
        self.split = split
        self._searched = None

    @property
    def unit(self) -> Unit:
        """What the dataset's texts are measured in."""
        return unit_of(self.dataset.info.language) if self.dataset is not None else "words"

    def _table(self) -> Table:
        assert self.dataset is not None
        return self.dataset.table(self.split)

    # Searches

    async def search(self, selection: Selection) -> AsyncIterator[Rows]:
        """The rows of a selection, yielded again and again while more are found; a later search ends this one.

        Raises as ``Scan``.
        """
        from aat_datasets.scanning import Scan, keep, recall

        if self._searched is not None:
            self._searched.interrupt()
        assert self.dataset is not None
        table = self._searched = self._searched or self._table().beside()
        kept = self.dataset.folder / f"counts-{self.split}-{selection.unit}.json"
        scan = self._scan = await self._search(lambda: Scan(table, selection))
        rows = Rows(scan, self._table())
        if not selection.any:
            await self._search(lambda: recall(scan, kept))
            yield rows
            await asyncio.sleep(FIRST_PAGE)
            if self._scan is scan:
                await self._search(table.groups)  # the file's footer is read then: a search begins at once
        while self._scan is scan and not scan.complete:
            await self._search(lambda: scan.advance_for(STEP, SCREENFUL))
            if self._scan is scan:
                yield rows
        if self._scan is scan and not selection.any:
            await self._search(lambda: keep(scan, kept))

    async def sorted(self, rows: Rows, chosen: Chosen, run: Callable[[DataJob], Awaitable[Any]]) -> Rows:
        """The same rows in the order asked for. Raises DataError.

        Args:
            run: does a job: a large split is sorted by a process of its own.
        """
        from aat_datasets.ordering import Ordering, write_order

        table, path = self._table(), self._order_path()
        if table.total > SORTED_HERE:
            total = (await run(self._sorting(chosen, path)))["total"]
        else:
            total = await self._search(lambda: write_order(table, chosen.selection, _order(chosen), path))
        return Rows(rows.scan, table, Ordering(path, total))

    def _sorting(self, chosen: Chosen, path: Path) -> DataJob:
        assert self.dataset is not None
        return DataJob(
            "order",
            self.dataset.name,
            split=self.split,
            selection=msgspec.to_builtins(chosen.selection),
            order=_order(chosen),
            path=str(path),
        )

    def _order_path(self) -> Path:
        if self._orders is None:
            self._orders = Path(tempfile.mkdtemp(prefix="aat-orders-"))
        self._made += 1
        return self._orders / f"{self._made}.parquet"

    async def window(self, rows: Rows, start: int, stop: int) -> list[Glimpse]:
        if rows.at_hand(start, stop):
            return rows.window(start, stop)
        return await self._run(lambda: rows.window(start, stop))

    async def place(self, rows: Rows, row: int) -> int:
        return await self._run(lambda: rows.place(row))

    async def full(self, glimpse: Glimpse) -> Row | None:
        """A row with all of its text and its target."""
        table = self._table()
        return await self._run(lambda: table.row(glimpse.row))

    async def overlap(self) -> dict[str, int]:
        """``test in train`` → rows of test whose text is also in train."""
        from aat_datasets.overlap import overlap

        dataset = self.dataset
        assert dataset is not None
        return await self._search(lambda: overlap(dataset))


def _order(chosen: Chosen) -> str:
    """The table's word for an order: lengths are sorted by what they are shown in."""
    return chosen.order.replace("size", "words" if chosen.selection.unit == "words" else "length")
