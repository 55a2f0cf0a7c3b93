"""A user's own files → a card and an ingested dataset: which columns, which splits, which labels."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets import shelf, sources
from aat_datasets.card import Card, Columns, Derive, File, Reader, Source, check_name
from aat_datasets.converting import peek
from aat_datasets.errors import DataError
from aat_datasets.ingest import ingest
from aat_datasets.readers import column_names, path_literal, records, sniff
from aat_datasets.records import Task
from aat_datasets.sources import Progress, data_root
from aat_datasets.staging import Reject

__all__ = ["AddReport", "Guess", "add", "guess"]

_TEXT = ("text", "sentence", "review", "content", "message", "utterance", "question", "tweet", "comment", "document",
         "body", "post", "description", "source", "premise", "title", "input", "prompt")  # fmt: skip
_LABEL = ("label", "labels", "class", "category", "sentiment", "intent", "topic", "polarity", "rating", "stars",
          "spam", "y", "tag", "gold", "score")  # fmt: skip
_TARGET = ("target", "reply", "response", "answer", "summary", "translation", "output", "completion")
_SPLITS = {"train": "train", "training": "train", "dev": "dev", "valid": "dev", "validation": "dev", "val": "dev",
           "test": "test", "testing": "test"}  # fmt: skip
_SAMPLE = 2000  # rows a guess looks at
_MANY = 400  # a guessed label column has at most this many distinct values in the sample


class Guess(msgspec.Struct, kw_only=True):
    """Columns and reader settings found by looking at a file. ``known``: all its columns."""

    reader: Reader
    columns: Columns
    known: list[str]


class AddReport(msgspec.Struct, kw_only=True):
    """What ``add`` did. ``rejected`` holds the first 1,000 of ``rejected_total``; all are in ``rejects.parquet``."""

    name: str
    rows: int
    splits: dict[str, int]
    labels: list[str]
    columns: Columns
    rejected: list[Reject]
    rejected_total: int
    derived: dict[str, Any] | None
    card: str


def add(
    name: str,
    files: Sequence[Path],
    *,
    text: str | None = None,
    label: str | None = None,
    target: str | None = None,
    splits: Mapping[str, Path] | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    seed: int = 0,
    allow_rejects: bool = False,
    replace: bool = False,
    title: str = "",
    language: str = "en",
    progress: Progress | None = None,
) -> AddReport:
    """Ingest files of one kind as the dataset ``name`` and write its card.

    Args:
        files: files whose split follows from their names (``train``, ``dev``, ``test`` …), or a pool that is split.
        text, label, target: columns, by name (or by position from 1 without header); guessed where None. An empty
            ``label`` says that there is none.
        splits: split → file, where the names do not say it.
        encoding: of the files; guessed as UTF-8 or, by its mark, UTF-16.
        seed: of the derived dev and test splits.

    Raises DataError for a name that is taken or not allowed, an unknown kind of file, a column that is not there, or
    more than 5 % rejected lines without ``allow_rejects``.
    """
    check_name(name)
    if name in shelf.shipped():
        raise DataError(f"{name!r} is a dataset of the package", "choose another name")
    if name in shelf.names() and not replace:
        raise DataError(f"there is a dataset {name!r} already", "--replace ingests it anew")
    placed = _placed(files, splits or {})
    found = guess(placed[0][1], text=text, label=label, target=target, encoding=encoding, header=header)
    for _, path in placed[1:]:
        _same_kind(path, placed[0][1], found.reader)
    card = _card(name, title, language, found, placed, seed)
    located = list(zip(card.sources[0].files, (path for _, path in placed), strict=True))
    meta, rejects = ingest(
        card, located, found.reader, data_root() / name, allow_rejects=allow_rejects, progress=progress
    )
    card.splits = meta.splits
    return AddReport(
        name=name,
        rows=sum(meta.splits.values()),
        splits=meta.splits,
        labels=meta.labels,
        columns=card.columns,
        rejected=rejects,
        rejected_total=meta.rejected,
        derived=meta.derived,
        card=str(shelf.write_card(card)),
    )


def guess(
    path: Path,
    *,
    text: str | None = None,
    label: str | None = None,
    target: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Guess:
    """What the columns of a file are, what is given left as it is. Raises DataError for a column that is not there."""
    import duckdb

    reader = sniff(path)
    if encoding:
        try:
            reader.encoding = codecs.lookup(encoding).name
        except LookupError:
            raise DataError(f"unknown encoding {encoding!r}", "utf-8, utf-16, latin-1, gb18030 …") from None
    if reader.format in ("csv", "tsv"):
        reader.header = _has_header(records(path, reader, 50)) if header is None else header
    if reader.format == "json":
        objects = peek(path, reader, _SAMPLE)
        known = list(dict.fromkeys(key for one in objects for key in one))
        sample = {name: [_cell(one.get(name)) for one in objects] for name in known}
        reader.names = known if known and all(name.isdecimal() for name in known) else []
    else:
        with duckdb.connect() as con:
            known = column_names(path, reader, con)
            sample = _sample(path, reader, known, con)
    if reader.format in ("csv", "tsv") and not reader.header:
        reader.names = known
    chosen = {"text": text, "label": label, "target": target}
    for name in chosen.values():
        if name and name not in known:
            raise DataError(f"{path.name}: no column named {name!r}", f"columns: {', '.join(known[:30])}")
    free = [column for column in known if column not in chosen.values()]
    if label is None:
        label = _guess_label(free, sample) if text is not None or len(free) > 1 else ""
        free = [column for column in free if column != label]
    if target is None:
        target = _hinted(free, _TARGET) if text is not None or len(free) > 1 else ""
        free = [column for column in free if column != target]
    text = text or _guess_text(free, sample)
    if not text:
        raise DataError(f"{path.name}: no column looks like text", f"name it with --text; columns: {', '.join(known)}")
    return Guess(reader=reader, columns=Columns(text=[text], label=label or "", target=target or ""), known=known)


def split_of(path: Path) -> str | None:
    """The split a file's name speaks of; None where it speaks of none, or of two."""
    words = set(re.split(r"[^a-z]+", path.name.lower()))
    found = {_SPLITS[word] for word in words if word in _SPLITS}
    return found.pop() if len(found) == 1 else None


def _placed(files: Sequence[Path], given: Mapping[str, Path]) -> list[tuple[str, Path]]:
    """``(split, file)``. Files that name no split, or the only file there is, are the pool ``train``."""
    for split in given:
        if split not in ("train", "dev", "test"):
            raise DataError(f"no split can be called {split!r}", "train, dev or test")
    rest = [path for path in files if path not in given.values()]
    named = [(split_of(path), path) for path in rest]
    alone = len(rest) == 1 and not given
    placed = [*given.items(), *(("train" if alone or split is None else split, path) for split, path in named)]
    if not placed:
        raise DataError("no file given")
    for _, path in placed:
        if not path.is_file():
            raise DataError(f"{path}: no such file")
    return [(split, path.resolve()) for split, path in placed]


def _same_kind(path: Path, first: Path, reader: Reader) -> None:
    if sniff(path).format != reader.format:
        raise DataError(f"{path.name} is not of the same kind as {first.name}", "add files of one kind")


def _card(name: str, title: str, language: str, found: Guess, placed: list[tuple[str, Path]], seed: int) -> Card:
    files = [
        File(split=split, path=str(path), sha256=sources.sha256_of(path), size=path.stat().st_size)
        for split, path in placed
    ]
    c = found.columns
    task: Task = "classification" if c.label else "seq2seq" if c.target else "language-model"
    given = {split for split, _ in placed}
    # Nothing is derived from data that has no train split: it is there to be tested on.
    dev, test = (0.0 if split in given else 0.1 for split in ("dev", "test"))
    derive = Derive(dev=dev, test=test, seed=seed) if "train" in given and (dev or test) else None
    return Card(
        name=name,
        title=title or name,
        task=task,
        language=language,
        columns=c,
        sources=[Source(kind="mirror", reader=found.reader, files=files)],
        licence="not stated",
        derive=derive,
        note="added from " + ", ".join(path.name for _, path in placed),
    )


def _sample(path: Path, reader: Reader, known: list[str], con: Any) -> dict[str, list[str]]:
    """Column → its values in the first rows."""
    import json

    from aat_datasets.readers import first_lines

    rows: list[list[str]]
    if reader.format in ("csv", "tsv"):
        rows = records(path, reader, _SAMPLE)[1 if reader.header else 0 :]
    elif reader.format == "parquet":
        columns = ", ".join(f'CAST("{c}" AS VARCHAR)' for c in (name.replace('"', '""') for name in known))
        sql = f"SELECT {columns} FROM read_parquet({path_literal(path)}) LIMIT {_SAMPLE}"
        rows = [["" if cell is None else str(cell) for cell in row] for row in con.execute(sql).fetchall()]
    elif reader.format == "jsonl":
        rows = []
        for line in first_lines(path, reader, _SAMPLE):
            try:
                value: Any = json.loads(line)
            except (ValueError, RecursionError):
                continue  # counted as rejected when the file is read
            if isinstance(value, dict):
                cells: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
                rows.append([_cell(cells.get(c)) for c in known])
    else:
        rows = [[line] for line in first_lines(path, reader, _SAMPLE)]
    usable = [row for row in rows if len(row) == len(known)]
    return {name: [row[index] for row in usable] for index, name in enumerate(known)}


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first record names columns: a known name, or short words that never come back as values."""
    if not rows:
        return False
    first = [cell.strip() for cell in rows[0]]
    if any(cell.lower() in (*_TEXT, *_LABEL, *_TARGET) for cell in first) and all(len(cell) <= 60 for cell in first):
        return True
    if len(set(first)) != len(first) or any(not re.fullmatch(r"[^\W\d][\w .-]{0,39}", cell) for cell in first):
        return False
    later = [row for row in rows[1:] if len(row) == len(first)]
    if len(first) < 2 or not later or any(len(cell.split()) > 3 for cell in first):
        return False
    below = [[row[index].strip() for row in later] for index in range(len(first))]
    return all(cell not in values for cell, values in zip(first, below, strict=True)) and any(
        sum(map(len, values)) > 3 * len(values) * len(cell) for cell, values in zip(first, below, strict=True)
    )


def _hinted(columns: list[str], hints: tuple[str, ...]) -> str:
    """The first column whose name is a hint, else whose name holds one as a word."""
    for hint in hints:
        for column in columns:
            if column.lower() == hint:
                return column
    for hint in hints:
        for column in columns:
            if len(hint) > 2 and hint in re.split(r"[^a-z]+", column.lower()):
                return column
    return ""


def _guess_label(columns: list[str], sample: dict[str, list[str]]) -> str:
    """The hinted column with few distinct values, else the column with fewest that repeat; '' where there is none."""
    fitting = {c: distinct for c in columns if (distinct := _few(sample.get(c, [])))}
    hinted = _hinted([c for c in columns if c in fitting], _LABEL)
    if hinted or not fitting:
        return hinted
    return min(fitting, key=lambda c: fitting[c])


def _few(values: list[str]) -> int:
    """The number of distinct values of a column that may be a label; 0 where it cannot be one."""
    present = [value.strip() for value in values if value.strip()]
    distinct = set(present)
    if len(distinct) < 2 or len(distinct) > _MANY or len(distinct) * 2 > len(present):
        return 0
    return len(distinct) if sum(map(len, distinct)) <= 40 * len(distinct) else 0


def _guess_text(columns: list[str], sample: dict[str, list[str]]) -> str:
    """The hinted column, unless another is three times as long on average; else the longest."""
    if not columns:
        return ""
    means = {c: sum(map(len, sample.get(c, []))) / max(len(sample.get(c, [])), 1) for c in columns}
    longest = max(columns, key=lambda c: means[c])
    hinted = _hinted(columns, _TEXT)
    return hinted if hinted and means[hinted] * 3 >= means[longest] else longest
