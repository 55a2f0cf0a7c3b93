"""A split's rows in another order: their numbers, sorted once into a small file, and windows of it.

Sorting needs memory and time that grow with the split; a window afterwards needs neither.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from aat_datasets.errors import DataError
from aat_datasets.readers import literal, path_literal
from aat_datasets.selection import Selection
from aat_datasets.tables import Table, order_clause

__all__ = ["Ordering", "write_order"]


def write_order(table: Table, selection: Selection, order: str, out: Path, memory: str = "512MB") -> int:
    """Write the row numbers that ``selection`` lets through, in ``order``, as Parquet ``n, row``; returns how many.

    What does not fit into ``memory`` goes to the disk beside ``out`` while it works. Raises DataError or
    UnknownNameError; then there is no file.
    """
    import duckdb

    conditions, parameters = selection.conditions(table.labels)
    clause = order_clause(order)
    partial, spill = out.with_suffix(".partial"), out.with_suffix(".spill")
    with duckdb.connect() as con:
        con.execute(f"SET memory_limit={literal(memory)}")
        con.execute(f"SET temp_directory={literal(str(spill))}")
        con.execute(f"SET allowed_paths=[{literal(str(table.path))}, {literal(str(partial))}]")
        con.execute(f"SET allowed_directories=[{literal(str(spill))}]")
        con.execute("SET enable_external_access=false")
        con.execute("SET lock_configuration=true")
        con.execute(table.view_statement())
        rows = f"SELECT row FROM texts WHERE {conditions} ORDER BY {clause}"
        copy = f"COPY (SELECT row_number() OVER () - 1 AS n, row FROM ({rows})) TO {literal(str(partial))} (FORMAT parquet)"
        try:
            found = con.execute(copy, parameters).fetchone()
            partial.replace(out)
        except (duckdb.Error, OSError) as error:
            raise DataError(f"sorting by {order.removeprefix('-')}: {str(error).splitlines()[0]}") from None
        finally:
            partial.unlink(missing_ok=True)
            shutil.rmtree(spill, ignore_errors=True)
    return int(found[0]) if found else 0


class Ordering:
    """The file that ``write_order`` wrote. ``total`` is the number of its rows."""

    def __init__(self, path: Path, total: int) -> None:
        self.path = path
        self.total = total
        self._table = Table(path, [], [], total, view=f"SELECT n, row FROM read_parquet({path_literal(path)})")

    def rows(self, start: int, stop: int) -> list[int]:
        """The row numbers at the places ``start`` to ``stop`` (excluded)."""
        start, stop = max(start, 0), min(stop, self.total)
        if start >= stop:
            return []
        return [
            row
            for (row,) in self._table.query(
                "SELECT row FROM texts WHERE n BETWEEN ? AND ? ORDER BY n", [start, stop - 1]
            )
        ]

    def place(self, row: int) -> int | None:
        """Where row number ``row`` stands; None where it is not among them."""
        found = self._table.query("SELECT n FROM texts WHERE row = ?", [row])
        return found[0][0] if found else None

    def close(self) -> None:
        """Forget the order: its file is gone then."""
        self._table.close()
        self.path.unlink(missing_ok=True)
