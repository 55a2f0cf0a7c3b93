"""Windows, filters and counts over one split's Parquet file, whatever its size.

The connection may read that one file and nothing else, so that a filter a user types can neither read other files
nor write any.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from pathlib import Path
from typing import Any

from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.readers import identifier, literal, path_literal
from aat_datasets.records import Row

__all__ = ["Table"]

_KEPT = 4  # filters of which is remembered what was found
_AHEAD = 200  # rows that are found beyond what was asked for: the next page
_TEXTS = 2000  # rows of a filter that are remembered as they are
_LONG = 20_000  # characters of a text that is not remembered
_ORDERS = {"row": "row", "text": "text", "label": "label", "length": "length(text)"}


class Seen:
    """What a filter has let through so far: row numbers, the latest rows themselves, and where reading goes on."""

    def __init__(self) -> None:
        self.rows = array("I")
        self.kept: OrderedDict[int, Row] = OrderedDict()
        self.position = 0
        self.ended = False

    def add(self, found: list[Row], wanted: int) -> None:
        """``found``: the next rows, fewer than ``wanted`` where there are no more."""
        self.ended = len(found) < wanted
        self.position = found[-1].row + 1 if found else self.position
        self.rows.extend(row.row for row in found)
        for row in found:
            if len(row.text) + len(row.target or "") <= _LONG:
                _remember(self.kept, row.row, row, _TEXTS)


class Table:
    """One split.

    Args:
        path: the split's Parquet file.
        labels: the names of the label indices; empty where the split has no labels.
        columns: the file's columns.
        total: its number of rows.

    A table may be used from several threads; calls wait for each other.
    """

    def __init__(self, path: Path, labels: list[str], columns: list[str], total: int) -> None:
        self.path = path
        self.labels = labels
        self.columns = columns
        self.total = total
        self._lock = threading.Lock()
        self._connection: Any = None
        self._seen: OrderedDict[tuple[str | None, ...], Seen] = OrderedDict()
        self._counts: OrderedDict[tuple[str | None, ...], int] = OrderedDict()
        self._orders: OrderedDict[tuple[str | None, ...], Any] = OrderedDict()

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
            order: ``row``, ``text``, ``label`` or ``length``; with ``-`` before it, from the largest.

        Raises DataError for a condition that is not SQL, UnknownNameError for an unknown label or order.
        """
        start, stop = max(start, 0), max(stop, 0)
        if stop <= start:
            return []
        with self._lock:
            if order not in (None, "row"):
                found = self._sorted(where, label, contains, order)[start:stop]
                return self._rows(found.tolist())
            if where or label is not None or contains:
                return self._passing(where, label, contains, start, stop)
            query = f"{self._shown()} WHERE row >= ? AND row < ? ORDER BY row"
            return _as_rows(self._run(query, [start, stop]).fetchall())

    def count(self, where: str | None = None, label: str | None = None, contains: str | None = None) -> int:
        """How many rows the filters let through; errors as ``window``."""
        if not where and label is None and not contains:
            return self.total
        with self._lock:
            key = (where, label, contains)
            if key not in self._counts:
                condition, parameters = self._condition(where, label, contains)
                row = self._run(f"SELECT count(*) FROM texts WHERE {condition}", parameters).fetchone()
                _remember(self._counts, key, int(row[0]), _KEPT * 16)
            return self._counts[key]

    def matching(self, where: str | None = None, label: str | None = None, contains: str | None = None) -> Any:
        """The numbers of the rows that the filters let through, ascending, as an int64 array; errors as ``window``."""
        with self._lock:
            condition, parameters = self._condition(where, label, contains)
            found = self._run(f"SELECT row FROM texts WHERE {condition} ORDER BY row", parameters)
            return found.fetchnumpy()["row"]

    def label_counts(self) -> dict[str, int]:
        """Label name → rows, in the order of the labels, zeros included."""
        if not self.labels:
            return {}
        with self._lock:
            rows = dict(self._run("SELECT label, count(*) FROM texts GROUP BY label").fetchall())
        return {name: rows.get(name, 0) for name in self.labels}

    def length_histogram(self, bins: int = 20) -> list[tuple[int, int, int]]:
        """``(low, high, texts)`` with lengths in words, both ends included.

        The longest hundredth shares the last bin.
        """
        words = "len(string_split_regex(trim(text), '\\s+'))"
        with self._lock:
            low, high, longest = self._run(
                f"SELECT min(w), quantile_disc(w, 0.99), max(w) FROM (SELECT {words} AS w FROM texts)"
            ).fetchone()
            step = max(1, -(-(high - low + 1) // max(bins, 1)))
            last = (high - low) // step
            rows = dict(
                self._run(
                    f"SELECT least(({words} - {low}) // {step}, {last}) AS b, count(*) FROM texts GROUP BY b"
                ).fetchall()
            )
        ends = [low + (index + 1) * step - 1 for index in range(last)] + [longest]
        return [(low + index * step, ends[index], rows.get(index, 0)) for index in range(last + 1)]

    def query(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of an SQL query over ``texts`` (``row, text, label`` by name, ``code`` by index …); for statistics."""
        with self._lock:
            return self._run(sql, parameters or []).fetchall()

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
        _remember(self._seen, key, seen, _KEPT)
        while len(seen.rows) < stop and not seen.ended:
            condition, parameters = self._condition(where, label, contains)
            wanted = max(stop - len(seen.rows), _AHEAD if seen.rows else 1)
            # Not sorted: rows come in the order of the file, and reading ends with the last one wanted.
            query = f"{self._shown()} WHERE ({condition}) AND row >= ? LIMIT {wanted}"
            found = _as_rows(self._run(query, [*parameters, seen.position]).fetchall())
            seen.add(found, wanted)
        numbers = seen.rows[start:stop].tolist()
        kept = {number: seen.kept[number] for number in numbers if number in seen.kept}
        missing = {row.row: row for row in self._rows([number for number in numbers if number not in kept])}
        return [kept.get(number) or missing[number] for number in numbers]

    def _sorted(self, where: str | None, label: str | None, contains: str | None, order: str | None) -> Any:
        """The row numbers that pass, as an array in the order asked for; remembered for the next window."""
        key = (where, label, contains, order)
        if key in self._orders:
            return self._orders[key]
        name = (order or "row").removeprefix("-")
        if name not in _ORDERS:
            raise UnknownNameError("order", order or "", [*_ORDERS, *(f"-{known}" for known in _ORDERS)])
        direction = " DESC" if order and order.startswith("-") else ""
        condition, parameters = self._condition(where, label, contains)
        sql = f"SELECT row::UINTEGER AS row FROM texts WHERE {condition} ORDER BY {_ORDERS[name]}{direction}, row"
        rows = self._run(sql, parameters).fetchnumpy()["row"]
        _remember(self._orders, key, rows, 1)
        return rows

    def _condition(self, where: str | None, label: str | None, contains: str | None) -> tuple[str, list[Any]]:
        """The filters as SQL with its parameters; errors as ``window``."""
        conditions: list[str] = []
        parameters: list[Any] = []
        if where:
            self._check(where)
            # The line break ends a comment that the condition may end with.
            conditions.append(f"({where}\n)")
        if label is not None:
            if label not in self.labels:
                raise UnknownNameError("label", label, self.labels)
            conditions.append("code = ?")
            parameters.append(self.labels.index(label))
        if contains:
            # Twice as fast as searching in the text's lower case, which would have to be made first.
            conditions.append("regexp_matches(text, '(?is)' || regexp_escape(?))")
            parameters.append(contains)
        return " AND ".join(conditions) or "true", parameters

    def _check(self, where: str) -> None:
        """Refuse what is more than one condition."""
        import duckdb

        try:
            statements = duckdb.extract_statements(f"SELECT 1 FROM texts WHERE ({where}\n)")
        except duckdb.Error as error:
            raise _wrong(where, error) from None
        if len(statements) != 1:
            raise DataError(f"where: more than one statement in {where!r}")

    def _run(self, sql: str, parameters: list[Any] | None = None) -> Any:
        import duckdb

        try:
            return self._connected().execute(sql, parameters or [])
        except (duckdb.IOException, duckdb.PermissionException) as error:
            raise DataError(f"{self.path}: {str(error).splitlines()[0]}") from None
        except duckdb.Error as error:
            raise _wrong(sql, error) from None

    def _connected(self) -> Any:
        if self._connection is None:
            import duckdb

            con = duckdb.connect()
            names = f"[{', '.join(map(literal, self.labels))}]::VARCHAR[]"
            parts = ["file_row_number AS row", "text"]
            parts += [f"({names})[label + 1] AS label", "label AS code"] if self.labels else ["NULL AS label"]
            parts += [identifier(name) for name in self.columns if name not in ("row", "text", "label")]
            con.execute(f"SET allowed_paths=[{literal(str(self.path))}]")
            con.execute("SET enable_external_access=false")
            con.execute("SET lock_configuration=true")
            rows = f"read_parquet({path_literal(self.path)}, file_row_number=true)"
            con.execute(f"CREATE VIEW texts AS SELECT {', '.join(parts)} FROM {rows}")
            self._connection = con
        return self._connection


def _as_rows(found: list[tuple[Any, ...]]) -> list[Row]:
    return [Row(row=row, text=text, label=name, target=target) for row, text, name, target in found]


def _remember(kept: OrderedDict[Any, Any], key: Any, value: Any, limit: int) -> None:
    """Put an entry last, and let the first go where there are too many."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > limit:
        kept.popitem(last=False)


def _wrong(what: str, error: Exception) -> DataError:
    return DataError(f"where: {str(error).splitlines()[0]}", "an SQL condition over row, text, label, target")
