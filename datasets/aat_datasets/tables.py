"""Windows, filters and counts over one split's Parquet file, whatever its size.

The connection may read that one file and nothing else, so that a filter a user types can neither read other files
nor write any.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.readers import identifier, literal, path_literal
from aat_datasets.records import Row

__all__ = ["Table"]

_KEPT = 4  # filters whose row numbers are remembered
_ORDERS = {"row": "row", "text": "text", "label": "label", "length": "length(text)"}


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
        self._filters: OrderedDict[tuple[str | None, ...], Any] = OrderedDict()

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
            if where or label is not None or contains or order not in (None, "row"):
                rows = self._matching(where, label, contains, order)[start:stop]
                if len(rows) == 0:
                    return []
                query = f"""
                    {self._shown("text, label")} FROM (SELECT unnest(?) AS r, unnest(?) AS n)
                    JOIN texts ON row = r WHERE row BETWEEN ? AND ? ORDER BY n"""
                parameters = [rows.tolist(), list(range(len(rows))), int(rows.min()), int(rows.max())]
            else:
                query = f"{self._shown('text, label')} FROM texts WHERE row >= ? AND row < ? ORDER BY row"
                parameters = [start, stop]
            found = self._run(query, parameters).fetchall()
        return [Row(row=row, text=text, label=name, target=target) for row, text, name, target in found]

    def count(self, where: str | None = None, label: str | None = None, contains: str | None = None) -> int:
        """How many rows the filters let through; errors as ``window``."""
        if not where and label is None and not contains:
            return self.total
        with self._lock:
            return len(self._matching(where, label, contains, None))

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
            self._filters.clear()

    def _shown(self, columns: str) -> str:
        return f"SELECT row, {columns}, {'target' if 'target' in self.columns else 'NULL'}"

    def _matching(self, where: str | None, label: str | None, contains: str | None, order: str | None) -> Any:
        """The row numbers that pass, as an array in the order asked for; remembered for the next window."""
        key = (where, label, contains, order)
        if key in self._filters:
            self._filters.move_to_end(key)
            return self._filters[key]
        conditions: list[str] = []
        parameters: list[Any] = []
        if where:
            self._check(where)
            # The line break ends a comment that the condition may end with.
            conditions.append(f"({where}\n)")
        if label is not None:
            if label not in self.labels:
                raise UnknownNameError("label", label, self.labels)
            conditions.append("label = ?")
            parameters.append(label)
        if contains:
            conditions.append("contains(lower(text), lower(?))")
            parameters.append(contains)
        name = (order or "row").removeprefix("-")
        if name not in _ORDERS:
            raise UnknownNameError("order", order or "", [*_ORDERS, *(f"-{known}" for known in _ORDERS)])
        direction = " DESC" if order and order.startswith("-") else ""
        passing = " AND ".join(conditions) or "true"
        sql = f"SELECT row FROM texts WHERE {passing} ORDER BY {_ORDERS[name]}{direction}, row"
        rows = self._run(sql, parameters).fetchnumpy()["row"]
        self._filters[key] = rows
        if len(self._filters) > _KEPT:
            self._filters.popitem(last=False)
        return rows

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


def _wrong(what: str, error: Exception) -> DataError:
    return DataError(f"where: {str(error).splitlines()[0]}", "an SQL condition over row, text, label, target")
