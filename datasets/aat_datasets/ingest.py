"""Raw files → one Parquet file a split, with what was rejected and why.

Every file is looked at first: its labels, and a reason for each row that cannot be used; then labels and derived splits
are decided and each split is written in the order of its files. Parsing twice costs less than writing texts twice. All
happens in a temporary folder that is renamed into place, ``meta.json`` written last, so that a reader sees a whole
dataset or none, and two processes that ingest the same dataset at once do not meet.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets import splitting
from aat_datasets.card import Card, Derive, File, Reader
from aat_datasets.errors import DataError, RejectsError
from aat_datasets.placing import place, sweep, temporary
from aat_datasets.readers import identifier, literal, path_literal
from aat_datasets.sources import Progress
from aat_datasets.staging import DIGEST, Reject, Stage, extras, stage

__all__ = ["REJECT_SHARE", "Meta", "ingest", "read_meta"]

VERSION = 2
"""Raised when the same files would give other Parquet."""

REJECT_SHARE = 0.05
GROUP = 20_480
"""Rows of a row group. A window reads one whole group: at DuckDB's 122,880 that takes three times as long."""

MAX_LABELS = 2000
_MEMORY = "1GB"  # what DuckDB may hold; the rest of a large file waits on disk


class Meta(msgspec.Struct, kw_only=True):
    """What ``meta.json`` holds; its presence says that the folder is complete."""

    version: int
    name: str
    recipe: str
    fingerprint: str
    labels: list[str]
    splits: dict[str, int]
    columns: list[str]
    rejected: int
    duplicates: int
    files: list[dict[str, str]]
    derived: dict[str, Any] | None = None


def read_meta(folder: Path) -> Meta | None:
    """The folder's ``meta.json``; None where there is none, or one of another version."""
    try:
        meta = msgspec.json.decode((folder / "meta.json").read_bytes(), type=Meta)
    except (OSError, msgspec.DecodeError):
        return None
    return meta if meta.version == VERSION else None


def ingest(
    card: Card,
    files: Sequence[tuple[File, Path]],
    reader: Reader,
    folder: Path,
    *,
    recipe: str = "",
    allow_rejects: bool = False,
    progress: Progress | None = None,
) -> tuple[Meta, list[Reject]]:
    """Write the dataset's folder and return its meta and the first 1,000 rejected lines.

    ``recipe`` is what the folder is recognised by, the card's own where empty. Raises DataError for a missing column,
    too many rejected lines, no rows, or no space left; nothing is left behind then.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent)
    work = temporary(folder)
    try:
        meta, rejects = _write(card, files, reader, work, recipe or card.recipe(), allow_rejects, progress)
        shutil.rmtree(work / "stage")
        there = read_meta(folder)
        if there is None or (there.recipe, there.fingerprint) != (meta.recipe, meta.fingerprint):
            place(work, folder)  # else another process has just written the same
        return meta, rejects
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror or error}", "nothing was kept") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write(
    card: Card,
    files: Sequence[tuple[File, Path]],
    reader: Reader,
    work: Path,
    recipe: str,
    allow_rejects: bool,
    progress: Progress | None,
) -> tuple[Meta, list[Reject]]:
    import duckdb

    report = progress or _silent
    stage_folder = work / "stage"
    stage_folder.mkdir()
    con = duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": str(stage_folder / "spill")})
    # A condition on a computed column would be pushed below it, and the column computed twice.
    con.execute("SET disabled_optimizers = 'filter_pushdown'")
    try:
        stages: list[Stage] = []
        groups = _groups(files)
        for number, group in enumerate(groups):
            report(number, 2 * len(groups), f"reading {group[0][1].name}")
            stages.append(stage(con, card, group, reader, stage_folder, number))
        rejects = _check_rejects(stages, allow_rejects)
        report(len(groups), 2 * len(groups), "writing splits")
        meta = _finish(con, card, stages, work, recipe)
        _write_rejects(con, rejects, work / "rejects.parquet")
    except duckdb.Error as error:
        raise DataError(f"{card.name}: {str(error).splitlines()[0]}", "nothing was kept") from None
    finally:
        con.close()
    meta.rejected = len(rejects)
    meta.files = [{"split": file.split, "path": file.path or path.name, "sha256": file.sha256} for file, path in files]
    (work / "meta.json").write_bytes(msgspec.json.format(msgspec.json.encode(meta), indent=1))
    report(2 * len(groups), 2 * len(groups), "done")
    return meta, rejects[:1000]


def _silent(done: int, total: int, line: str) -> None:
    """Nobody is told."""


def _groups(files: Sequence[tuple[File, Path]]) -> list[list[tuple[File, Path]]]:
    """Files that are read by themselves, and those of a split that are read side by side."""
    groups: dict[tuple[str, int], list[tuple[File, Path]]] = {}
    for number, (file, path) in enumerate(files):
        groups.setdefault((file.split, -1 if file.column else number), []).append((file, path))
    return list(groups.values())


def _check_rejects(stages: list[Stage], allow: bool) -> list[Reject]:
    for staged in stages:
        if staged.rows <= 0:
            first = f": line {staged.rejects[0].line}: {staged.rejects[0].reason}" if staged.rejects else ""
            raise DataError(f"split {staged.split!r}: no usable row{first}")
    rejects = [reject for staged in stages for reject in staged.rejects]
    total = sum(staged.rows + staged.refused for staged in stages)
    if not allow and len(rejects) > REJECT_SHARE * total:
        first = rejects[0]
        raise RejectsError(
            f"{len(rejects):,} of {total:,} lines rejected, first {first.file}, line {first.line}: {first.reason}",
            "--allow-rejects keeps the rest",
        )
    return rejects


def _finish(con: Any, card: Card, stages: list[Stage], work: Path, recipe: str) -> Meta:
    """Labels, duplicates, derived splits, and the Parquet file of each split."""
    labels = card.labels or (_labels(con, stages) if card.columns.label else [])
    values = card.values or labels
    if values:
        # Looking a label up in a list takes time with the number of labels; in a type it does not.
        con.execute(f"CREATE TYPE aat_label AS ENUM ({', '.join(map(literal, values))})")
    pools: dict[str, list[Stage]] = {}
    for staged in stages:
        pools.setdefault(staged.split, []).append(staged)
    duplicates = 0
    splits: dict[str, int] = {}
    derived: dict[str, Any] | None = None
    for split, group in pools.items():
        pool = " UNION ALL ".join(staged.sql for staged in group)
        keys = "(" + " UNION ALL ".join(f"SELECT label, n FROM {staged.keys}" for staged in group) + ")"
        if card.deduplicate:
            pool, dropped = _deduplicated(con, pool, work / "stage" / f"distinct-{split}.parquet")
            keys = f"(SELECT label, count(*) AS n FROM ({pool}) GROUP BY label)"
            duplicates += dropped
        if card.derive is None or split != card.derive.pool:
            splits[split] = _write_split(con, card, pool, values, work / f"{split}.parquet")
            continue
        splits |= _write_derived(con, card, card.derive, pool, keys, values, set(pools) - {split}, work)
        by = "hash of seed and conversation" if card.columns.dialogue else "hash of seed and text within each label"
        by = "position" if card.derive.tail else by
        derived = {**msgspec.to_builtins(card.derive), "by": by}
    order = ["train", "dev", "test", *splits]
    kept = {split: splits[split] for split in dict.fromkeys(order) if splits.get(split)}
    columns = ["row", "text", *(["label"] if labels else []), *(alias for alias, _ in extras(card))]
    return Meta(
        version=VERSION,
        name=card.name,
        recipe=recipe,
        fingerprint=_fingerprint(con, work, kept, labels, columns),
        labels=labels,
        splits=kept,
        columns=columns,
        rejected=0,
        duplicates=duplicates,
        files=[],
        derived=derived,
    )


def _labels(con: Any, stages: list[Stage]) -> list[str]:
    """The distinct labels of every split, numbers in their order, else by name. Raises DataError where too many."""
    keys = " UNION ALL ".join(f"SELECT label FROM {staged.keys}" for staged in stages)
    rows = con.execute(f"SELECT DISTINCT label FROM ({keys}) LIMIT {MAX_LABELS + 1}").fetchall()
    labels = [str(row[0]) for row in rows]
    if len(labels) > MAX_LABELS:
        raise DataError(f"the label column has more than {MAX_LABELS} distinct values", "name another with --label")
    if all(label.lstrip("-").isdecimal() for label in labels):
        return sorted(labels, key=lambda label: (int(label), label))
    return sorted(labels)


def _deduplicated(con: Any, pool: str, out: Path) -> tuple[str, int]:
    """The pool with the first of equal texts only, as SQL, and how many rows went."""
    first = f"""
        SELECT * EXCLUDE (k) FROM (SELECT row_number() OVER () AS k, * FROM ({pool}))
        QUALIFY row_number() OVER (PARTITION BY text ORDER BY k) = 1 ORDER BY k"""
    total = con.execute(f"SELECT count(*) FROM ({pool})").fetchone()[0]
    kept = con.execute(f"COPY ({first}) TO {literal(str(out))} (FORMAT parquet)").fetchone()[0]
    return f"SELECT * FROM read_parquet({path_literal(out)})", total - kept


def _write_derived(
    con: Any, card: Card, derive: Derive, pool: str, keys: str, values: list[str], given: set[str], work: Path
) -> dict[str, int]:
    """The files of a pool's parts, and how many rows each has. What is held out is found in one pass, the rest in another."""
    if derive.tail:
        total = int(con.execute(f"SELECT sum(n) FROM {keys}").fetchone()[0])
        parts = splitting.tail(total, derive, given)
        rows = held = f"(SELECT *, {DIGEST} AS digest FROM ({pool}))"
    else:
        kept = work / "stage" / "held.parquet"
        whole = bool(card.columns.dialogue)  # conversations are drawn, whatever the labels of their turns
        code = f"coalesce({_CODE}, 0)" if values and not whole else "0"
        numbers = f"{splitting.shuffled(derive.seed, _WHOLE if whole else 'digest')} AS h, {code} AS code"
        counts = dict(con.execute(f"SELECT {code}, sum(n)::BIGINT FROM {keys} GROUP BY 1").fetchall())
        labels = 1 if whole else max(len(values), 1)
        cuts = splitting.Cuts([counts.get(place, 0) for place in range(labels)], derive, given)
        rows = f"(SELECT *, {numbers} FROM (SELECT *, {DIGEST} AS digest FROM ({pool})))"
        held = f"read_parquet({path_literal(kept)})"
        wheres: dict[str, str] | None = None
        while wheres is None:  # once, but where many texts are the same
            con.execute(f"COPY (SELECT * FROM {rows} WHERE {cuts.enough()}) TO {literal(str(kept))} ({_PLAIN})")
            wheres = cuts.parts(con, held)
        parts = {part: f"WHERE {where}" for part, where in wheres.items()}
    return {
        part: _write_split(
            con,
            card,
            f"SELECT * FROM {rows if part == derive.pool else held} {which}",
            values,
            work / f"{part}.parquet",
            digest="digest",
        )
        for part, which in parts.items()
    }


_WHOLE = "(md5_number(dialogue) >> 64)::UBIGINT"
_PLAIN = "FORMAT parquet, COMPRESSION uncompressed"
_CODE = "enum_code(TRY_CAST(label AS aat_label))"


def _write_split(con: Any, card: Card, pool: str, values: list[str], out: Path, digest: str = DIGEST) -> int:
    """A split's file: ``text, label?``, the extras and ``digest``. A row's number is its place in the file."""
    label = f", CAST({_CODE} AS INTEGER) AS label" if values else ""
    extra = "".join(f", {identifier(alias)}" for alias, _ in extras(card))
    rows = f"SELECT text{label}{extra}, {digest} AS digest FROM ({pool})"
    options = f"FORMAT parquet, ROW_GROUP_SIZE {GROUP}"
    return con.execute(f"COPY ({rows}) TO {literal(str(out))} ({options})").fetchone()[0]


def _fingerprint(con: Any, work: Path, splits: dict[str, int], labels: list[str], columns: list[str]) -> str:
    """A hash of every row of every split, its number included, and of the label names."""
    parts: list[Any] = [labels, columns]
    # The digest stands for the text: hashing every text a second time would double the work.
    cell = "digest"
    if "label" in columns:
        cell = f"xor({cell}, (coalesce(label, -1) + 2)::UBIGINT * {2**40 + 15})"
    others = [f"coalesce({identifier(name)}, '')" for name in columns if name not in ("row", "text", "label")]
    if others:
        cell = f"xor({cell}, (md5_number(concat_ws(chr(31), {', '.join(others)})) >> 64)::UBIGINT)"
    for split, count in splits.items():
        path = path_literal(work / f"{split}.parquet")
        # Multiplied by the row's number, so that rows in another order give another sum; neither product overflows.
        sums = con.execute(f"""
            SELECT bit_xor((cell % {2**31 - 1}) * odd), bit_xor((cell >> 33) * odd), sum((cell % {2**31 - 19}) * odd)
            FROM (SELECT {cell} AS cell, (2 * file_row_number + 1)::UBIGINT AS odd
                  FROM read_parquet({path}, file_row_number=true))""").fetchone()
        parts.append([split, count, *map(str, sums)])
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _write_rejects(con: Any, rejects: list[Reject], out: Path) -> None:
    con.execute("CREATE TEMP TABLE rejected (file VARCHAR, line BIGINT, reason VARCHAR)")
    columns = [[r.file for r in rejects], [r.line for r in rejects], [r.reason for r in rejects]]
    if rejects:
        con.execute("INSERT INTO rejected SELECT unnest(?), unnest(?), unnest(?)", columns)
    con.execute(f"COPY rejected TO {literal(str(out))} (FORMAT parquet)")
