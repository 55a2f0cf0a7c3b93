"""Windows, filters and counts over one split's Parquet file, whatever its size.

The connection may read that one file and nothing else, so that a filter a user types can neither read other files
nor write any. It takes one thread, so that the screen beside it stays fluid, and keeps nothing of the file but its footer.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.readers import identifier, literal, path_literal
from aat_datasets.records import Row
from aat_datasets.seen import AHEAD, Seen, remember
from aat_datasets.selection import WORDS, Selection, Unit, wrong_condition

__all__ = ["ORDERS", "Glimpse", "Table", "order_clause"]

ORDERS = {"row": "row", "text": "text", "label": "label", "length": "length(text)", "words": WORDS}
_KEPT = 4  # filters of which is remembered what was found
_SHORT = 12  # rows of a window that are read by their numbers, not by their range, cost one lookup each


class Glimpse(msgspec.Struct, frozen=True, kw_only=True):
    """A row as a list shows it: the beginning of its text.

    ``size`` is the length of the whole text in the unit asked for, ``characters`` in characters.
    """

    row: int
    text: str
    label: str | None
    size: int
    characters: int

    @property
    def whole(self) -> bool:
        """Whether ``text`` is all of it."""
        return len(self.text) >= self.characters


class Table:
    """One split.

    Args:
        path: the split's Parquet file.
        labels: the names of the label indices; empty where the split has no labels.
        columns: the file's columns.
        total: its number of rows.
        view: an SQL query over the file that stands for ``texts``, where it is not the rows of a dataset.

    A table may be used from several threads; calls wait for each other. ``beside`` gives a second one that does not.
    """

    def __init__(self, path: Path, labels: list[str], columns: list[str], total: int, *, view: str = "") -> None:
        self.path = path
        self.labels = labels
        self.columns = columns
        self.total = total
        self._view = view
        self._lock = threading.Lock()
        self._connection: Any = None
        self._groups: list[int] | None = None
        self._seen: OrderedDict[tuple[str | None, ...], Seen] = OrderedDict()
        self._counts: OrderedDict[tuple[str | None, ...], int] = OrderedDict()
        self._orders: OrderedDict[tuple[str | None, ...], Any] = OrderedDict()

    def beside(self) -> Table:
        """The same split with a connection of its own."""
        return Table(self.path, self.labels, self.columns, self.total)

    # Rows

    def window(
        self,
        start: int,
        stop: int,
        *,
        where: str | None = None,
        label: str | None = None,
        contains: str | None = None,
        order: str | None = None,
    ) -> list[Row]:
        """Rows ``start`` to ``stop`` (excluded) of those that the filters let through.

        Args:
            where: an SQL condition over ``row, text, label`` (by name), ``target``, ``text_b``.
            label: only rows of this label.
            contains: only rows whose text holds this, whatever the case.
            order: ``row``, ``text``, ``label``, ``length`` (characters) or ``words``; with ``-`` before it, from the largest.

        Raises DataError for a condition that is not SQL, UnknownNameError for an unknown label or order.
        """
        start, stop = max(start, 0), max(stop, 0)
        if stop <= start:
            return []
        with self._lock:
            if order not in (None, "row"):
                return self._rows(self._sorted(where, label, contains, order)[start:stop].tolist())
            if where or label is not None or contains:
                return self._passing(where, label, contains, start, stop)
            query = f"{self._shown()} WHERE row BETWEEN ? AND ? ORDER BY row"
            return _as_rows(self._run(query, [start, stop - 1]).fetchall())

    def count(self, where: str | None = None, label: str | None = None, contains: str | None = None) -> int:
        """How many rows the filters let through; errors as ``window``."""
        chosen = _selection(where, label, contains)
        if not chosen.any:
            return self.total
        with self._lock:
            key = (where, label, contains)
            if key not in self._counts:
                passing, parameters = chosen.conditions(self.labels)
                row = self._run(f"SELECT count(*) FROM texts WHERE {passing}", parameters).fetchone()
                remember(self._counts, key, int(row[0]), _KEPT * 16)
            return self._counts[key]

    def matching(self, where: str | None = None, label: str | None = None, contains: str | None = None) -> Any:
        """The numbers of the rows that the filters let through, ascending, as an int64 array; errors as ``window``."""
        passing, parameters = _selection(where, label, contains).conditions(self.labels)
        return self.arrays(f"SELECT row FROM texts WHERE {passing} ORDER BY row", parameters)["row"]

    def glimpses(self, rows: Sequence[int], characters: int, unit: Unit = "words") -> list[Glimpse]:
        """The rows of these numbers, in this order, their texts cut after ``characters``; unknown numbers are left out.

        Neighbouring numbers are read as a range; scattered ones cost a lookup in every row group they lie in.
        """
        if not rows:
            return []
        low, high = min(rows), max(rows)
        chosen = f"row BETWEEN {low} AND {high}"
        if high - low >= 2 * len(rows) + _SHORT:
            chosen += f" AND row IN ({', '.join(map(str, rows))})"
        size = WORDS if unit == "words" else "length(text)"
        found = self.query(
            f"SELECT row, left(text, {characters}), label, {size}, length(text) FROM texts WHERE {chosen}"
        )
        by_row = {row[0]: row for row in found}
        return [
            Glimpse(row=row, text=text, label=label, size=size, characters=length)
            for row, text, label, size, length in (by_row[number] for number in rows if number in by_row)
        ]

    def row(self, number: int) -> Row | None:
        """One row in full; None where there is no such number."""
        found = self.window(number, number + 1)
        return found[0] if found else None

    def groups(self) -> list[int]:
        """The first row number of every row group of the file, and after the last one the number of rows."""
        if self._groups is None:
            sql = f"SELECT row_group_num_rows FROM parquet_metadata({path_literal(self.path)}) WHERE path_in_schema = 'text'"
            starts = [0]
            for (size,) in self.query(sql):
                starts.append(starts[-1] + size)
            self._groups = starts
        return self._groups

    # Counts

    def label_counts(self) -> dict[str, int]:
        """Label name → rows, in the order of the labels, zeros included."""
        if not self.labels:
            return {}
        rows = dict(self.query("SELECT label, count(*) FROM texts GROUP BY label"))
        return {name: rows.get(name, 0) for name in self.labels}

    def length_histogram(self, bins: int = 20, unit: Unit = "words") -> list[tuple[int, int, int]]:
        """``(low, high, texts)`` with lengths in ``unit``, both ends included; see ``histogram``."""
        size = WORDS if unit == "words" else "length(text)"
        return histogram(dict(self.query(f"SELECT {size} AS size, count(*) FROM texts GROUP BY size")), bins)

    def query(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of an SQL query over ``texts`` (``row, text, label`` by name, ``code`` by index …); for statistics.

        Raises DataError.
        """
        with self._lock:
            return self._run(sql, parameters).fetchall()

    def arrays(self, sql: str, parameters: list[Any] | None = None) -> dict[str, Any]:
        """The columns of an SQL query over ``texts`` as numpy arrays. Raises DataError."""
        with self._lock:
            return self._run(sql, parameters).fetchnumpy()

    def interrupt(self) -> None:
        """End the query that another thread is waiting for, if any; there it raises DataError."""
        connection = self._connection
        if connection is not None:
            connection.interrupt()

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            self._seen.clear()
            self._orders.clear()

    def _shown(self) -> str:
        return f"SELECT row, text, label, {'target' if 'target' in self.columns else 'NULL'} FROM texts"

    def _rows(self, numbers: list[int]) -> list[Row]:
        """Rows by their numbers, in the order of these."""
        if not numbers:
            return []
        # Literal numbers: groups of rows that hold none of them are not read.
        query = f"{self._shown()} WHERE row IN ({', '.join(map(str, numbers))}) AND row BETWEEN ? AND ?"
        found = {row.row: row for row in _as_rows(self._run(query, [min(numbers), max(numbers)]).fetchall())}
        return [found[number] for number in numbers]

    def _passing(self, where: str | None, label: str | None, contains: str | None, start: int, stop: int) -> list[Row]:
        """A window of what passes. Reading stops where the window is full, and goes on there for the next one."""
        key = (where, label, contains)
        seen = self._seen.get(key) or Seen()
        remember(self._seen, key, seen, _KEPT)
        passing, parameters = _selection(where, label, contains).conditions(self.labels)
        while len(seen.rows) < stop and not seen.ended:
            wanted = max(stop - len(seen.rows), AHEAD if seen.rows else 1)
            # Not sorted: rows come in the order of the file, and reading ends with the last one wanted.
            query = f"{self._shown()} WHERE ({passing}) AND row >= ? LIMIT {wanted}"
            seen.add(_as_rows(self._run(query, [*parameters, seen.position]).fetchall()), wanted)
        numbers = seen.rows[start:stop].tolist()
        kept = {number: seen.kept[number] for number in numbers if number in seen.kept}
        missing = {row.row: row for row in self._rows([number for number in numbers if number not in kept])}
        return [kept.get(number) or missing[number] for number in numbers]

    def _sorted(self, where: str | None, label: str | None, contains: str | None, order: str | None) -> Any:
        """The row numbers that pass, as an array in the order asked for; remembered for the next window."""
        key = (where, label, contains, order)
        if key not in self._orders:
            clause = order_clause(order or "row")
            passing, parameters = _selection(where, label, contains).conditions(self.labels)
            sql = f"SELECT row::UINTEGER AS row FROM texts WHERE {passing} ORDER BY {clause}"
            remember(self._orders, key, self._run(sql, parameters).fetchnumpy()["row"], 1)
        return self._orders[key]

    def _run(self, sql: str, parameters: list[Any] | None = None) -> Any:
        import duckdb

        try:
            return self._connected().execute(sql, parameters or [])
        except duckdb.InterruptException:
            raise DataError("the search was stopped") from None
        except (duckdb.IOException, duckdb.PermissionException, duckdb.OutOfMemoryException) as error:
            raise DataError(f"{self.path}: {str(error).splitlines()[0]}") from None
        except duckdb.Error as error:
            raise wrong_condition(error) from None

    def _connected(self) -> Any:
        if self._connection is None:
            import duckdb

            con = duckdb.connect()
            con.execute("SET threads=1")
            con.execute("SET parquet_metadata_cache=true")
            con.execute("SET enable_external_file_cache=false")
            con.execute(f"SET allowed_paths=[{literal(str(self.path))}]")
            con.execute("SET enable_external_access=false")
            con.execute("SET lock_configuration=true")
            con.execute(self.view_statement())
            self._connection = con
        return self._connection

    def view_statement(self) -> str:
        """SQL that makes ``texts``: row, text, label by name, ``code`` by index, and the columns there are beyond."""
        if self._view:
            return f"CREATE VIEW texts AS {self._view}"
        names = f"[{', '.join(map(literal, self.labels))}]::VARCHAR[]"
        labels = (
            [f"({names})[label + 1] AS label", "label AS code"] if self.labels else ["NULL AS label", "NULL AS code"]
        )
        others = [identifier(column) for column in self.columns if column not in ("row", "text", "label")]
        parts = ["file_row_number AS row", "text", *labels, *others]
        rows = f"read_parquet({path_literal(self.path)}, file_row_number=true)"
        return f"CREATE VIEW texts AS SELECT {', '.join(parts)} FROM {rows}"


def _as_rows(found: list[tuple[Any, ...]]) -> list[Row]:
    return [Row(row=row, text=text, label=name, target=target) for row, text, name, target in found]


def order_clause(order: str) -> str:
    """``-length`` → SQL after ORDER BY; equal rows stay in the order of their numbers. Raises UnknownNameError."""
    name = order.removeprefix("-")
    if name not in ORDERS:
        raise UnknownNameError("order", order, [*ORDERS, *(f"-{known}" for known in ORDERS)])
    return f"{ORDERS[name]}{' DESC' if order.startswith('-') else ''}, row"


def histogram(lengths: dict[int, int], bins: int) -> list[tuple[int, int, int]]:
    """Length → texts as at most ``bins`` bins ``(low, high, texts)`` of one width, both ends included.

    The longest hundredth of the texts shares the last bin.
    """
    if not lengths:
        return []
    ranked = sorted(lengths)
    total, seen, high = sum(lengths.values()), 0, ranked[-1]
    for length in ranked:
        seen += lengths[length]
        if seen >= 0.99 * total:
            high = length
            break
    low = ranked[0]
    step = max(1, -(-(high - low + 1) // max(bins, 1)))
    last = (high - low) // step
    counts = [0] * (last + 1)
    for length, texts in lengths.items():
        counts[min((length - low) // step, last)] += texts
    ends = [low + (place + 1) * step - 1 for place in range(last)] + [ranked[-1]]
    return [(low + place * step, ends[place], counts[place]) for place in range(last + 1)]


def _selection(where: str | None, label: str | None, contains: str | None) -> Selection:
    return Selection(where=where or "", label=label or "", contains=contains or "")
