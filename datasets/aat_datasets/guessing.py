"""What the columns of a user's file are: its reader settings, whether it names them, which is the text, which the label.

Names help where they say something; where they do not, the values decide: texts are long and hardly ever the same,
labels are few, always there, and mostly beside the text.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

import msgspec

from aat_datasets.card import Columns, Reader
from aat_datasets.chinese import has_han
from aat_datasets.converting import DIALOGUE, HISTORY, members, peek
from aat_datasets.errors import DataError
from aat_datasets.readers import column_names, first_lines, path_literal, records, sniff

__all__ = ["Guess", "guess", "members_of", "split_named"]

_TEXT = ("text", "sentence", "review", "content", "message", "utterance", "question", "tweet", "comment", "document",
         "body", "post", "description", "source", "premise", "title", "input", "prompt")  # fmt: skip
_LABEL = ("label", "labels", "class", "category", "sentiment", "intent", "topic", "polarity", "rating", "stars",
          "spam", "y", "tag", "gold", "score")  # fmt: skip
_TARGET = ("target", "reply", "response", "answer", "summary", "translation", "output", "completion")
_SPLITS = {"train": "train", "training": "train", "dev": "dev", "valid": "dev", "validation": "dev", "val": "dev",
           "test": "test", "testing": "test"}  # fmt: skip
_SAMPLE = 2000  # rows a guess looks at
_LETTERS = 200  # of each of them, where the language is asked
_READ = 40_000  # rows among which they are
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*")
_MANY = 400  # a guessed label column has at most this many distinct values in the sample


class Guess(msgspec.Struct, kw_only=True):
    """Columns and reader settings found by looking at a file.

    ``known``: all its columns. ``members``: the keys of a JSON document under which its records are, and the splits they
    name (none: empty), train first; of another file empty. ``language``: ``zh`` where most letters of its texts are Chinese
    characters, else ``en``.
    """

    reader: Reader
    columns: Columns
    known: list[str]
    members: dict[str, str]
    language: str


def guess(
    path: Path,
    *,
    text: str | None = None,
    label: str | None = None,
    target: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Guess:
    """What the columns of a file are, what is given left as it is. Raises DataError for a column that is not there."""
    import duckdb

    reader = sniff(path)
    if encoding:
        try:
            reader.encoding = codecs.lookup(encoding).name
        except LookupError:
            raise DataError(f"unknown encoding {encoding!r}", "utf-8, utf-16, latin-1, gb18030 …") from None
    if reader.format in ("csv", "tsv"):
        reader.header = _has_header(records(path, reader, 50)) if header is None else header
    turns = _turns(path, reader)
    reader.turns = turns if text in (None, turns) and target in (None, "reply") else ""
    found = members_of(path) if reader.format == "json" else {}
    if reader.format == "json" or reader.turns:
        objects = [one for key in found or {"": ""} for one in peek(path, reader, _SAMPLE, key)]
        known = [key for key in dict.fromkeys(key for one in objects for key in one) if key not in (HISTORY, DIALOGUE)]
        sample = {name: [_cell(one.get(name)) for one in objects] for name in known}
        reader.names = known if known and all(name.isdecimal() for name in known) else []
        if not known:
            raise DataError(f"{path}: no records in it", "an array of objects, or arrays of them under keys")
    else:
        with duckdb.connect() as con:
            known = column_names(path, reader, con)
            sample = _sample(path, reader, known, con)
    if reader.format in ("csv", "tsv") and not reader.header:
        reader.names = known
    chosen = {"text": text, "label": label, "target": target}
    for name in chosen.values():
        if name and name not in known:
            raise DataError(f"{path.name}: no column named {name!r}", f"columns: {', '.join(known[:30])}")
    free = [column for column in known if column not in chosen.values()]
    if reader.turns:
        text, target = text or reader.turns, "reply"
    if target is None:
        target = _guess_target(free, sample) if text is not None or len(free) > 1 else ""
        free = [column for column in free if column != target]
    text = text or _guess_text(free, sample)
    free = [column for column in free if column != text]
    if label is None:
        label = _guess_label(free, known, text, sample)
    if not text:
        raise DataError(f"{path.name}: no column looks like text", f"name it with --text; columns: {', '.join(known)}")
    columns = Columns(text=[text], label=label or "", target=target or "")
    if reader.turns:
        columns.history, columns.dialogue = HISTORY, DIALOGUE
    return Guess(reader=reader, columns=columns, known=known, members=found, language=_language(sample.get(text, [])))


def _language(texts: list[str]) -> str:
    """Of the two that there is preprocessing for; Japanese, whose syllables stand among Chinese characters, is neither."""
    letters = [letter for text in texts for letter in text[:_LETTERS] if letter.isalpha()]
    chinese = sum(map(has_han, letters))
    japanese = sum("\u3040" <= letter <= "\u30ff" for letter in letters)
    return "zh" if 2 * chinese > len(letters) and 20 * japanese < chinese else "en"


def split_named(name: str) -> str | None:
    """The split that the words of a name speak of; None where they speak of none, or of two."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    found = {_SPLITS[word] for word in words if word in _SPLITS}
    return found.pop() if len(found) == 1 else None


def members_of(path: Path) -> dict[str, str]:
    """The keys of a JSON document's arrays of records with the split each names; where some do, only those."""
    keys = {key: split_named(key) or "" for key in members(path)}
    named = {key: split for key, split in keys.items() if split}
    return dict(sorted((named or keys).items(), key=lambda pair: pair[1] != "train"))


def _turns(path: Path, reader: Reader) -> str:
    """The key of a conversation's turns: most records have a list of texts there; '' where there is none."""
    if reader.format != "jsonl":
        return ""
    lines = [line for line in first_lines(path, reader, 50) if line.strip()]
    counts: Counter[str] = Counter()
    for line in lines:
        try:
            value: Any = json.loads(line)
        except (ValueError, RecursionError):
            continue
        record = cast("dict[str, Any]", value if isinstance(value, dict) else {})
        for key, cell in record.items():
            turns = cast("list[Any]", cell if isinstance(cell, list) else [])
            if len(turns) > 1 and all(isinstance(turn, str) and " " in turn.strip() for turn in turns[:2]):
                counts[key] += 1
    best = counts.most_common(1)
    return best[0][0] if best and 2 * best[0][1] > len(lines) else ""


def _sample(path: Path, reader: Reader, known: list[str], con: Any) -> dict[str, list[str]]:
    """Column → its values in the first rows."""
    rows: list[list[str]]
    if reader.format in ("csv", "tsv"):
        rows = _spread(records(path, reader, _READ)[1 if reader.header else 0 :])
    elif reader.format == "parquet":
        columns = ", ".join(f'CAST("{c}" AS VARCHAR)' for c in (name.replace('"', '""') for name in known))
        sql = f"SELECT {columns} FROM read_parquet({path_literal(path)}) LIMIT {_READ}"
        rows = [["" if cell is None else str(cell) for cell in row] for row in _spread(con.execute(sql).fetchall())]
    elif reader.format == "jsonl":
        rows = []
        for line in _spread(first_lines(path, reader, _READ)):
            try:
                value: Any = json.loads(line)
            except (ValueError, RecursionError):
                continue  # counted as rejected when the file is read
            if isinstance(value, dict):
                cells: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
                rows.append([_cell(cells.get(c)) for c in known])
    else:
        rows = [[line] for line in first_lines(path, reader, _SAMPLE)]
    usable = [row for row in rows if len(row) == len(known)]
    return {name: [row[index] for row in usable] for index, name in enumerate(known)}


def _spread(rows: list[Any]) -> list[Any]:
    """The first rows, and some of the rest: labels often come in blocks, or take turns."""
    half = _SAMPLE // 2
    return rows[:half] + rows[half :: max(1, len(rows) // half) | 1]


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first record names columns.

    It does where a name is a known one; where below a first cell there are only numbers and it is none; or where a column
    has few values and the first cell is none of them.
    """
    if len(rows) < 2:
        return bool(rows) and _known_names(rows[0])
    first = [cell.strip() for cell in rows[0]]
    filled = [cell for cell in first if cell]
    if len(set(filled)) != len(filled) or any(len(cell) > 60 for cell in first):
        return False
    if _known_names(first):
        return True
    later = [row for row in rows[1:] if len(row) == len(first)]
    below = [[row[at].strip() for row in later] for at in range(len(first))]
    return any(_is_name(cell, values) for cell, values in zip(first, below, strict=True))


def _known_names(cells: list[str]) -> bool:
    known = {*_TEXT, *_LABEL, *_TARGET} - {"y"}
    return any(cell.strip().lower() in known for cell in cells) and all(len(cell) <= 60 for cell in cells)


def _is_name(cell: str, values: list[str]) -> bool:
    present = [value for value in values if value]
    if len(present) < 5 or not cell or not re.fullmatch(r"[^\W\d][\w .:/-]{0,59}", cell):
        return False
    if all(_NUMBER.fullmatch(value) for value in present):
        return True
    few = len(set(present)) * 5 <= len(present)
    long = sum(map(len, present)) > 3 * len(present) * len(cell) and len(cell.split()) <= 3
    return cell not in present and (few or long)


def _hinted(columns: list[str], hints: tuple[str, ...]) -> list[str]:
    """Columns whose name is a hint, in the order of the hints, then those whose name holds one as a word."""
    found = [column for hint in hints for column in columns if column.lower() == hint]
    for hint in hints:
        for column in columns:
            if len(hint) > 2 and hint in re.split(r"[^a-z]+", column.lower()) and column not in found:
                found.append(column)
    return found


def _guess_label(columns: list[str], known: list[str], text: str, sample: dict[str, list[str]]) -> str:
    """A column of few values: by its name, or beside the text, or with the fewest; '' where there is none."""
    fitting = {c: distinct for c in columns if c != text and (distinct := _few(sample.get(c, [])))}
    if not fitting:
        return ""
    hinted = _hinted(list(fitting), _LABEL)
    if hinted and hinted[0].lower() in ("label", "labels"):
        return hinted[0]
    place = known.index(text) if text in known else -2
    beside = [c for c in hinted or list(fitting) if abs(known.index(c) - place) == 1]
    if hinted:
        return beside[0] if beside else hinted[0]
    return min(beside or fitting, key=lambda c: fitting[c])


def _few(values: list[str]) -> int:
    """The number of distinct values of a column that may be a label; 0 where it cannot be one."""
    present = [value.strip() for value in values if value.strip()]
    distinct = set(present)
    if (
        len(distinct) < 2
        or len(distinct) > _MANY
        or len(distinct) * 2 > len(present)
        or len(present) < 0.9 * len(values)
    ):
        return 0
    return len(distinct) if sum(map(len, distinct)) <= 40 * len(distinct) else 0


def _guess_target(columns: list[str], sample: dict[str, list[str]]) -> str:
    """A column that is called so and holds texts: hardly any the same; '' where there is none."""
    for column in _hinted(columns, _TARGET):
        values = [value for value in sample.get(column, []) if value.strip()]
        if len(values) >= 0.5 * len(sample.get(column, [])) and len(set(values)) * 4 > len(values):
            return column
    return ""


def _guess_text(columns: list[str], sample: dict[str, list[str]]) -> str:
    """The column of long values that differ, a known name standing for three times the length; '' where there is none."""
    if not columns:
        return ""
    weights: dict[str, float] = {}
    hinted = _hinted(columns, _TEXT)
    for column in columns:
        values = [value for value in sample.get(column, []) if value.strip()]
        numbers = sum(1 for value in values if _NUMBER.fullmatch(value.strip()))
        weight = sum(map(len, values)) / max(len(sample.get(column, [])), 1) * len(set(values)) / max(len(values), 1)
        weights[column] = 0.0 if numbers * 2 > len(values) else weight * (3 if hinted[:1] == [column] else 1)
    best = max(columns, key=lambda c: weights[c])
    return best if weights[best] > 0 else (hinted or [""])[0]
