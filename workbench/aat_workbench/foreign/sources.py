"""What a path holds of trainings that are not ours: event files, folder by folder, and tables of metrics."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aat_datasets.errors import InputError

from .event_folder import EventFolder, event_files
from .points import Reader
from .tables import TABLES, TableTail, counting

__all__ = ["Source", "Sources", "find"]

MOST = 500  # runs of one path
DEEP = 6  # folders below one another


class Source(NamedTuple):
    """One run: its name, the file or folder it is read from, and what that is."""

    name: str
    path: Path
    kind: str

    def reader(self) -> Reader:
        """A new reader, which begins at the start."""
        if self.kind != "TensorBoard":
            return TableTail(self.path)
        return EventFolder(self.path) if self.path.is_dir() else EventFolder(self.path.parent, [self.path])


def find(path: Path, tables: dict[Path, bool] | None = None) -> list[Source]:
    """The runs in ``path``: a folder of event files, or of such folders and tables, or one file; by name.

    A table found in a folder counts where a column of its first line counts steps, epochs or time; ``tables`` keeps
    which did, for the next look. Raises InputError where there is no such path, or no table can be in such a file.
    """
    known = {} if tables is None else tables
    if path.is_file():
        if "tfevents" in path.name:
            return [Source(path.parent.name or path.name, path, "TensorBoard")]
        if path.suffix in TABLES:
            return [Source(path.stem, path, path.suffix[1:].upper())]
        raise InputError(f"{path}: no file of curves", f"event files of TensorBoard, or {', '.join(TABLES)}")
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    top = path.absolute()
    found: list[Source] = []
    for folder, files in _folders(top):
        name = folder.relative_to(top).as_posix()
        if event_files(folder):
            found.append(Source(top.name if name == "." else name, folder, "TensorBoard"))
        for table in files:
            if known.setdefault(table, False) or _is_table(table):
                known[table] = True
                inner = table.relative_to(top).with_suffix("").as_posix()
                found.append(Source(inner, table, table.suffix[1:].upper()))
        if len(found) >= MOST:
            break
    return sorted(found[:MOST])


def _folders(top: Path) -> Iterator[tuple[Path, list[Path]]]:
    """The folders below ``top`` and the tables right in each; hidden ones are left out, links are not followed."""
    for name, folders, files in os.walk(top):
        folder = Path(name)
        folders[:] = sorted(inner for inner in folders if not inner.startswith("."))
        if len(folder.relative_to(top).parts) >= DEEP:
            folders.clear()
        yield folder, [folder / file for file in sorted(files) if Path(file).suffix in TABLES and file[:1] != "."]


def _is_table(path: Path) -> bool:
    tail = TableTail(path)
    points = tail.poll(1 << 14)
    return bool(points) and tail.unit != "line" and counting([tail.unit])[0] != ""


class Sources:
    """The runs of several paths, looked for anew at every ``look``: folders and files may appear and go.

    Raises InputError where a path holds none at the start.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)
        self._tables: dict[Path, bool] = {}
        for path in self.paths:
            if not find(path):
                tables = ", ".join(TABLES)
                raise InputError(f"{path}: no curves in it", f"looked for event files of TensorBoard and {tables}")

    def look(self) -> list[Source]:
        """Every run by a name of its own."""
        found: dict[str, Source] = {}
        for path in self.paths:
            try:
                sources = find(path, self._tables)
            except InputError:  # it has gone; it may come again
                continue
            for source in sources:
                name = source.name
                if name in found and found[name].path != source.path:
                    name = f"{path.absolute().name}/{name}"
                number = 2
                while name in found and found[name].path != source.path:
                    name, number = f"{source.name} ({number})", number + 1
                found[name] = source._replace(name=name)
        return list(found.values())
