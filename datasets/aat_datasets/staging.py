"""One raw file → staged Parquet: every row as text, with the reason beside each that cannot be used.

DuckDB's reader refuses some lines outright; both kinds of rejects come back with the lines they stand on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.card import Card, File, Reader
from aat_datasets.errors import DataError
from aat_datasets.readers import (
    as_utf8,
    column_names,
    identifier,
    line_numbers,
    literal,
    path_literal,
    relation,
    requote,
)

__all__ = ["Reject", "Stage", "extras", "stage"]

_LINE = 2_000_000  # bytes, DuckDB's default for one line
_LONG_LINE = 128_000_000


class Reject(msgspec.Struct, frozen=True):
    """A line that is not in the dataset: ``line`` counts from 1 in its file (of Parquet: the row)."""

    file: str
    line: int
    reason: str


class Stage(msgspec.Struct):
    """A staged file."""

    split: str
    path: Path
    rows: int  # those with a reason not to be used included
    refused: int  # what the reader refused: in no row
    rejects: list[Reject]


def stage(con: Any, card: Card, file: File, path: Path, reader: Reader, work: Path, number: int) -> Stage:
    """One file → Parquet ``k, text, digest, label, text_b?, target?, reason``; mends and tries again where DuckDB refuses."""
    import duckdb

    source = as_utf8(path, reader, work)
    used = msgspec.structs.replace(reader, encoding="utf-8")
    columns = _check_columns(card, path, column_names(source, used, con))
    out = work / f"{number}.parquet"
    plan, max_line = source, _LINE
    for _ in range(3):
        fresh = con.cursor()  # its own temporary tables of rejects
        try:
            rows = _copy_stage(fresh, card, plan, used, columns, max_line, plan != source, out)
            problems = _reader_rejects(fresh, used)
        except duckdb.InvalidInputException as error:
            if plan != source:
                raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
            plan = requote(source, used, work)
            continue
        finally:
            fresh.close()
        if max_line == _LINE and any(reason == "the line is too long" for _, reason in problems):
            max_line = _LONG_LINE
            continue
        return Stage(file.split, out, rows, len(problems), _numbered(con, out, path, plan, used, columns, problems))
    raise DataError(f"{path}: cannot be read")


def _check_columns(card: Card, path: Path, known: list[str]) -> list[str]:
    """``known``, once every column of the card is among it. Raises DataError naming a missing one."""
    for name in _wanted(card):
        if name not in known:
            raise DataError(f"{path.name}: no column named {name!r}", f"columns: {', '.join(known[:30])}")
    return known


def _wanted(card: Card) -> list[str]:
    c = card.columns
    return list(dict.fromkeys([*c.text, *(name for name in (c.label, c.text_b, c.target) if name)]))


def _copy_stage(
    con: Any, card: Card, path: Path, reader: Reader, columns: list[str], max_line: int, requoted: bool, out: Path
) -> int:
    c = card.columns
    text = identifier(c.text[0]) if len(c.text) == 1 else f"concat_ws(' ', {', '.join(map(identifier, c.text))})"
    label = f"trim({identifier(c.label)})" if c.label else "CAST(NULL AS VARCHAR)"
    # Trimming every text costs as much as reading it: only those that begin with a blank are.
    empty = "CASE WHEN text IS NULL THEN true WHEN ord(text) <= 32 THEN trim(text, E' \\t\\n\\r') = '' ELSE false END"
    reasons = ["WHEN aat_bad IS NOT NULL THEN aat_bad", f"WHEN {empty} THEN 'empty text'"]
    if c.label:
        reasons.append("WHEN coalesce(label, '') = '' THEN 'no label'")
        if card.values:
            known = ", ".join(map(literal, card.values))
            reasons.append(f"WHEN label NOT IN ({known}) THEN 'unknown label ' || left(label, 60)")
    extra = "".join(f", {identifier(name)} AS {alias}" for alias, name in extras(card))
    names = "".join(f", {alias}" for alias, _ in extras(card))
    blank = "aat_blank" if reader.format in ("jsonl", "txt") else "false"
    rows = f"""
        SELECT k, text, md5_number_lower(text) AS digest, label{names}, CASE {" ".join(reasons)} END AS reason FROM (
            SELECT row_number() OVER () - 1 AS k, {text} AS text, {label} AS label{extra}, aat_bad, {blank} AS blank
            FROM ({relation(path, reader, columns, _wanted(card), max_line, requoted)})
        ) WHERE NOT blank"""
    return con.execute(f"COPY ({rows}) TO {literal(str(out))} (FORMAT parquet, COMPRESSION lz4)").fetchone()[0]


def extras(card: Card) -> list[tuple[str, str]]:
    """``(name in the Parquet, column of the files)`` beyond text and label."""
    pairs = [("text_b", card.columns.text_b), ("target", card.columns.target)]
    return [(alias, name) for alias, name in pairs if name]


def _reader_rejects(con: Any, reader: Reader) -> list[tuple[int, str]]:
    """``(record number, reason)`` of what DuckDB's reader refused."""
    if reader.format == "parquet":
        return []
    rows = con.execute("SELECT line, error_type, error_message FROM reject_errors ORDER BY line").fetchall()
    found: dict[int, str] = {}
    for line, kind, message in rows:
        found.setdefault(int(line), _explain(str(kind), str(message)))
    return list(found.items())


def _explain(kind: str, message: str) -> str:
    first = message.splitlines()[0] if message else kind
    if kind in ("MISSING COLUMNS", "TOO MANY COLUMNS"):
        numbers = [word for word in first.split() if word.isdigit()]
        return f"expected {numbers[0]} columns, found {numbers[1]}" if len(numbers) == 2 else "wrong number of columns"
    known = {
        "INVALID ENCODING": "bytes that are not of the file's encoding",
        "UNQUOTED VALUE": "a quote that is not closed",
        "LINE SIZE OVER MAXIMUM": "the line is too long",
    }
    return known.get(kind, first)


def _numbered(
    con: Any, out: Path, path: Path, plan: Path, reader: Reader, columns: list[str], problems: list[tuple[int, str]]
) -> list[Reject]:
    """All rejects of a file with their physical lines, in the order of the lines."""
    rows: list[tuple[int, str]] = con.execute(
        f"SELECT k, reason FROM read_parquet({path_literal(out)}) WHERE reason IS NOT NULL ORDER BY k"
    ).fetchall()
    if reader.format == "parquet":
        return [Reject(path.name, k + 1, reason) for k, reason in rows]
    if not rows and not problems:
        return []
    skip_blank = reader.format in ("csv", "tsv") and len(columns) > 1
    bad_lines, row_lines = line_numbers(plan, reader, [r for r, _ in problems], [k for k, _ in rows], skip_blank)
    found = [Reject(path.name, bad_lines.get(record, record), reason) for record, reason in problems]
    found += [Reject(path.name, row_lines.get(k, k + 1), reason) for k, reason in rows]
    return sorted(found, key=lambda reject: reject.line)
