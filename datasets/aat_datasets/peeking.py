"""The first rows of a file, as they stand in it: for looking before reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aat_datasets import converting
from aat_datasets.card import Reader
from aat_datasets.readers import first_lines, identifier, path_literal, records

__all__ = ["peek"]

CUT = 2_000  # characters of a cell


def peek(
    path: Path, reader: Reader, known: list[str], count: int = 1_000, member: str = ""
) -> tuple[list[list[str]], int]:
    """At most ``count`` rows with a cell for each of the columns ``known``, and how many more did not fit them.

    Cells are cut after 2,000 characters. Raises DataError.
    """
    if reader.format == "parquet":
        return _parquet(path, known, count), 0
    rows: list[list[str]] = []
    bad = 0
    if reader.format == "json" or reader.turns:
        found: list[list[str] | None] = [_cells(one, known) for one in converting.peek(path, reader, count, member)]
    else:
        found = _records(path, reader, known, count + int(reader.header))
    for row in found:
        if row is None or len(row) != len(known):
            bad += 1
        else:
            rows.append([cell[:CUT] for cell in row])
    return rows, bad


def _records(path: Path, reader: Reader, known: list[str], count: int) -> list[list[str] | None]:
    if reader.format in ("csv", "tsv"):
        found = records(path, reader, count)[1 if reader.header else 0 :]
        return [row for row in found if row != [] or len(known) == 1]
    lines = [line for line in first_lines(path, reader, count) if line.strip()]
    return [[line] for line in lines] if reader.format == "txt" else [_object(line, known) for line in lines]


def _object(line: str, known: list[str]) -> list[str] | None:
    try:
        value: Any = json.loads(line)
    except ValueError:
        return None
    return _cells(value, known) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownArgumentType]


def _cells(cells: dict[str, Any], known: list[str]) -> list[str]:
    return ["" if cells.get(name) is None else str(cells.get(name)) for name in known]


def _parquet(path: Path, known: list[str], count: int) -> list[list[str]]:
    import duckdb

    cells = ", ".join(f"left(CAST({identifier(name)} AS VARCHAR), {CUT})" for name in known)
    with duckdb.connect() as con:
        found = con.execute(f"SELECT {cells} FROM read_parquet({path_literal(path)}) LIMIT {count}").fetchall()
    return [["" if cell is None else str(cell) for cell in row] for row in found]
