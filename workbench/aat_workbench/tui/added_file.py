"""What the form that adds a file knows of it: its first rows, what its columns are, and what is wrong with the choice."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.errors import DataError

from ..terminal import visible
from .dataset_rows import grouped
from .widgets.table import Column

__all__ = ["NONE", "Look", "Selected", "Settings", "free_name", "look_at", "preview_rows", "report_text", "wrong"]

NONE = ""  # the column that is none
SEEN = 8  # columns of a preview
LABELS = 12  # named in a line


class Selected(msgspec.Struct, frozen=True):
    """Which column is what; empty: none is."""

    text: str = NONE
    label: str = NONE
    target: str = NONE


class Look(msgspec.Struct, frozen=True):
    """The beginning of a file. ``wrong`` of its first ``seen`` lines do not fit its columns."""

    known: list[str]
    columns: Selected
    rows: list[list[str]]
    seen: int
    wrong: int
    format: str
    splits: list[str]  # that the file holds by itself
    language: str

    def labels_told(self) -> str:
        """The labels of the first rows with how often they occur, in a line."""
        told = f"{self.format} · {len(self.known)} column{'' if len(self.known) == 1 else 's'}"
        told += " · Chinese" if self.language == "zh" else ""
        if self.wrong:
            told += f" · {self.wrong} of the first {grouped(self.seen)} lines look wrong"
        if not self.columns.label or self.columns.label not in self.known:
            return f"{told} · no labels"
        place = self.known.index(self.columns.label)
        counts = Counter(row[place].strip() for row in self.rows)
        named = [f"{label[:30]} {count}" for label, count in counts.most_common(LABELS)]
        more = f", {len(counts) - LABELS} more" if len(counts) > LABELS else ""
        return f"{told} · {len(counts)} labels in the first {grouped(len(self.rows))} rows: {', '.join(named)}{more}"


class Settings(msgspec.Struct, frozen=True):
    """What the form says."""

    path: Path
    dev: str
    test: str
    name: str
    columns: Selected

    @classmethod
    def of(cls, texts: dict[str, str], columns: dict[str, str]) -> Settings:
        return cls(shown_as(texts["path"]), texts["dev"], texts["test"], texts["name"], Selected(**columns))

    def splits(self) -> dict[str, Path]:
        """Split → file, where the form names files for splits."""
        found = {"dev": self.dev, "test": self.test}
        given = {split: shown_as(path) for split, path in found.items() if path}
        return {"train": self.path, **given} if given else {}

    def told(self, held: Collection[str]) -> str:
        """What will be done, in two lines, with a file that holds the splits ``held`` by itself."""
        held = () if self.dev or self.test else held
        drawn = [split for split, path in (("dev", self.dev), ("test", self.test)) if not path and split not in held]
        line = f"{self.path.name} becomes the dataset {self.name}{' with its own ' if held else ''}{', '.join(held)}"
        return line + (f"\n  {' and '.join(drawn)}: a tenth of it each, drawn label by label" if drawn else "")

    def arguments(self) -> dict[str, Any]:
        """For ``aat_datasets.adding.add``."""
        splits = {split: str(path.absolute()) for split, path in self.splits().items()}
        return {
            "files": [] if splits else [str(self.path.absolute())],
            "splits": splits,
            "text": self.columns.text,
            "label": self.columns.label,
            "target": self.columns.target,
        }


def shown_as(typed: str) -> Path:
    """The file that is meant: in a form, characters of its name that a terminal would obey or hide are glyphs."""
    path = Path(typed).expanduser()
    with contextlib.suppress(OSError, ValueError):
        if typed and not typed.isascii() and not path.exists():
            return next((other for other in path.parent.iterdir() if visible(other.name) == path.name), path)
    return path


def look_at(path: Path, chosen: Selected | None = None) -> Look:
    """Look at the beginning of a file; columns that are not ``chosen`` are guessed. Blocks. Raises DataError."""
    from aat_datasets.adding import guess
    from aat_datasets.peeking import peek

    if not path.name:
        raise DataError("type the path of a CSV, TSV, JSONL, Parquet or text file, also with .gz")
    if path.is_dir():
        raise DataError(f"{path} is a folder", "a file is wanted")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    found = guess(path)
    rows, bad = peek(path, found.reader, found.known, member=next(iter(found.members), ""))
    c = found.columns
    columns = chosen or Selected(c.text[0], c.label, c.target)
    return Look(
        found.known,
        columns,
        rows,
        len(rows) + bad,
        bad,
        found.reader.format,
        list(dict.fromkeys(filter(None, found.members.values()))),
        found.language,
    )


def wrong(settings: Settings, taken: Collection[str]) -> str:
    """What keeps the file from being added; empty where nothing does."""
    from aat_datasets.card import check_name

    try:
        check_name(settings.name)
    except DataError as error:
        return str(error)
    if settings.name in taken:
        return f"there is a dataset {settings.name!r} already: choose another name"
    for split, path in settings.splits().items():
        if not path.is_file():
            return f"{split} file: {path} is no file"
    names = [name for name in (settings.columns.text, settings.columns.label, settings.columns.target) if name]
    if not settings.columns.text:
        return "which column is the text?"
    if len(set(names)) < len(names):
        return "one column cannot be two things"
    return ""


def free_name(path: Path, taken: Collection[str]) -> str:
    """A name for the dataset, from the file's."""
    stem = path.name.lower().removesuffix(".gz").rsplit(".", 1)[0]
    name = re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:56] or "mine"
    if name not in taken and name not in ("cards", "raw"):
        return name
    return next(f"{name}-{number}" for number in range(2, 10_000) if f"{name}-{number}" not in taken)


def preview_rows(look: Look | None) -> tuple[list[Column], Sequence[Sequence[tuple[str, str]]]]:
    """Columns and cells (text, colour) of the first rows: what was chosen first, and widest the text."""
    if look is None:
        return [Column("")], []
    c = look.columns
    roles = {c.text: "text", c.label: "label", c.target: "output"}
    order = [name for name in (c.label, c.target, c.text) if name in look.known]
    order += [name for name in look.known if name not in order]
    order = order[:SEEN]
    widths = {"text": 0, "label": 16, "output": 24}
    if c.text not in order:
        widths = {**widths, "output": 0}
    columns = [
        Column(f"{name[:20]}{f' ({roles[name]})' if name in roles else ''}", widths.get(roles.get(name, ""), 12))
        for name in sorted(order, key=lambda name: name == c.text)
    ]
    order.sort(key=lambda name: name == c.text)  # the text takes what the others leave
    places = [look.known.index(name) for name in order]
    colours = ["" if name == c.text else "primary" if name in roles else "faint" for name in order]
    cells = [[(row[place], shade) for place, shade in zip(places, colours, strict=True)] for row in look.rows]
    return columns, cells


def report_text(report: dict[str, Any]) -> str:
    """What was read, in a few lines."""
    splits = ", ".join(f"{split} {grouped(rows)}" for split, rows in report["splits"].items())
    told = f"{report['name']}: {grouped(report['rows'])} rows ({splits})"
    labels = report["labels"]
    if labels:
        named = ", ".join(visible(label[:30]) for label in labels[:LABELS])
        told += f"\n  {len(labels)} labels: {named}{' …' if len(labels) > LABELS else ''}"
    rejected = report["rejected_total"]
    if rejected:
        shown = len(report["rejected"])
        more = f", the first {grouped(shown)} above" if shown < rejected else ", listed above"
        told += f"\n  {grouped(rejected)} line{'' if rejected == 1 else 's'} left out{more}"
    return told
