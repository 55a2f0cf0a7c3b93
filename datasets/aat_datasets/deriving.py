"""Datasets made from datasets: new splits, a sample, a filtered view, and files for other programs.

What is made is a dataset of the user's own, with a card beside its rows; the rows are a Parquet file under
``$AAT_DATA/raw``, so that a later change of the first dataset changes nothing in it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from aat_datasets import shelf, sources
from aat_datasets.card import Card, Columns, Derive, File, Reader, Source, check_name
from aat_datasets.catalog import Dataset
from aat_datasets.errors import ConfigError, DataError, UnknownNameError
from aat_datasets.ingest import ingest
from aat_datasets.readers import identifier, literal, path_literal
from aat_datasets.sources import Progress, data_root
from aat_datasets.staging import DIGEST

__all__ = ["Exported", "Made", "export", "resplit", "sample", "with_replies"]

_FORMATS = {".csv": "csv", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}


class Made(msgspec.Struct, kw_only=True):
    """A dataset that was made from another."""

    name: str
    rows: int
    splits: dict[str, int]
    labels: list[str]
    card: str


class Exported(msgspec.Struct, kw_only=True):
    """A file that was written."""

    path: str
    rows: int
    sha256: str


def resplit(
    dataset: Dataset,
    name: str,
    *,
    dev: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    splits: Sequence[str] = (),
    replace: bool = False,
    progress: Progress | None = None,
) -> Made:
    """Pool splits of a dataset (default: all) and draw dev and test anew, stratified by label and seeded.

    Raises DataError for a name that is taken, ConfigError for shares that leave nothing to train on.
    """
    if dev < 0 or test < 0 or dev + test >= 1:
        raise ConfigError(f"dev {dev:g} and test {test:g} leave nothing to train on", "their sum is to be below 1")
    _free(name, replace)
    chosen = list(splits) or list(dataset.splits)
    with _raw(name) as write:
        files = [write(dataset, split, None, "train") for split in chosen]
    note = f"splits of {dataset.name} drawn anew from {', '.join(chosen)}: a text may be on another side than there"
    card = _card(dataset, name, files, note, Derive(dev=dev, test=test, seed=seed) if dev or test else None)
    return _made(card, files, progress)


def sample(
    dataset: Dataset,
    name: str,
    *,
    count: int = 0,
    seed: int = 0,
    splits: Sequence[str] = (),
    balanced: bool = False,
    where: str | None = None,
    label: str | None = None,
    contains: str | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Made:
    """Rows that filters let through, or ``count`` of them drawn with ``seed``; each stays in its split.

    Args:
        count: rows of each split; 0: all that pass.
        splits: only these; default all.
        balanced: as many of each label.
        where, label, contains: as ``Table.window``.

    Raises DataError for a name that is taken, or where nothing passes; UnknownNameError.
    """
    _free(name, replace)
    chosen = list(splits) or list(dataset.splits)
    with _raw(name) as write:
        files: list[tuple[File, Path]] = []
        for split in chosen:
            table = dataset.table(split)
            passing = table.matching(where, label, contains)
            rows = _drawn(dataset, split, passing, count, seed, balanced)
            if len(rows):
                files.append(write(dataset, split, rows, split))
    if not files:
        raise DataError(f"{dataset.name}: no row of {', '.join(chosen)} passes")
    filters = [f"where {where}" if where else "", f"label {label}" if label else "", contains and f"holds {contains!r}"]
    drawn = f"{count:,} rows of each split, seed {seed}" if count else "all rows"
    note = f"{drawn} of {dataset.name}{', balanced' if balanced else ''}: {'; '.join(filter(None, filters)) or 'no filter'}"
    return _made(_card(dataset, name, files, note, None), files, progress)


def with_replies(
    dataset: Dataset,
    name: str,
    replies: Mapping[str, Sequence[str]],
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> Made:
    """The rows of a dataset with labels, each with one of its label's ``replies`` as its output text.

    Which one is drawn by the text itself. Raises DataError for a name that is taken, or where a label has no replies;
    UnknownNameError for replies to a label that there is not.
    """
    _free(name, replace)
    for label in replies:
        if label not in dataset.labels:
            raise UnknownNameError(f"label of {dataset.name}", label, dataset.labels)
    missing = [label for label in dataset.labels if not replies.get(label)]
    if missing or not dataset.labels:
        raise DataError(
            f"no replies for {', '.join(missing[:5]) or 'a dataset without labels'}", "every label needs one"
        )
    lists = ", ".join(f"[{', '.join(map(literal, replies[label]))}]" for label in dataset.labels)
    names = ", ".join(map(literal, dataset.labels))

    def answered(sql: str) -> str:
        own = f"([{lists}])[list_position([{names}], label)]"
        drawn = (
            f"(WITH rows AS (SELECT * FROM {sql}), own AS (SELECT *, {own} AS replies, {DIGEST} AS digest FROM rows) "
        )
        place = "1 + (digest % len(replies)::UBIGINT)::INT"
        return f"{drawn} SELECT * EXCLUDE (replies, digest), replies[{place}] AS target FROM own)"

    with _raw(name, answered) as write:
        files = [write(dataset, split, None, split) for split in dataset.splits]
    card = _card(dataset, name, files, f"{dataset.name} with replies that were written to its labels", None)
    card.columns.target = "target"
    return _made(card, files, progress)


def export(
    dataset: Dataset,
    path: Path,
    *,
    splits: Sequence[str] = (),
    where: str | None = None,
    label: str | None = None,
    contains: str | None = None,
) -> Exported:
    """Write rows as CSV, JSON lines (both also ``.gz``) or Parquet, by the name of the file: ``row, text, label …``.

    Of several splits there is a column ``split``. The file appears whole. Raises DataError for an unknown kind of file,
    or where it cannot be written.
    """
    import duckdb

    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] == ".gz"
    kind = _FORMATS.get((suffixes[:-1] if packed else suffixes)[-1] if len(suffixes) > packed else "")
    if kind is None or (packed and kind == "parquet"):
        raise DataError(f"{path}: unknown kind of file", "known: .csv .jsonl, also with .gz, .parquet")
    chosen = list(splits) or list(dataset.splits)
    options = {"csv": "FORMAT csv, HEADER, FORCE_QUOTE (text)", "json": "FORMAT json", "parquet": "FORMAT parquet"}[
        kind
    ]
    options += ", COMPRESSION gzip" if packed else ""
    partial = path.parent / f".{path.name}.partial-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        with duckdb.connect() as con:
            parts = [
                f"SELECT {literal(split) + ' AS split, ' if len(chosen) > 1 else ''}* FROM "
                + _relation(con, dataset, split, _passing(dataset, split, where, label, contains))
                for split in chosen
            ]
            rows = con.execute(f"COPY ({' UNION ALL '.join(parts)}) TO {literal(str(partial))} ({options})").fetchone()
        partial.replace(path)
    except (OSError, duckdb.IOException) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}", "nothing was written") from None
    finally:
        partial.unlink(missing_ok=True)
    return Exported(path=str(path), rows=int(rows[0]) if rows else 0, sha256=sources.sha256_of(path))


def _passing(
    dataset: Dataset, split: str, where: str | None, label: str | None, contains: str | None
) -> NDArray[np.int64] | None:
    table = dataset.table(split)
    return table.matching(where, label, contains) if where or label is not None or contains else None


def _drawn(
    dataset: Dataset, split: str, passing: NDArray[np.int64], count: int, seed: int, balanced: bool
) -> NDArray[np.int64]:
    """``count`` of the rows that pass, in ascending order; of each label as many where ``balanced``."""
    rng = np.random.default_rng([seed, *split.encode()])
    if not balanced or not dataset.labels:
        if not 0 < count < len(passing):
            return passing
        return np.sort(rng.choice(passing, count, replace=False))
    codes = np.full(dataset.splits[split], -1)
    for row, code in dataset.table(split).query("SELECT row, code FROM texts WHERE code IS NOT NULL"):
        codes[row] = code
    groups = [passing[codes[passing] == code] for code in range(len(dataset.labels))]
    groups = [group for group in groups if len(group)]
    each = min(map(len, groups), default=0)
    each = min(each, -(-count // len(groups))) if count and groups else each
    taken = [rng.choice(group, each, replace=False) for group in groups]
    return np.sort(np.concatenate(taken)) if taken else passing[:0]


def _relation(con: Any, dataset: Dataset, split: str, rows: NDArray[np.int64] | None) -> str:
    """SQL of rows of a split, labels by name, in the order of their rows."""
    path = dataset.table(split).path
    names = f"[{', '.join(map(literal, dataset.labels))}]::VARCHAR[]"
    more = [identifier(name) for name in dataset.meta.columns if name not in ("row", "text", "label")]
    columns = ["file_row_number AS row", "text", *([f"({names})[label + 1] AS label"] if dataset.labels else []), *more]
    sql = f"SELECT {', '.join(columns)} FROM read_parquet({path_literal(path)}, file_row_number=true)"
    if rows is not None:
        wanted = identifier(f"wanted_{split}")
        con.execute(f"CREATE TABLE {wanted} AS SELECT unnest(?::BIGINT[]) AS row", [rows.tolist()])
        sql += f" WHERE file_row_number IN (SELECT row FROM {wanted})"
    return f"({sql} ORDER BY row)" if rows is not None else f"({sql})"


@contextmanager
def _raw(name: str, changed: Callable[[str], str] = str) -> Generator[Any]:
    """Gives a function that writes rows of a split under their checksum and returns their entry in a card.

    ``changed`` makes SQL of what is written from SQL of the rows.
    """
    import duckdb

    folder = data_root() / "raw"
    left: list[Path] = []

    def write(dataset: Dataset, split: str, rows: NDArray[np.int64] | None, target: str) -> tuple[File, Path]:
        partial = folder / f".{name}-{os.getpid()}-{secrets.token_hex(4)}.parquet"
        left.append(partial)
        with duckdb.connect() as con:
            sql = changed(_relation(con, dataset, split, rows))
            con.execute(f"COPY {sql} TO {literal(str(partial))} (FORMAT parquet)")
        sha256 = sources.sha256_of(partial)
        path = folder / sha256[:16] / f"{name}-{split}.parquet"
        path.parent.mkdir(exist_ok=True)
        partial.replace(path)
        return File(split=target, path=str(path.absolute()), sha256=sha256, size=path.stat().st_size), path

    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield write
    except (OSError, duckdb.IOException) as error:
        raise DataError(f"{folder}: {str(error).splitlines()[0]}", "nothing was kept") from None
    finally:
        for partial in left:
            partial.unlink(missing_ok=True)


def _free(name: str, replace: bool) -> None:
    check_name(name)
    if name in shelf.shipped():
        raise DataError(f"{name!r} is a dataset of the package", "choose another name")
    if name in shelf.names() and not replace:
        raise DataError(f"there is a dataset {name!r} already", "--replace makes it anew")


def _card(dataset: Dataset, name: str, files: list[tuple[File, Path]], note: str, derive: Derive | None) -> Card:
    first = shelf.card(dataset.name)
    columns = dataset.meta.columns
    own = {name: name for name in ("label", "text_b", "target", "history", "dialogue") if name in columns}
    meta = [column for column in columns if column not in ("row", "text", *own)]
    return Card(
        name=name,
        title=f"{first.title}: {'other splits' if derive else 'a selection'}",
        task=first.task,
        language=first.language,
        columns=Columns(text=["text"], meta=meta, **own),
        sources=[Source(kind="mirror", reader=Reader(format="parquet"), files=[file for file, _ in files])],
        licence=first.licence,
        labels=list(dataset.labels),
        derive=derive,
        citation=first.citation,
        note=note,
        origin=first.origin,
    )


def _made(card: Card, files: list[tuple[File, Path]], progress: Progress | None) -> Made:
    meta, _ = ingest(card, files, card.sources[0].reader, data_root() / card.name, progress=progress)
    card.splits = meta.splits
    path = shelf.write_card(card)
    return Made(name=card.name, rows=sum(meta.splits.values()), splits=meta.splits, labels=meta.labels, card=str(path))
