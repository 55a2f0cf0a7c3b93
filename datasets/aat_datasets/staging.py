"""One raw file → SQL that gives its rows, once they were looked at: how many, which labels, what is rejected and why.

DuckDB's reader refuses some lines outright, others give rows that cannot be used; both come back with the lines they
stand on. Texts are not copied here: writing them twice would take as long as everything else together.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.card import Card, File, Reader
from aat_datasets.converting import Converted, converted
from aat_datasets.errors import DataError
from aat_datasets.line_ends import holds_line_ends, line_numbers, requote, unclosed
from aat_datasets.readers import column_names, identifier, literal, relation

__all__ = ["DIGEST", "Reject", "Stage", "extras", "stage"]

_LINE = 2_000_000  # bytes, DuckDB's default for one line
_LONG_LINE = 128_000_000
_OPEN = "a quote that is not closed"

DIGEST = "(md5_number(text) >> 64)::UBIGINT"
"""SQL: a number that stands for a text. It is the same in every version of DuckDB."""

_OWN = frozenset(
    ("row", "text", "label", "text_b", "target", "history", "dialogue", "digest", "reason", "code", "blank",
     "file_row_number")
)  # fmt: skip


class Reject(msgspec.Struct, frozen=True):
    """A line that is not in the dataset: ``line`` counts from 1 in its file (of Parquet: the row)."""

    file: str
    line: int
    reason: str


class Stage(msgspec.Struct):
    """A file that was looked at.

    ``sql`` selects its usable rows, ``text, label`` and the extras, in the order of the file. ``keys`` is a table of
    ``label, n``: how many of them there are.
    """

    split: str
    sql: str
    keys: str
    rows: int
    refused: int  # lines that are in no row
    rejects: list[Reject]


def stage(con: Any, card: Card, files: Sequence[tuple[File, Path]], reader: Reader, work: Path, number: int) -> Stage:
    """Look at a file, or at several that are read side by side; mend and try again where DuckDB refuses. Raises DataError."""
    import duckdb

    file, path = files[0]
    plan = converted(files, reader, work, number)
    columns = _check_columns(card, path, column_names(plan.path, plan.reader, con))
    quoted, max_line, mended = plan.reader.format == "csv", _LINE, plan.path
    for _ in range(3):
        parallel = not quoted or not holds_line_ends(mended)
        source = relation(
            mended, plan.reader, columns, _wanted(card), max_line=max_line, quoted=quoted, parallel=parallel
        )
        fresh = con.cursor()  # its own temporary tables of rejects
        try:
            rows, bad = _look(fresh, _rows(card, source, plan.reader), f"keys_{number}")
            problems = _reader_rejects(fresh, plan.reader)
        except duckdb.InvalidInputException as error:
            if mended != plan.path:
                raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
            mended, quoted = requote(plan.path, plan.reader, work), True
            continue
        finally:
            fresh.close()
        if max_line == _LINE and any(reason == "the line is too long" for _, reason in problems):
            max_line = _LONG_LINE
            continue
        sql = _rows(card, source, plan.reader)
        wrong = _wrong_rows(con, sql) if bad else []
        rejects = _numbered(path, mended, plan, columns, problems, wrong)
        if plan.reader.format == "csv" and not parallel and not any(one.reason == _OPEN for one in rejects):
            # DuckDB says nothing of a quote that is open at the end, and gives no row of it.
            rejects += [Reject(path.name, line, _OPEN)] if (line := unclosed(mended, plan.reader)) else []
        return Stage(
            split=file.split,
            sql=f"SELECT * EXCLUDE (reason, blank) FROM ({sql}) WHERE reason IS NULL AND NOT blank",
            keys=f"keys_{number}",
            rows=rows - bad,
            refused=len(rejects),
            rejects=rejects,
        )
    raise DataError(f"{path}: cannot be read")


def _check_columns(card: Card, path: Path, known: list[str]) -> list[str]:
    """``known``, once every column of the card is among it. Raises DataError naming a missing one."""
    for name in _wanted(card):
        if name not in known:
            raise DataError(f"{path.name}: no column named {name!r}", f"columns: {', '.join(known[:30])}")
    return known


def _wanted(card: Card) -> list[str]:
    c = card.columns
    single = (c.label, c.text_b, c.target, c.history, c.dialogue)
    return list(dict.fromkeys([*c.text, *(name for name in single if name), *c.meta]))


def _rows(card: Card, source: str, reader: Reader) -> str:
    """SQL of every row of a file: ``text, label``, the extras, ``blank``, and ``reason`` where it cannot be used."""
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
    extra = "".join(f", {identifier(name)} AS {identifier(alias)}" for alias, name in extras(card))
    names = "".join(f", {identifier(alias)}" for alias, _ in extras(card))
    blank = "aat_blank" if reader.format in ("jsonl", "txt") else "false"
    return f"""
        SELECT text, label{names}, blank, CASE {" ".join(reasons)} END AS reason FROM (
            SELECT {text} AS text, {label} AS label{extra}, aat_bad, {blank} AS blank FROM ({source}))"""


def extras(card: Card) -> list[tuple[str, str]]:
    """``(name in the Parquet, column of the files)`` beyond text and label."""
    c = card.columns
    pairs = [("text_b", c.text_b), ("target", c.target), ("history", c.history), ("dialogue", c.dialogue)]
    # DuckDB knows no case in names.
    meta = [(f"meta_{name}" if name.lower() in _OWN else name, name) for name in card.columns.meta]
    return [(alias, name) for alias, name in pairs if name] + meta


def _look(con: Any, sql: str, keys: str) -> tuple[int, int]:
    """Make the table of keys. Returns the number of rows, and of those that cannot be used."""
    con.execute(f"DROP TABLE IF EXISTS {keys}")
    con.execute(f"""CREATE TABLE {keys} AS SELECT label, count(*) FILTER (reason IS NULL) AS n, count(reason) AS bad
        FROM ({sql}) WHERE NOT blank GROUP BY label""")
    rows, bad = con.execute(f"SELECT coalesce(sum(n + bad), 0), coalesce(sum(bad), 0) FROM {keys}").fetchone()
    con.execute(f"DELETE FROM {keys} WHERE n = 0")
    return int(rows), int(bad)


def _wrong_rows(con: Any, sql: str) -> list[tuple[int, str]]:
    """``(number of the row, reason)`` of what cannot be used. Numbering takes one thread: it is done only for these."""
    fresh = con.cursor()
    try:
        return fresh.execute(
            f"""SELECT k, reason FROM (SELECT row_number() OVER () - 1 AS k, blank, reason FROM ({sql}))
            WHERE reason IS NOT NULL AND NOT blank ORDER BY k"""
        ).fetchall()
    finally:
        fresh.close()


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
        "UNQUOTED VALUE": _OPEN,
        "LINE SIZE OVER MAXIMUM": "the line is too long",
    }
    return known.get(kind, first)


def _numbered(
    path: Path,
    read: Path,
    plan: Converted,
    columns: list[str],
    problems: list[tuple[int, str]],
    wrong: list[tuple[int, str]],
) -> list[Reject]:
    """All rejects of a file with their physical lines, in the order of the lines."""
    reader = plan.reader
    if reader.format == "parquet":
        return [Reject(path.name, k + 1, reason) for k, reason in wrong]
    if not wrong and not problems:
        return []
    skip_blank = reader.format in ("csv", "tsv") and len(columns) > 1
    bad_lines, row_lines = line_numbers(read, reader, [r for r, _ in problems], [k for k, _ in wrong], skip_blank)
    found = [Reject(path.name, _original(plan.lines, bad_lines.get(r, r)), reason) for r, reason in problems]
    found += [Reject(path.name, _original(plan.lines, row_lines.get(k, k + 1)), reason) for k, reason in wrong]
    return sorted(found, key=lambda reject: reject.line)


def _original(lines: array[int], line: int) -> int:
    return lines[line - 1] if 0 < line <= len(lines) else line
