"""Raw files → one Parquet file a split, with what was rejected and why.

Three passes: every file is staged as Parquet with a reason beside each row that cannot be used; labels and derived
splits are decided on the stage; each split is written in the order of its files. All happens in a temporary folder
that is renamed into place, ``meta.json`` written last, so that a reader sees a whole dataset or none, and two
processes that ingest the same dataset at once do not meet.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.card import Card, Derive, File, Reader
from aat_datasets.errors import DataError
from aat_datasets.readers import literal, path_literal
from aat_datasets.sources import Progress
from aat_datasets.staging import Reject, Stage, extras, stage

__all__ = ["REJECT_SHARE", "Meta", "ingest", "read_meta"]

VERSION = 1
"""Raised when the same files would give other Parquet."""

REJECT_SHARE = 0.05
GROUP = 16_384
"""Rows of a row group. A window reads one whole group: at DuckDB's 122,880 that takes three times as long."""

MAX_LABELS = 2000
_STALE = 24 * 3600  # seconds after which an abandoned temporary folder is removed


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
    content: str = "",
    allow_rejects: bool = False,
    progress: Progress | None = None,
) -> tuple[Meta, list[Reject]]:
    """Write the dataset's folder and return its meta and the first 1,000 rejected lines.

    ``content`` is the fingerprint of a built-in corpus. Raises DataError for a missing column, too many rejected
    lines, no rows, or no space left; nothing is left behind then.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    work = _temporary(folder)
    try:
        meta, rejects = _write(card, files, reader, work, content, allow_rejects, progress)
        shutil.rmtree(work / "stage")
        there = read_meta(folder)
        if there is None or (there.recipe, there.fingerprint) != (meta.recipe, meta.fingerprint):
            _place(work, folder)  # else another process has just written the same
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
    content: str,
    allow_rejects: bool,
    progress: Progress | None,
) -> tuple[Meta, list[Reject]]:
    import duckdb

    stage_folder = work / "stage"
    stage_folder.mkdir()
    con = duckdb.connect()
    try:
        con.execute(f"SET temp_directory={literal(str(stage_folder / 'spill'))}")
        stages: list[Stage] = []
        for number, (file, path) in enumerate(files):
            if progress:
                progress(number, len(files) + 1, f"reading {path.name}")
            stages.append(stage(con, card, file, path, reader, stage_folder, number))
        if progress:
            progress(len(files), len(files) + 1, "writing splits")
        rejects = _check_rejects(stages, allow_rejects)
        meta = _finish(con, card, stages, work, content)
        _write_rejects(con, rejects, work / "rejects.parquet")
    except duckdb.OutOfMemoryException as error:
        raise DataError(f"{card.name}: {str(error).splitlines()[0]}", "nothing was kept") from None
    except duckdb.IOException as error:
        raise DataError(f"{card.name}: {str(error).splitlines()[0]}", "nothing was kept") from None
    finally:
        con.close()
    meta.rejected = len(rejects)
    meta.files = [{"split": file.split, "path": file.path or path.name, "sha256": file.sha256} for file, path in files]
    (work / "meta.json").write_bytes(msgspec.json.format(msgspec.json.encode(meta), indent=1))
    if progress:
        progress(len(files) + 1, len(files) + 1, "done")
    return meta, rejects[:1000]


def _check_rejects(stages: list[Stage], allow: bool) -> list[Reject]:
    for staged in stages:
        if staged.rows - (len(staged.rejects) - staged.refused) <= 0:
            first = f": line {staged.rejects[0].line}: {staged.rejects[0].reason}" if staged.rejects else ""
            raise DataError(f"split {staged.split!r}: no usable row{first}")
    rejects = [reject for staged in stages for reject in staged.rejects]
    total = sum(staged.rows + staged.refused for staged in stages)
    if not allow and len(rejects) > REJECT_SHARE * total:
        first = rejects[0]
        raise DataError(
            f"{len(rejects):,} of {total:,} lines rejected, first {first.file}, line {first.line}: {first.reason}",
            "--allow-rejects keeps the rest",
        )
    return rejects


def _finish(con: Any, card: Card, stages: list[Stage], work: Path, content: str) -> Meta:
    """Labels, duplicates, derived splits, and the Parquet file of each split."""
    labels = card.labels or (_labels(con, stages) if card.columns.label else [])
    values = card.values or labels
    pools: dict[str, list[Path]] = {}
    for staged in stages:
        pools.setdefault(staged.split, []).append(staged.path)
    duplicates = 0
    splits: dict[str, int] = {}
    derived: dict[str, Any] | None = None
    for split, paths in pools.items():
        rows = f"read_parquet([{', '.join(path_literal(path) for path in paths)}])"
        pool = f"(SELECT * FROM {rows} WHERE reason IS NULL)"
        if card.deduplicate:
            pool, dropped = _deduplicated(con, paths, work / "stage" / f"distinct-{split}.parquet")
            duplicates += dropped
        parts = {split: "true"}
        if card.derive is not None and split == card.derive.pool:
            parts = _parts(con, pool, card.derive, values, set(pools) - {split})
            derived = {**msgspec.to_builtins(card.derive), "by": "hash of seed and text within each label"}
        for part, where in parts.items():
            splits[part] = _write_split(con, card, pool, where, values, work / f"{part}.parquet")
    order = ["train", "dev", "test", *splits]
    kept = {split: splits[split] for split in dict.fromkeys(order) if splits.get(split)}
    columns = ["row", "text", *(["label"] if labels else []), *(alias for alias, _ in extras(card))]
    return Meta(
        version=VERSION,
        name=card.name,
        recipe=card.recipe(content),
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
    paths = ", ".join(path_literal(staged.path) for staged in stages)
    rows = con.execute(
        f"SELECT DISTINCT label FROM read_parquet([{paths}]) WHERE reason IS NULL LIMIT {MAX_LABELS + 1}"
    ).fetchall()
    labels = [str(row[0]) for row in rows]
    if len(labels) > MAX_LABELS:
        raise DataError(f"the label column has more than {MAX_LABELS} distinct values", "name another with --label")
    if all(label.lstrip("-").isdecimal() for label in labels):
        return sorted(labels, key=int)
    return sorted(labels)


def _deduplicated(con: Any, paths: list[Path], out: Path) -> tuple[str, int]:
    """The pool with the first of equal texts only, as SQL, and how many rows went."""
    union = " UNION ALL ".join(
        f"SELECT {number} AS f, * FROM read_parquet({path_literal(path)})" for number, path in enumerate(paths)
    )
    total = con.execute(f"SELECT count(*) FROM ({union}) WHERE reason IS NULL").fetchone()[0]
    first = f"""
        SELECT * FROM ({union}) WHERE reason IS NULL
        QUALIFY row_number() OVER (PARTITION BY text ORDER BY f, k) = 1 ORDER BY f, k"""
    kept = con.execute(f"COPY ({first}) TO {literal(str(out))} (FORMAT parquet)").fetchone()[0]
    return f"read_parquet({path_literal(out)})", total - kept


def _parts(con: Any, pool: str, derive: Derive, values: list[str], given: set[str]) -> dict[str, str]:
    """Split → condition. Each label's texts are ordered by a hash; the first share is test, the next dev."""
    shares = {name: 0.0 if name in given else getattr(derive, name) for name in ("test", "dev")}
    h = _shuffled(derive.seed)
    index = f"coalesce({_index(values)}, 0)" if values else "0"
    counts = dict(con.execute(f"SELECT {index}, count(*) FROM {pool} GROUP BY 1").fetchall())
    cells = range(max(len(values), 1))
    tests = [_share(counts.get(i, 0), shares["test"]) for i in cells]
    both = [taken + _share(counts.get(i, 0), shares["dev"]) for i, taken in enumerate(tests)]
    # The cut is the hash after the last one taken: equal texts fall on one side.
    cuts = con.execute(f"""
        SELECT i, hs[{tests}[i + 1] + 1], hs[{both}[i + 1] + 1]
        FROM (SELECT i, list_sort(list(h)) AS hs FROM (SELECT {index} AS i, {h} AS h FROM {pool}) GROUP BY i)""")
    found = {row[0]: row[1:] for row in cuts.fetchall()}
    test_cut, dev_cut = (
        f"([{', '.join(str(found.get(i, (0, 0))[which]) for i in cells)}]::UBIGINT[])[{index} + 1]" for which in (0, 1)
    )
    parts = {derive.pool: f"{h} >= {dev_cut}"}
    if shares["dev"] > 0:
        parts["dev"] = f"{h} >= {test_cut} AND {h} < {dev_cut}"
    if shares["test"] > 0:
        parts["test"] = f"{h} < {test_cut}"
    return parts


def _shuffled(seed: int) -> str:
    """SQL of a number per text that orders texts anew for every seed.

    The digest is uniform already, so one multiplication modulo a prime does, many times faster than another hash.
    """
    prime = 2**31 - 1
    factor = 1 + int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:8], "big") % (prime - 1)
    return f"((digest % {prime}) * {factor}::UBIGINT) % {prime}"


def _share(count: int, share: float) -> int:
    """How many of ``count`` texts a share is: at least one where there are three, never all."""
    return 0 if count < 3 or share <= 0 else min(max(1, round(count * share)), (count - 1) // 2)


def _write_split(con: Any, card: Card, pool: str, where: str, values: list[str], out: Path) -> int:
    label = f", CAST({_index(values)} AS INTEGER) AS label" if card.columns.label else ""
    extra = "".join(f", {alias}" for alias, _ in extras(card))
    rows = (
        f"SELECT row_number() OVER () - 1 AS row, text{label}{extra}, digest FROM (SELECT * FROM {pool} WHERE {where})"
    )
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {GROUP}"
    return con.execute(f"COPY ({rows}) TO {literal(str(out))} ({options})").fetchone()[0]


def _index(values: list[str]) -> str:
    return f"(list_position([{', '.join(map(literal, values))}], label) - 1)"


def _fingerprint(con: Any, work: Path, splits: dict[str, int], labels: list[str], columns: list[str]) -> str:
    """A hash of every row of every split, its number included, and of the label names."""
    parts: list[Any] = [labels, columns]
    # The digest stands for the text: hashing every text a second time would double the work.
    cells = ", ".join(f"coalesce(CAST({column} AS VARCHAR), '')" for column in columns if column != "text")
    for split, count in splits.items():
        path = path_literal(work / f"{split}.parquet")
        sums = con.execute(f"SELECT bit_xor(md5_number(concat_ws(chr(31), digest, {cells}))) FROM read_parquet({path})")
        parts.append([split, count, str(sums.fetchone()[0])])
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _write_rejects(con: Any, rejects: list[Reject], out: Path) -> None:
    con.execute("CREATE TEMP TABLE rejected (file VARCHAR, line BIGINT, reason VARCHAR)")
    columns = [[r.file for r in rejects], [r.line for r in rejects], [r.reason for r in rejects]]
    if rejects:
        con.execute("INSERT INTO rejected SELECT unnest(?), unnest(?), unnest(?)", columns)
    con.execute(f"COPY rejected TO {literal(str(out))} (FORMAT parquet)")


def _place(work: Path, folder: Path) -> None:
    """Rename the finished folder into place; the last of two processes wins, both having written the same."""
    marker = work / "meta.json"
    with marker.open("rb+") as file:
        os.fsync(file.fileno())
    for _ in range(20):
        if folder.exists():
            old = _temporary(folder)
            with contextlib.suppress(FileNotFoundError):  # another process moved it first
                folder.rename(old / "was")
            shutil.rmtree(old, ignore_errors=True)
        try:
            work.rename(folder)
            return
        except OSError:
            if not folder.exists():
                raise
            time.sleep(0.01)
    raise DataError(f"{folder}: another process keeps writing it")


def _temporary(folder: Path) -> Path:
    """A new folder beside ``folder``, with the permissions of the user's umask (mkdtemp would shut others out)."""
    work = folder.parent / f".tmp-{folder.name}-{os.getpid()}-{secrets.token_hex(4)}"
    work.mkdir()
    return work


def _sweep(root: Path) -> None:
    """Remove temporary folders that a killed process left a day ago."""
    for left in root.glob(".tmp-*"):
        try:
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue  # its owner removed it just now
