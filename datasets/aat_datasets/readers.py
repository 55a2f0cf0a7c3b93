"""Files of text as DuckDB relations: dialects, encodings, column names.

DuckDB parses; Python touches the bytes of a file only to look at its first lines and to re-encode what is not UTF-8.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from aat_datasets.card import Reader
from aat_datasets.errors import DataError

__all__ = [
    "as_utf8",
    "column_names",
    "first_lines",
    "literal",
    "open_bytes",
    "relation",
    "sniff",
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
    if known == "json" and start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and _by_lines(path):
        known = "jsonl"
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    reader = Reader(format=cast(Any, known), encoding=encoding)
    if reader.format == "csv":
        reader.delimiter = _delimiter(first_lines(path, reader, 1))
    return reader


def _by_lines(path: Path) -> bool:
    """Whether a ``.json`` file that begins with an object holds one a line: its first line is one, and not all there is."""
    lines = [line for line in first_lines(path, Reader(format="jsonl"), 100) if line.strip()]
    try:
        first = json.loads(lines[0])
    except (ValueError, RecursionError):
        return False
    return len(lines) > 1 or not any(isinstance(value, list) for value in first.values())


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


def is_gzip(path: Path) -> bool:
    """Whether the file's first bytes are gzip's, whatever its name says."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


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
