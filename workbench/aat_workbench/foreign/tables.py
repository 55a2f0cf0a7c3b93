"""CSV and JSON lines as curves: every column of numbers, over the column that counts steps, epochs or time."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from .points import Point

__all__ = ["TABLES", "TableTail", "counting"]

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
_HEAD = 256  # bytes by which a file is known again
_LONGEST = 16 << 20  # bytes of a line that is waited for
_STEPS = (
    "step", "global_step", "steps", "iteration", "iter", "iterations", "update", "updates", "num_timesteps", "timesteps",
    "total_timesteps", "num_steps", "batch",
)  # fmt: skip
_EPOCHS = ("epoch", "epochs", "round")
_TIMES = ("wall_time", "timestamp", "time", "created_at", "date", "elapsed", "seconds", "runtime", "relative_time")
_UNIX = 1e8  # a time beyond is one of the calendar


def counting(names: Iterable[str]) -> tuple[str, str]:
    """Of columns' names the one that counts and the one with the time; each may be empty."""
    by_word: dict[str, str] = {}
    for name in names:
        by_word.setdefault(_word(name), name)
    time = next((by_word[word] for word in _TIMES if word in by_word), "")
    x = next((by_word[word] for word in (*_STEPS, *_EPOCHS) if word in by_word), time)
    return x, time


def _word(name: str) -> str:
    """``trainer/global_step`` → ``global_step``."""
    return name.strip().lower().replace(" ", "_").replace("-", "_").replace(".", "/").rpartition("/")[2].strip("_")


class TableTail:
    """A ``Reader`` of a table; lines without the column that counts go on from the one before.

    Without such a column ``x`` is the number of the line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0
        self.resets = 0
        self.behind = False
        self._begin()

    def _begin(self) -> None:
        self.unit = "line"
        self.skipped = 0
        self._offset = 0
        self._head = b""
        self._columns: list[str] = []
        self._delimiter = ","
        self._x = self._time = ""
        self._first = math.nan  # the first time, where x is a time of the calendar
        self._last = -1.0

    def poll(self, limit: int = 1 << 18) -> list[Point]:
        lines = self._lines(limit)
        if self.path.suffix in (".jsonl", ".ndjson"):
            rows = [self._object(line) for line in lines if line.strip()]
        else:
            rows = self._cells(lines)
        return [point for row in rows if row and (point := self._point(row)) is not None]

    def modified(self) -> float:
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0

    # Lines

    def _lines(self, limit: int) -> list[str]:
        self.behind = False
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._offset or file.read(len(self._head)) != self._head:
                    self._begin()
                    self.resets += 1
                file.seek(self._offset)
                block = file.read(min(limit, size - self._offset))
                if b"\n" not in block and len(block) == limit:
                    block += file.readline(_LONGEST)
        except OSError:
            return []
        end = block.rfind(b"\n") + 1
        if not end and len(block) > _LONGEST:
            self.skipped += 1
            end = len(block)
        if not self._offset:
            self._head = block[: min(end, _HEAD)]
        self._offset += end
        self.behind = end > 0 and self._offset < size
        return block[:end].decode("utf-8", "replace").lstrip("\ufeff").splitlines()

    def _object(self, line: str) -> dict[str, float | str]:
        try:
            tree = json.loads(line)
        except (ValueError, RecursionError):
            tree = None
        if not isinstance(tree, dict):
            self.skipped += 1
            return {}
        return dict(_flat(cast("dict[str, Any]", tree), ""))

    def _cells(self, lines: list[str]) -> list[dict[str, float | str]]:
        if not self._columns and lines:
            self._header(lines[0])
        rows: list[dict[str, float | str]] = []
        reader = csv.reader(lines, delimiter=self._delimiter)
        while True:
            try:
                cells = next(reader, None)
            except csv.Error:
                self.skipped += 1
                continue
            if cells is None:
                return rows
            if not cells or [cell.strip() for cell in cells] == self._columns:
                continue
            if len(cells) > len(self._columns):
                self.skipped += 1
                continue
            rows.append({name: cell for name, cell in zip(self._columns, cells, strict=False) if cell.strip()})

    def _header(self, line: str) -> None:
        self._delimiter = "\t" if self.path.suffix == ".tsv" else max(",;\t", key=line.count)
        try:
            cells = [cell.strip() for cell in next(csv.reader([line], delimiter=self._delimiter))]
        except (csv.Error, StopIteration):
            cells = []
        if all(_number(cell) == _number(cell) for cell in cells):  # no names: numbers from the start
            cells = [f"column {place}" for place in range(1, len(cells) + 1)]
        self._columns = cells

    # Points

    def _point(self, row: dict[str, float | str]) -> Point | None:
        if not self._x:
            self._x, self._time = counting(row)
            self.unit = _word(self._x) or "line"
        numbers = {name: _number(value) for name, value in row.items() if _is_number(value)}
        time = _moment(row.get(self._time, ""))
        x = max(0.0, self._last) if self._x else self._last + 1
        if self._x and self._x == self._time:
            self._first = time if self._first != self._first else self._first
            x = time - self._first if time > _UNIX else time
        elif self._x in numbers:
            x = numbers[self._x]
        values = [(name, value) for name, value in numbers.items() if name not in (self._x, self._time)]
        if not values or not math.isfinite(x):
            self.skipped += not numbers
            return None
        self._last = x
        return Point(x, time if time > _UNIX else 0.0, values)


def _flat(tree: dict[str, Any], prefix: str) -> Iterable[tuple[str, float | str]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, Any]", value), f"{prefix}{key}.")
        elif isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield prefix + key, value


def _is_number(value: float | str) -> bool:
    if not isinstance(value, str):
        return True
    try:
        float(value)
    except ValueError:
        return False
    return True


def _number(value: float | str) -> float:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _moment(value: float | str) -> float:
    """Seconds in a cell with a number or a date; not a number where it has neither."""
    found = _number(value)
    if found == found or not isinstance(value, str):
        return found
    try:
        return datetime.fromisoformat(value.strip()).timestamp()
    except (ValueError, OverflowError):
        return math.nan
