"""Files of text as DuckDB relations: dialects, encodings, column names, and which line a rejected record came from.

DuckDB parses; Python touches the bytes of a file only to look at its first lines, to re-encode what is not UTF-8, to
mend line ends that DuckDB refuses, and to number the lines of rejected records.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, cast

from aat_datasets.card import Reader
from aat_datasets.errors import DataError

__all__ = [
    "as_utf8",
    "column_names",
    "first_lines",
    "holds_line_ends",
    "line_numbers",
    "literal",
    "open_bytes",
    "relation",
    "requote",
    "sniff",
    "unclosed",
]

# DuckDB reads whole lines through its CSV reader; no text holds this delimiter.
_NEVER = "\x1e\x1f\x1e\x1f"
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "txt",
    ".text": "txt",
}
_CHUNK = 1 << 20
Lines = tuple[dict[int, int], dict[int, int]]


def literal(value: str) -> str:
    """``value`` as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def path_literal(path: Path) -> str:
    """``path`` as an SQL string in which nothing is a wildcard."""
    escaped = "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
    return literal(escaped)


def sniff(path: Path) -> Reader:
    """Reader settings from a file's name and first bytes; the header is not looked for here. Raises DataError."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    known = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    try:
        with open_bytes(path) as file:
            start = file.read(4096)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if start[:4] == b"PAR1":
        known = "parquet"
    if known is None:
        raise DataError(f"{path}: unknown kind of file", "known: .csv .tsv .jsonl .parquet .txt, also with .gz")
    if not start:
        raise DataError(f"{path}: the file is empty")
    if known == "json" and not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        known = "jsonl"
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    reader = Reader(format=cast(Any, known), encoding=encoding)
    if reader.format == "csv":
        reader.delimiter = _delimiter(first_lines(path, reader, 1))
    return reader


def first_lines(path: Path, reader: Reader, count: int) -> list[str]:
    """The first lines, decoded, without line ends; undecodable bytes are replaced. Lines are cut at 1 MB."""
    return [line.rstrip("\r\n") for line in _first(path, reader, count)]


def _first(path: Path, reader: Reader, count: int) -> Iterator[str]:
    """The first lines as they are, at most 64 million characters of them."""
    encoding = "utf-8-sig" if reader.encoding.lower().replace("_", "-") == "utf-8" else reader.encoding
    left = _CHUNK * 64
    with (
        open_bytes(path) as raw,
        io.TextIOWrapper(cast(Any, raw), encoding=encoding, errors="replace", newline="") as text,
    ):
        while count > 0 and left > 0 and (line := text.readline(_CHUNK)):
            yield line
            count, left = count - 1, left - len(line)


def records(path: Path, reader: Reader, count: int) -> list[list[str]]:
    """The first records of a CSV or TSV file."""
    if reader.format == "tsv":
        return [line.split("\t") for line in first_lines(path, reader, count)]
    rows: list[list[str]] = []
    csv.field_size_limit(_CHUNK * 8)
    # A quoted field may run over lines: more lines than records are looked at.
    lines = _first(path, reader, count * 4)
    try:
        for row in csv.reader(lines, delimiter=reader.delimiter):
            rows.append(row)
            if len(rows) == count:
                break
    except csv.Error as error:
        if not rows:
            raise DataError(f"{path}: not CSV: {error}") from None
    finally:
        cast(Any, lines).close()
    return rows


def column_names(path: Path, reader: Reader, con: Any) -> list[str]:
    """The file's column names; of a file without header their positions, from ``1``. Raises DataError."""
    if reader.format == "txt":
        return ["text"]
    if reader.format == "parquet":
        import duckdb

        try:
            rows = con.execute(f"DESCRIBE SELECT * FROM read_parquet({path_literal(path)})").fetchall()
        except duckdb.Error as error:
            raise DataError(f"{path}: not Parquet: {str(error).splitlines()[0]}") from None
        return [str(row[0]) for row in rows]
    if reader.names:
        return list(reader.names)
    if reader.format == "jsonl":
        return _keys(path, reader)
    start = records(path, reader, 1)
    if not start or not start[0]:
        raise DataError(f"{path}: the first line is empty")
    first = start[0]
    if not reader.header:
        return [str(position) for position in range(1, len(first) + 1)]
    names: list[str] = []
    for position, name in enumerate(first, 1):
        cleaned = name.strip() or str(position)
        taken = {name.lower() for name in names}  # DuckDB knows no case in names
        names.append(cleaned if cleaned.lower() not in taken else f"{cleaned}_{position}")
    return names


def relation(
    path: Path, reader: Reader, columns: list[str], wanted: list[str], *, max_line: int, quoted: bool, parallel: bool
) -> str:
    """A SELECT of the ``wanted`` among the file's ``columns`` as VARCHAR, in the order of the file.

    ``quoted``: fields may stand in quotes. ``parallel``: several threads may begin anywhere in the file.

    Beside them ``aat_bad`` (why the record cannot be used, or NULL) and, for files read by lines, ``aat_blank``.
    """
    fine, blank = "CAST(NULL AS VARCHAR) AS aat_bad", "trim(coalesce(line, '')) = '' AS aat_blank"
    if reader.format == "parquet":
        chosen = ", ".join(f"CAST({identifier(c)} AS VARCHAR) AS {identifier(c)}" for c in wanted)
        return f"SELECT {chosen}, {fine} FROM read_parquet({path_literal(path)})"
    lines = reader.format in ("jsonl", "txt")
    settings = {
        "columns": "{" + ", ".join(f"{literal(c)}: 'VARCHAR'" for c in (["line"] if lines else columns)) + "}",
        "auto_detect": "false",
        "header": str(reader.header and not lines).lower(),
        "delim": literal(_NEVER if lines else "\t" if reader.format == "tsv" else reader.delimiter),
        "quote": literal('"' if quoted else ""),
        "escape": literal('"' if quoted else ""),
        "parallel": str(parallel).lower(),
        "compression": literal("gzip" if is_gzip(path) else "none"),
        "store_rejects": "true",
        "max_line_size": str(max_line),
    }
    options = ", ".join(f"{key}={value}" for key, value in settings.items())
    table = f"read_csv({path_literal(path)}, {options})"
    if reader.format == "jsonl":
        chosen = ", ".join(f"json_extract_string(j, {literal(_pointer(c))}) AS {identifier(c)}" for c in wanted)
        valid = "CASE WHEN json_valid(line) AND json_type(line) = 'OBJECT' THEN line END"
        bad = "CASE WHEN j IS NULL THEN 'not a JSON object' END AS aat_bad"
        return f"SELECT {chosen}, {bad}, {blank} FROM (SELECT line, {valid} AS j FROM {table})"
    if reader.format == "txt":
        return f"SELECT line AS text, {fine}, {blank} FROM {table}"
    return f"SELECT {', '.join(map(identifier, wanted))}, {fine} FROM {table}"


def as_utf8(path: Path, reader: Reader, work: Path) -> Path:
    """The file in UTF-8: itself, or a re-encoded copy in ``work`` where undecodable bytes stay undecodable."""
    if reader.format == "parquet" or reader.encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig"):
        return path
    import codecs

    copy = work / f"utf8-{path.name.removesuffix('.gz')}"
    try:
        decoder = codecs.getincrementaldecoder(reader.encoding)(errors="surrogateescape")
        with open_bytes(path) as source, copy.open("wb") as target:
            while chunk := source.read(_CHUNK):
                target.write(decoder.decode(chunk).encode("utf-8", "surrogatepass"))
            target.write(decoder.decode(b"", final=True).encode("utf-8", "surrogatepass"))
    except LookupError:
        raise DataError(f"unknown encoding {reader.encoding!r}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not {reader.encoding}: {error.reason} at byte {error.start}") from None
    return copy


def requote(path: Path, reader: Reader, work: Path) -> Path:
    """A copy that DuckDB takes: mixed or lone carriage returns are its end otherwise. Record numbers stay the same."""
    copy = work / f"requoted-{path.name.removesuffix('.gz')}"
    with open_bytes(path) as source, copy.open("wb") as target:
        if reader.format == "csv":
            _mend_line_ends(source, target)
            return copy
        for line in source:
            body = line.rstrip(b"\n").removesuffix(b"\r")
            fields = body.split(b"\t") if reader.format == "tsv" else [body]
            quoted = b"\t".join(b'"' + field.replace(b'"', b'""') + b'"' for field in fields) if body else b""
            target.write(quoted + b"\n")
    return copy


def holds_line_ends(path: Path) -> bool:
    """Whether a line feed lies between quotes anywhere in the file, or a quote is open at its end.

    Of two readers at once, the second may start behind such a one and take it for the end of a record.
    """
    import numpy as np

    if is_gzip(path):
        return True  # one thread unpacks it anyway
    open_quote = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK * 4):
            if b'"' not in chunk:
                if open_quote and b"\n" in chunk:
                    return True
                continue
            data = np.frombuffer(chunk, np.uint8)
            quotes, ends = np.flatnonzero(data == 34), np.flatnonzero(data == 10)
            if np.any((np.searchsorted(quotes, ends) + open_quote) & 1):
                return True
            open_quote = (open_quote + len(quotes)) & 1
    return bool(open_quote)


def line_numbers(path: Path, reader: Reader, bad: Collection[int], rows: Collection[int], skip_blank: bool) -> Lines:
    """Physical lines (from 1) of rejected records, by record number, and of accepted rows, by row number (from 0).

    Record numbers count from 1 with header and blank lines, as DuckDB's table of rejects does.
    """
    bad_set, row_set = set(bad), set(rows)
    bad_lines: dict[int, int] = {}
    row_lines: dict[int, int] = {}
    first = 2 if reader.header and reader.format in ("csv", "tsv") else 1
    row = -1
    for record, (number, line, still) in enumerate(_records(path, reader), 1):
        if still:
            break
        if record in bad_set:
            bad_lines[record] = number
        elif record >= first and not (skip_blank and line in (b"\n", b"\r\n")):
            row += 1
            if row in row_set:
                row_lines[row] = number
    return bad_lines, row_lines


def is_gzip(path: Path) -> bool:
    """Whether the file's first bytes are gzip's, whatever its name says."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def unclosed(path: Path, reader: Reader) -> int:
    """The line on which a quote opens that the file never closes, by which everything after it is lost; 0: there is none."""
    return next((start for start, _, still in _records(path, reader) if still), 0)


def _records(path: Path, reader: Reader) -> Iterator[tuple[int, bytes, bool]]:
    """``(line, its bytes, still open)`` of the first line of every record; what is still open at the end, twice."""
    quoted = reader.format == "csv"
    delimiter = reader.delimiter.encode()
    start, first, open_quote = 0, b"", False
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            if not open_quote:
                start, first = number, line
                yield number, line, False
            if quoted and b'"' in line:
                open_quote = _still_open(line, delimiter, open_quote)
    if open_quote:
        yield start, first, True


def _still_open(line: bytes, delimiter: bytes, open_quote: bool) -> bool:
    """Whether a quoted field goes on after a line. A quote opens a field only at its beginning."""
    at = 0
    while True:
        if not open_quote:
            if line[at : at + 1] == b'"':
                open_quote, at = True, at + 1
            else:
                at = line.find(delimiter, at) + 1
                if not at:
                    return False
                continue
        close = line.find(b'"', at)
        if close < 0:
            return True
        at = close + 1
        if line[at : at + 1] == b'"':
            at += 1
        else:
            open_quote = False
            at = line.find(delimiter, at) + 1
            if not at:
                return False


def _mend_line_ends(source: IO[bytes], target: IO[bytes]) -> None:
    """CRLF and CR outside quotes → LF. Works on segments between quotes, so that quoted line ends stay."""
    inside, pending = False, b""
    while chunk := source.read(_CHUNK):
        chunk = pending + chunk
        # A CR at the end waits for what follows it.
        pending = b"\r" if chunk.endswith(b"\r") else b""
        parts = chunk[: len(chunk) - len(pending)].split(b'"')
        for index, part in enumerate(parts):
            if index:
                target.write(b'"')
                inside = not inside
            target.write(part if inside else part.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    target.write(b"\n" if pending and not inside else pending)


def open_bytes(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if is_gzip(path) else path.open("rb")


def _delimiter(lines: list[str]) -> str:
    first = lines[0] if lines else ""
    counts = {delimiter: first.count(delimiter) for delimiter in (",", ";", "\t", "|")}
    best = max(counts, key=lambda d: counts[d])
    return best if counts[best] and not counts[","] else ","


def _keys(path: Path, reader: Reader) -> list[str]:
    names: dict[str, None] = {}
    for line in first_lines(path, reader, 1000):
        try:
            value: Any = json.loads(line)
        except (ValueError, RecursionError):
            continue  # counted as rejected when the file is read
        if isinstance(value, dict):
            names.update(dict.fromkeys(cast(dict[str, Any], value)))
    if not names:
        raise DataError(f"{path}: no JSON object in the first lines", "one JSON object a line is expected")
    return list(names)


def identifier(column: str) -> str:
    """``column`` as an SQL name."""
    return '"' + column.replace('"', '""') + '"'


def _pointer(key: str) -> str:
    return '$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
