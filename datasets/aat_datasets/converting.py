"""Files that are not one record a line → JSON lines that are, with the line of the original each came from.

JSON documents, conversations, paragraphs, and files read side by side. Bytes that are no UTF-8 are passed on as they
are: the reader rejects them with their line.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from aat_datasets.card import File, Reader
from aat_datasets.errors import DataError
from aat_datasets.readers import as_utf8, open_bytes

__all__ = ["DIALOGUE", "HISTORY", "Converted", "converted", "members", "peek"]

_CHUNK = 1 << 20
_ODD = re.compile(rb'[\x00-\x1f"\\]')
_BLANK = " \t\r\n"
_DEEP = "nested too deeply"

HISTORY, DIALOGUE = "aat_history", "aat_dialogue"
"""What a turn of a conversation has beside the record's own: the turns before it, and what names the conversation."""

_TURNS = 16  # that a row has of those before it


class Converted(NamedTuple):
    """What is read instead of the files, how, and the original's line of each of its lines (empty: the same)."""

    path: Path
    reader: Reader
    lines: array[int]


def converted(files: Sequence[tuple[File, Path]], reader: Reader, work: Path, number: int) -> Converted:
    """One stage's files as one that is read by records, in UTF-8. ``number`` names the copy, where one is made.

    Raises DataError for a JSON document that is none, a member it does not have, an unknown encoding, or files side by
    side of different length.
    """
    file, path = files[0]
    source = as_utf8(path, reader, work)
    used = Reader(format="jsonl", names=[file.column for file, _ in files if file.column])
    copy = work / f"converted-{number}.jsonl"
    if len(files) > 1 or file.column:
        sources = [source, *(as_utf8(other, reader, work) for _, other in files[1:])]
        rows = _side_by_side([(file.column, found) for (file, _), found in zip(files, sources, strict=True)])
    elif reader.format == "json":
        rows = _document(path, source, file.member, reader.names)
        used.names = list(reader.names)
    elif reader.turns:
        rows = _conversations(source, reader.turns)
    elif reader.format == "txt" and reader.paragraphs:
        rows = _paragraphs(source)
        used.names = ["text"]
    else:
        plain = Reader(format=reader.format, header=reader.header, names=reader.names, delimiter=reader.delimiter)
        return Converted(source, plain, array("q"))
    lines = array("q")
    with copy.open("wb") as out:
        for line, row in rows:
            out.write(row + b"\n")
            lines.append(line)
    return Converted(copy, used, lines)


def peek(path: Path, reader: Reader, count: int, member: str = "") -> list[dict[str, Any]]:
    """The first objects of a JSON array, or the first turns of conversations.

    Of arrays in the array: objects whose keys are positions, from ``1``. ``member``: the key of an array in a document.
    """
    if reader.turns:
        turns = islice(_conversations(path, reader.turns), count)
        return [found for _, row in turns if (found := _object(row)) is not None]
    if member:
        return list(islice(_objects(_member(path, path, member), reader.names), count))
    with open_bytes(path) as file:
        return list(islice(_objects(_elements(path, file), reader.names), count))


def _objects(elements: Iterable[tuple[int, Any]], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for _, element in elements:
        if isinstance(element, dict):
            yield cast("dict[str, Any]", element)
        elif isinstance(element, list):
            cells = cast("list[Any]", element)
            yield dict(zip(names or map(str, range(1, 1 + len(cells))), cells, strict=False))


def members(path: Path) -> list[str]:
    """The keys of a JSON document whose values are arrays of records; empty for an array. Raises DataError."""
    with open_bytes(path) as file:
        if file.read(_CHUNK).lstrip(codecs.BOM_UTF8 + _BLANK.encode())[:1] != b"{":
            return []
    return [
        key
        for key, value in _load(path, path).items()
        if isinstance(value, list) and value and all(isinstance(one, list | dict) for one in cast("list[Any]", value))
    ]


def _quoted(text: bytes) -> bytes:
    """``text`` as a JSON string."""
    return b'"' + _ODD.sub(lambda match: b"\\u%04x" % match[0][0], text) + b'"'


def _lines(path: Path) -> Iterator[bytes]:
    with open_bytes(path) as file:
        for number, line in enumerate(file):
            body = line.removesuffix(b"\n").removesuffix(b"\r")
            yield body.removeprefix(codecs.BOM_UTF8) if number == 0 else body


def _side_by_side(files: Sequence[tuple[str, Path]]) -> Iterator[tuple[int, bytes]]:
    readers = [_lines(path) for _, path in files]
    names = [_quoted(name.encode()) for name, _ in files]
    number = 0
    while True:
        cells = [next(reader, None) for reader in readers]
        present = [cell for cell in cells if cell is not None]
        if not present:
            return
        if len(present) < len(cells):
            short = files[cells.index(None)][1]
            raise DataError(f"{short}: has {number} lines, fewer than the files it is read beside")
        number += 1
        pairs = (name + b": " + _quoted(cell) for name, cell in zip(names, present, strict=True))
        yield number, b"{" + b", ".join(pairs) + b"}"


def _paragraphs(path: Path) -> Iterator[tuple[int, bytes]]:
    block: list[bytes] = []
    start = number = 0
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            if not block:
                start = number
            block.append(line)
        elif block:
            yield start, b'{"text": ' + _quoted(b"\n".join(block)) + b"}"
            block = []
    if block:
        yield start, b'{"text": ' + _quoted(b"\n".join(block)) + b"}"


def _conversations(path: Path, key: str) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        record = _object(line)
        lists = {name: cast("list[Any]", cell) for name, cell in (record or {}).items() if isinstance(cell, list)}
        if record is None or key not in lists:
            yield number, line if record is None else b"[]"  # no conversation: rejected as such
            continue
        turns = lists[key]
        beside = {name: cells for name, cells in lists.items() if len(cells) == len(turns)}
        alone = {name: cell for name, cell in record.items() if name not in beside}
        alone[DIALOGUE] = hashlib.sha256(json.dumps(turns).encode()).hexdigest()[:16]
        for at in range(len(turns) - 1):
            row = {**alone, **{name: cells[at] for name, cells in beside.items()}, "reply": turns[at + 1]}
            row[HISTORY] = json.dumps(list(map(str, turns[max(0, at - _TURNS) : at])), ensure_ascii=False)
            yield number, json.dumps(row).encode()


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _document(path: Path, source: Path, member: str, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    if member:
        elements: Iterable[tuple[int, Any]] = _member(path, source, member)
    else:
        with open_bytes(source) as file:
            yield from _rows(_elements(path, file), names)
        return
    yield from _rows(elements, names)


def _rows(elements: Iterable[tuple[int, Any]], names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    for line, element in elements:
        if names and isinstance(element, list):
            cells = cast("list[Any]", element)
            element = dict(zip(names, cells, strict=True)) if len(cells) == len(names) else None
        yield line, json.dumps(element).encode()


def _member(path: Path, source: Path, member: str) -> Iterator[tuple[int, Any]]:
    """The array under a key. The whole document is in memory: its members come in any order."""
    rows: Any = _load(path, source).get(member)
    if not isinstance(rows, list):
        raise DataError(f"{path}: no array under {member!r}")
    yield from enumerate(cast("list[Any]", rows), 1)


def _load(path: Path, source: Path) -> dict[str, Any]:
    """A whole document; empty where it is no object."""
    try:
        with open_bytes(source) as file:
            document: Any = json.loads(file.read())
    except RecursionError:
        raise DataError(f"{path}: not JSON: {_DEEP}") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _elements(path: Path, file: IO[bytes]) -> Iterator[tuple[int, Any]]:
    """The elements of a JSON array with the lines they begin on, read piece by piece. Raises DataError."""
    text = codecs.getincrementaldecoder("utf-8-sig")(errors="surrogateescape")
    decoder = json.JSONDecoder()
    buffer, at, line, ended = text.decode(file.read(_CHUNK)), 0, 1, False

    def skip(position: int, marks: str) -> int:
        nonlocal line
        while position < len(buffer) and buffer[position] in marks:
            line += buffer[position] == "\n"
            position += 1
        return position

    at = skip(0, _BLANK)
    if buffer[at : at + 1] != "[":
        raise DataError(f"{path}: not a JSON array", "an array of objects, or one object a line in a .jsonl file")
    at += 1
    while True:
        at = skip(at, _BLANK + ",")
        if buffer[at : at + 1] == "]":
            return
        try:
            value, end = decoder.raw_decode(buffer, at)
            # A number may go on in the next piece.
            whole = end < len(buffer) or ended
        except RecursionError:
            raise DataError(f"{path}: line {line}: not JSON: {_DEEP}") from None
        except ValueError as error:
            value, end, whole = None, at, False
            if ended:
                raise DataError(f"{path}: line {line}: not JSON: {str(error).split(':')[0]}") from None
        if whole:
            yield line, value
            line += buffer.count("\n", at, end)
            at = end
            continue
        # As much again as is waiting: a long element is not tried many times over.
        more = file.read(max(_CHUNK, len(buffer) - at))
        ended = not more
        buffer, at = buffer[at:] + text.decode(more, ended), 0
