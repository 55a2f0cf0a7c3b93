"""Where records of a CSV or TSV file begin and end: line ends in quotes, quotes that stay open, line ends that DuckDB
refuses, and which line a rejected record stands on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO

from aat_datasets.card import Reader
from aat_datasets.readers import is_gzip, open_bytes

__all__ = ["holds_line_ends", "line_numbers", "requote", "unclosed"]

_CHUNK = 1 << 20
Lines = tuple[dict[int, int], dict[int, int]]


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
