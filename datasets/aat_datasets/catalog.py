"""Datasets by name: the cards that ship and the user's own, what state each is in, and how to open one.

``open_dataset`` ingests on first use from what is on this machine; only ``get`` downloads.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

from aat_datasets import corpora, shelf, sources
from aat_datasets.adding import AddReport, add
from aat_datasets.card import Card, Columns, Derive, File, Reader, Source
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.fetching import fetched
from aat_datasets.ingest import Meta, ingest, read_meta
from aat_datasets.records import DatasetInfo, Example, State
from aat_datasets.shelf import card, names, shipped, write_card
from aat_datasets.sources import Progress, data_root
from aat_datasets.staging import Reject
from aat_datasets.tables import Table
from aat_datasets.view_rows import ingest_view

__all__ = [
    "AddReport",
    "Card",
    "Columns",
    "Dataset",
    "Derive",
    "File",
    "Reader",
    "Source",
    "add",
    "card",
    "describe",
    "fetched",
    "get",
    "listing",
    "names",
    "open_dataset",
    "rejected",
    "shipped",
    "write_card",
]


class Dataset:
    """A dataset whose Parquet is on disk.

    Attributes: ``name``, ``info``, ``labels`` (names by index), ``splits`` (name → rows), ``fingerprint`` (a hash of
    its whole content), ``folder``, ``meta``.
    """

    def __init__(self, info: DatasetInfo, folder: Path, meta: Meta) -> None:
        self.name = info.name
        self.info = info
        self.labels = meta.labels
        self.splits = meta.splits
        self.fingerprint = meta.fingerprint
        self.folder = folder
        self.meta = meta
        self._tables: dict[str, Table] = {}

    def table(self, split: str) -> Table:
        """The rows of a split. Raises UnknownNameError."""
        self._check(split)
        if split not in self._tables:
            path = self.folder / f"{split}.parquet"
            self._tables[split] = Table(path, self.labels, self.meta.columns, self.splits[split])
        return self._tables[split]

    def columns(
        self, split: str, rows: Sequence[int] | None = None
    ) -> tuple[list[int], list[str], list[int | None], list[str | None]]:
        """``(rows, texts, labels, targets)`` of a split, or of some of its rows in ascending order."""
        table = self.table(split)
        label = "code" if self.labels else "NULL"
        target = "target" if "target" in self.meta.columns else "NULL"
        chosen = "WHERE row IN (SELECT unnest(?))" if rows is not None else ""
        parameters = [list(rows)] if rows is not None else []
        found = table.query(f"SELECT row, text, {label}, {target} FROM texts {chosen} ORDER BY row", parameters)
        if not found:
            return [], [], [], []
        ids, texts, labels, targets = zip(*found, strict=True)
        return list(ids), list(texts), list(labels), list(targets)

    def chunks(
        self, split: str, size: int = 1 << 16
    ) -> Iterator[tuple[list[int], list[str], list[int | None], list[str | None]]]:
        """``columns`` of a split in pieces of at most ``size`` rows, in their order: a split may not fit into memory."""
        table = self.table(split)
        label = "code" if self.labels else "NULL"
        target = "target" if "target" in self.meta.columns else "NULL"
        sql = f"SELECT row, text, {label}, {target} FROM texts WHERE row >= ? AND row < ? ORDER BY row"
        for start in range(0, self.splits[split], size):
            ids, texts, labels, targets = zip(*table.query(sql, [start, start + size]), strict=True)
            yield list(ids), list(texts), list(labels), list(targets)

    @property
    def has_history(self) -> bool:
        """Whether its texts are turns of conversations whose earlier turns are known."""
        return "history" in self.meta.columns

    def histories(self, split: str, start: int, stop: int, most: int) -> list[tuple[str, ...]]:
        """At most ``most`` turns before each of the rows ``start`` to ``stop`` (excluded), the oldest first."""
        if not self.has_history or most < 1:
            return [()] * max(0, stop - start)
        sql = "SELECT history FROM texts WHERE row >= ? AND row < ? ORDER BY row"
        return [_turns(cell)[-most:] for (cell,) in self.table(split).query(sql, [start, stop])]

    def examples(self, split: str, limit: int = 0, seed: int = 0) -> list[Example]:
        """All texts of a split, or ``limit`` of them drawn with ``seed``, in the order of their rows."""
        self._check(split)
        total = self.splits[split]
        rows = sorted(random.Random(seed).sample(range(total), limit)) if 0 < limit < total else None
        found = list(zip(*self.columns(split, rows), strict=True))
        before: dict[int, tuple[str, ...]] = {}
        if self.has_history:
            sql = "SELECT row, history FROM texts WHERE row IN (SELECT unnest(?))"
            before = {row: _turns(cell) for row, cell in self.table(split).query(sql, [[row for row, *_ in found]])}
        return [
            Example(row=row, text=text, label=label, target=target, history=before.get(row, ()))
            for row, text, label, target in found
        ]

    def _check(self, split: str) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.name}", split, self.splits)


def _turns(cell: str | None) -> tuple[str, ...]:
    """The turns in a cell of the column ``history``; none where it holds no list."""
    try:
        found: Any = json.loads(cell or "[]")
    except ValueError:
        return ()
    return tuple(map(str, cast("list[Any]", found))) if isinstance(found, list) else ()


def describe(name: str) -> DatasetInfo:
    """What a list shows of a dataset. Reads its card and ``meta.json`` only."""
    found = card(name)
    return _info(found, _ready(found))


def listing() -> list[DatasetInfo]:
    """Every dataset; one whose card cannot be read is in the list with the reason as its note."""
    infos: list[DatasetInfo] = []
    for name in names():
        try:
            infos.append(describe(name))
        except DataError as error:
            infos.append(
                DatasetInfo(
                    name=name,
                    title=name,
                    task="classification",
                    language="",
                    labels=[],
                    splits={},
                    state="missing",
                    licence="",
                    note=str(error),
                )
            )
    return infos


def open_dataset(name: str, progress: Progress | None = None) -> Dataset:
    """A dataset ready to read, ingested now where its files are on this machine; never downloads.

    Raises UnknownNameError, or DataError where the files are not here or do not fit the card.
    """
    found = card(name)
    folder = data_root() / name
    meta = _ready(found)
    if meta is None:
        meta = _ingest(found, folder, progress)
    return Dataset(_info(found, meta), folder, meta)


def get(name: str, progress: Progress | None = None) -> list[dict[str, str]]:
    """Fetch a dataset (mirror first, then download), verify and ingest it. ``fetched`` makes a card of what has none.

    Returns ``[{path, sha256}]`` of its files; of a built-in corpus, of the Parquet it was written to. Raises
    UnknownNameError or DataError.
    """
    found = card(name)
    if found.view is not None:
        files = get(found.view.dataset, progress)
        open_dataset(name, progress)
        return files
    source = sources.reachable(found) or sources.download(found, progress)
    dataset = open_dataset(name, progress)
    if source.kind in ("builtin", "nltk"):
        paths = [dataset.folder / f"{split}.parquet" for split in dataset.splits]
        return [{"path": str(path), "sha256": sources.sha256_of(path)} for path in paths]
    return sources.listed(sources.locate(source) or [])


def _ingest(found: Card, folder: Path, progress: Progress | None) -> Meta:
    if found.view is not None:
        shelf.root(found.name)  # views in a circle have no end
        return ingest_view(found, open_dataset(found.view.dataset, progress), folder, progress)
    for source in found.sources:
        if source.kind == "builtin":
            recipe = found.recipe(_builtin_source())
            return _ingest_made(found, _builtin_rows(found.name), folder, recipe, progress)
        if source.kind == "nltk" and corpora.present(source.repo, sources.roots()):
            texts = corpora.rows(source.repo, sources.roots())
            rows = ({"text": text, "label": label} for text, label in texts)
            return _ingest_made(found, {"train": rows}, folder, found.recipe(), progress)
        files = sources.locate(source) if source.files else None
        if files:
            meta, _ = ingest(
                found.seen_from(source), files, source.reader, folder, recipe=found.recipe(), progress=progress
            )
            return meta
    raise DataError(f"dataset {found.name!r} is not on this machine", f"aat-workbench data get {found.name}")


def _builtin_rows(name: str) -> dict[str, Iterable[dict[str, Any]]]:
    from aat_datasets import builtin

    return {
        split: ({"text": text, "label": label, "target": reply} for text, label, reply in rows)
        for split, rows in builtin.splits(name).items()
    }


def _ingest_made(
    found: Card, splits: dict[str, Iterable[dict[str, Any]]], folder: Path, recipe: str, progress: Progress | None
) -> Meta:
    """Write rows that no file holds as JSON lines and ingest these: one path for everything."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="aat-") as work:
        files: list[tuple[File, Path]] = []
        for split, rows in splits.items():
            path = Path(work) / f"{split}.jsonl"
            with path.open("w", encoding="utf-8") as file:
                for row in rows:
                    file.write(json.dumps(row) + "\n")
            files.append((File(split=split, path=f"{found.sources[0].kind}:{found.name}"), path))
        meta, _ = ingest(found, files, Reader(format="jsonl"), folder, recipe=recipe, progress=progress)
    return meta


def _ready(found: Card) -> Meta | None:
    """The cached dataset's meta where it was made from this very card."""
    meta = read_meta(data_root() / found.name)
    if meta is None:
        return None
    content = _builtin_source() if any(source.kind == "builtin" for source in found.sources) else ""
    return meta if meta.recipe == found.recipe(content) else None


@cache
def _builtin_source() -> str:
    """A hash of what the built-in corpora are generated from: generating them to compare would take seconds."""
    digest = hashlib.sha256()
    folder = Path(str(resources.files("aat_datasets") / "builtin"))
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _info(found: Card, meta: Meta | None) -> DatasetInfo:
    return DatasetInfo(
        name=found.name,
        title=found.title,
        task=found.task,
        language=found.language,
        labels=meta.labels if meta else found.labels,
        splits=meta.splits if meta else found.splits,
        state=_state(found, meta),
        licence=found.licence,
        note=found.note,
    )


def _state(found: Card, meta: Meta | None) -> State:
    if meta is not None:
        return "ready"
    if found.view is not None:
        base = describe(shelf.root(found.view.dataset)).state
        return "mirror" if base in ("ready", "builtin") else base  # on this machine, but not read yet
    source = sources.reachable(found)
    if source is not None:
        return "builtin" if source.kind == "builtin" else "mirror"
    return "downloadable" if any(map(sources.downloadable, found.sources)) else "missing"


def rejected(name: str) -> list[Reject]:
    """The rejected lines of an ingested dataset, from its ``rejects.parquet``. Raises as ``open_dataset``."""
    import duckdb

    from aat_datasets.readers import path_literal

    path = open_dataset(name).folder / "rejects.parquet"
    with duckdb.connect() as con:
        rows = con.execute(f"SELECT file, line, reason FROM read_parquet({path_literal(path)})").fetchall()
    return [Reject(*row) for row in rows]
