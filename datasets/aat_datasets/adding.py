"""A user's own files → a card and an ingested dataset: which columns, which splits, which labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets import shelf, sources
from aat_datasets.card import Card, Columns, Derive, File, Reader, Source, check_name
from aat_datasets.errors import DataError
from aat_datasets.guessing import Guess, guess, members_of, split_named
from aat_datasets.ingest import ingest
from aat_datasets.readers import sniff
from aat_datasets.records import Task
from aat_datasets.sources import Progress, data_root
from aat_datasets.staging import Reject

__all__ = ["AddReport", "Guess", "add", "guess"]


class AddReport(msgspec.Struct, kw_only=True):
    """What ``add`` did. ``rejected`` holds the first 1,000 of ``rejected_total``; all are in ``rejects.parquet``."""

    name: str
    rows: int
    splits: dict[str, int]
    labels: list[str]
    language: str
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
    language: str | None = None,
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
        language: its code; guessed where None: ``zh`` by its characters, else ``en``.

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
    located = _located(placed, found, alone=len(placed) == 1 and not splits)
    card = _card(name, title, language or found.language, found, [file for file, _ in located], seed)
    meta, rejects = ingest(
        card, located, found.reader, data_root() / name, allow_rejects=allow_rejects, progress=progress
    )
    card.splits = meta.splits
    return AddReport(
        name=name,
        rows=sum(meta.splits.values()),
        splits=meta.splits,
        labels=meta.labels,
        language=card.language,
        columns=card.columns,
        rejected=rejects,
        rejected_total=meta.rejected,
        derived=meta.derived,
        card=str(shelf.write_card(card)),
    )


def split_of(path: Path) -> str | None:
    """The split a file's name speaks of; None where it speaks of none, or of two."""
    return split_named(path.name)


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


def _located(placed: list[tuple[str, Path]], found: Guess, alone: bool) -> list[tuple[File, Path]]:
    """Each file, a JSON document once for every array in it. Those of a document alone may name their splits."""
    located: list[tuple[File, Path]] = []
    for split, path in placed:
        sha256, size = sources.sha256_of(path), path.stat().st_size
        keys = members_of(path) if found.members else {}
        located += [
            (File(split=(alone and named) or split, path=str(path), sha256=sha256, size=size, member=key), path)
            for key, named in (keys or {"": ""}).items()
        ]
    return located


def _card(name: str, title: str, language: str, found: Guess, files: list[File], seed: int) -> Card:
    c = found.columns
    task: Task = "classification" if c.label else "seq2seq" if c.target else "language-model"
    given = {file.split for file in files}
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
        note="added from " + ", ".join(dict.fromkeys(Path(file.path).name for file in files)),
    )
