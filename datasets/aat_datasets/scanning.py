"""Looking through a split of any size for the rows of a selection, a stretch at a time: results at once, constant memory.

Stretches follow the file's row groups, the first one short so that the first matches are there in milliseconds. Of a
stretch with few matches their row numbers are kept; one with many is looked through again when its rows are wanted.
"""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.selection import Selection
from aat_datasets.tables import Glimpse, Table

__all__ = ["Scan", "keep", "recall"]

STRETCH = 100_000  # rows at least, after the first few stretches
FIRST = 8_000
ENOUGH = 100  # matches whose texts are kept as they are found: the first page
CUT = 600  # characters of them
KEPT = 1_000_000  # row numbers kept in all
LENGTHS = 20_000  # distinct lengths counted; longer texts are counted at the last of them


class Scan:
    """The rows of ``table`` that ``selection`` lets through, with their labels and lengths counted.

    ``advance`` looks further and belongs to one thread; all else may be asked from another while it does. Without a
    filter the rows are all rows, known at once, and only the counts grow.

    Attributes: ``scanned`` rows have been looked at, ``total`` of them match, ``labels`` and ``lengths`` count those by
    label index and by length; ``first`` are the first matches themselves, a hundred or a few more. Raises as
    ``Selection.conditions``; a condition that is wrong in other ways raises DataError at the first ``advance``.
    """

    def __init__(self, table: Table, selection: Selection) -> None:
        self.table = table
        self.selection = selection
        self._passing, self._parameters = selection.conditions(table.labels)
        self._lock = threading.Lock()
        self._bounds: list[int] = [0]  # first rows of the stretches looked at, and where the next one begins
        self._before: list[int] = [0]  # matches before each of them
        self._rows: dict[int, Any] = {}  # stretch → its matches, a numpy array
        self._kept = 0
        self.labels: dict[int, int] = {}
        self.lengths: dict[int, int] = {}
        self.first: list[Glimpse] = []

    @property
    def scanned(self) -> int:
        return self._bounds[-1]

    @property
    def complete(self) -> bool:
        return self.scanned >= self.table.total

    @property
    def total(self) -> int:
        return self._before[-1] if self.selection.any else self.table.total

    @property
    def counted(self) -> int:
        """How many of the ``total`` rows are in ``labels`` and ``lengths`` by now."""
        return self._before[-1]

    def advance(self) -> bool:
        """Look through one stretch more; whether there is more after it."""
        if self.complete:
            return False
        start, stop = self.scanned, self._next()
        label = "coalesce(code, -1)" if self.table.labels else "-1"
        size = f"least({self.selection.measure}, {LENGTHS})"
        where = f"row BETWEEN {start} AND {stop - 1} AND {self._passing}"
        if not self.selection.any:
            found = self.table.query(
                f"SELECT {label} AS label, {size} AS size, count(*) FROM texts WHERE {where} GROUP BY ALL"
            )
            self._take(stop, None, found)
        else:
            texts = f", left(text, {CUT}) AS text, length(text) AS characters" if len(self.first) < ENOUGH else ""
            columns = self.table.arrays(
                f"SELECT row, {label} AS label, {size} AS size{texts} FROM texts WHERE {where} ORDER BY row",
                self._parameters,
            )
            if texts:
                self.first += self._glimpses(columns)
            self._take(stop, columns["row"], _pairs(columns["label"], columns["size"]))
        return not self.complete

    def _glimpses(self, columns: dict[str, Any]) -> Iterator[Glimpse]:
        names = ("row", "text", "label", "size", "characters")
        cells: list[list[Any]] = [columns[name][:ENOUGH].tolist() for name in names]
        for place, row in enumerate(cells[0]):
            text, label, size, characters = (cells[column][place] for column in range(1, 5))
            known = self.table.labels[int(label)] if int(label) >= 0 else None
            yield Glimpse(row=row, text=text, label=known, size=size, characters=characters)

    def advance_for(self, seconds: float, enough: int = 0) -> bool:
        """``advance`` until ``seconds`` have gone by, or ``enough`` matches are there first; whether there is more."""
        end, had = time.monotonic() + seconds, self.counted
        while self.advance():
            if time.monotonic() >= end or had < enough <= self.counted:
                return True
        return False

    def _next(self) -> int:
        """Where the stretch that begins at ``scanned`` ends: at a row group's end."""
        groups = self.table.groups()
        number = len(self._bounds) - 1
        rows = min(FIRST << min(number, 16), STRETCH) if self.selection.any else STRETCH
        place = bisect_left(groups, min(self.scanned + rows, self.table.total))
        return groups[place] if place < len(groups) else self.table.total

    def _take(self, stop: int, rows: Any, counts: list[tuple[Any, ...]]) -> None:
        matched = 0
        with self._lock:
            for label, size, count in counts:
                matched += count
                self.labels[label] = self.labels.get(label, 0) + count
                self.lengths[size] = self.lengths.get(size, 0) + count
            if rows is not None:
                self._keep(len(self._bounds) - 1, rows)
            self._before.append(self._before[-1] + matched)
            self._bounds.append(stop)

    def take_all(self, labels: dict[int, int], lengths: dict[int, int]) -> None:
        """Counts of the whole split, found before: nothing is left to look through."""
        pairs = [(label, 0, count) for label, count in labels.items()]
        self._take(self.table.total, None, pairs)
        self.lengths = dict(lengths)

    def _keep(self, stretch: int, rows: Any) -> None:
        """Remember a stretch's matches; those of the fullest stretches go first where there are too many."""
        if stretch in self._rows:
            return
        self._rows[stretch] = rows
        self._kept += len(rows)
        while self._kept > KEPT and len(self._rows) > 1:
            fullest = max((place for place in self._rows if place != stretch), key=lambda place: len(self._rows[place]))
            self._kept -= len(self._rows.pop(fullest))

    # What was found

    def rows(self, start: int, stop: int, table: Table | None = None) -> list[int]:
        """The numbers of matches ``start`` to ``stop`` (excluded), as far as they have been found.

        Args:
            table: whose connection looks again where a stretch's matches were not kept; by default the scan's own,
                which may be busy.
        """
        if not self.selection.any:
            return list(range(max(start, 0), min(stop, self.table.total)))
        with self._lock:
            before, known = list(self._before), len(self._bounds) - 1
        start, stop = max(start, 0), min(stop, before[-1])
        found: list[int] = []
        stretch = bisect_right(before, start) - 1
        while start < stop and stretch < known:
            matches = self._matches(stretch, table or self.table)
            part = matches[start - before[stretch] : stop - before[stretch]]
            found += part.tolist()
            start += len(part)
            stretch += 1
        return found

    def place(self, row: int, table: Table | None = None) -> int:
        """How many matches lie before row number ``row``: where the first match from there on stands."""
        if not self.selection.any:
            return min(max(row, 0), self.table.total)
        with self._lock:
            stretch = bisect_right(self._bounds, row) - 1
            if stretch < 0:
                return 0
            before = self._before[stretch]
            if stretch >= len(self._bounds) - 1:
                return before
        return before + bisect_left(self._matches(stretch, table or self.table), row)

    def _matches(self, stretch: int, table: Table) -> Any:
        import numpy as np

        with self._lock:
            if stretch in self._rows:
                return self._rows[stretch]
            start, stop = self._bounds[stretch], self._bounds[stretch + 1]
            if self._before[stretch] == self._before[stretch + 1]:
                return np.empty(0, np.int64)
        where = f"row BETWEEN {start} AND {stop - 1} AND {self._passing}"
        rows = table.arrays(f"SELECT row FROM texts WHERE {where} ORDER BY row", self._parameters)["row"]
        with self._lock:
            self._keep(stretch, rows)
        return rows


class _Counts(msgspec.Struct):
    total: int
    labels: dict[int, int]
    lengths: dict[int, int]


def keep(scan: Scan, path: Path) -> None:
    """Write the counts of a whole split, once they are complete; where that cannot be, they are counted again."""
    if scan.complete and not scan.selection.any:
        partial = path.with_suffix(".partial")
        with contextlib.suppress(OSError):
            partial.write_bytes(msgspec.json.encode(_Counts(scan.table.total, scan.labels, scan.lengths)))
            partial.replace(path)


def recall(scan: Scan, path: Path) -> bool:
    """Take the counts that ``keep`` wrote for this split; whether they were there."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Counts)
    except (OSError, msgspec.DecodeError):
        return False
    counted = {sum(found.labels.values()), sum(found.lengths.values()), found.total}
    if scan.selection.any or scan.scanned or counted != {scan.table.total}:
        return False
    scan.take_all(found.labels, found.lengths)
    return True


def _pairs(labels: Any, sizes: Any) -> list[tuple[int, int, int]]:
    """``(label, size, how many)`` of two arrays of one length."""
    import numpy as np

    # One number for both: a pair's order takes numpy ten times as long.
    keys, counts = np.unique((labels.astype(np.int64) + 1) * (LENGTHS + 1) + sizes, return_counts=True)
    both = zip(keys.tolist(), counts.tolist(), strict=True)
    return [(key // (LENGTHS + 1) - 1, key % (LENGTHS + 1), count) for key, count in both]
