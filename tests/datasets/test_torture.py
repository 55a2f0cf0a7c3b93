"""Files as they come: whatever is wrong with one, each of its records is a row or a rejected line with its reason.

``python tests/datasets/test_torture.py FOLDER`` writes them all, to look at or to try elsewhere.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aat_datasets import catalog
from aat_datasets.adding import add
from aat_datasets.errors import DataError


class Case(NamedTuple):
    """A file, the texts that are kept in its order, and ``line: reason`` of what is rejected; or the error it ends in."""

    name: str
    content: bytes
    kept: list[str] = []  # noqa: RUF012
    rejected: list[str] = []  # noqa: RUF012
    error: str = ""


HEAD = b"text,label\n"
FILL = [f"filling text number {i}" for i in range(60)]  # so that a few rejected lines are below a twentieth


def filled(*rows: bytes, end: bytes = b"\n", head: bytes = HEAD) -> bytes:
    return head + b"".join(row + end for row in [*(f"{text},a".encode() for text in FILL), *rows])


def lines(*rows: bytes) -> bytes:
    good = [json.dumps({"text": text, "label": "a"}).encode() for text in FILL]
    return b"\n".join([*good, *rows]) + b"\n"


LONG = "x" * 10_000_000
BYTES = "bytes that are not of the file's encoding"
CASES = [
    Case("bom.csv", b"\xef\xbb\xbf" + filled(b"after the mark,b"), [*FILL, "after the mark"]),
    Case("bom.csv.gz", gzip.compress(b"\xef\xbb\xbf" + filled(b"packed,b")), [*FILL, "packed"]),
    Case("gzip without saying so.csv", gzip.compress(filled(b"packed,b")), [*FILL, "packed"]),
    Case("utf-16.csv", filled("naïve 中文,b".encode()).decode().encode("utf-16"), [*FILL, "naïve 中文"]),
    Case("undecodable.csv", filled(b"bad \xff\xfe,b", b"cut \xe4\xb8,b", b"fine,b"), [*FILL, "fine"],
         [f"62: {BYTES}", f"63: {BYTES}"]),
    Case("undecodable.jsonl", lines(b'{"text": "\xff", "label": "a"}', b'{"text": "fine", "label": "b"}'),
         [*FILL, "fine"], [f"61: {BYTES}"]),
    Case("columns.csv", filled(b"one", b"a,b,c", b"fine,b"), [*FILL, "fine"],
         ["62: expected 2 columns, found 1", "63: expected 2 columns, found 3"]),
    Case("empty texts.csv", filled(b",a", b'"  ",a', b"fine,"), FILL,
         ["62: empty text", "63: empty text", "64: no label"]),
    Case("quoted.csv", filled(b'"two\nlines, ""quoted""",b', b'"crlf\r\ninside",b', b'";\t|,",b'),
         [*FILL, 'two\nlines, "quoted"', "crlf\r\ninside", ";\t|,"]),
    Case("crlf.csv", filled(b'"a\nb",b', b"last,b", end=b"\r\n", head=b"text,label\r\n"), [*FILL, "a\nb", "last"]),
    Case("cr.csv", filled(b"last,b", end=b"\r", head=b"text,label\r"), [*FILL, "last"]),
    Case("blank lines.csv", filled(b"", b"", b"last,b"), [*FILL, "last"]),
    Case("no end.csv", filled(b"last,b").rstrip(b"\n"), [*FILL, "last"]),
    Case("10 MB.csv", filled(LONG.encode() + b",b", b"after,b"), [*FILL, LONG, "after"]),
    Case("10 MB.jsonl", lines(json.dumps({"text": LONG, "label": "b"}).encode()), [*FILL, LONG]),
    Case("nul.csv", filled(b"nul \x00 here,b", b'"\x00",b'), [*FILL, "nul \0 here", "\0"]),
    Case("odd texts.csv", filled("\u202ertl עברית\u202c,b".encode(), "👩‍👩‍👧 e\u0301 \u200b,b".encode(), b"\x1b[2J[red],b"),
         [*FILL, "\u202ertl עברית\u202c", "👩‍👩‍👧 e\u0301 \u200b", "\x1b[2J[red]"]),
    Case("quote inside.csv", filled(b'5" pipe,b', b'say "hi" now,b'), [*FILL, '5" pipe', 'say "hi" now']),
    Case("tabs.tsv", b"text\tlabel\n" + b"".join(f"{text}\ta\n".encode() for text in FILL) + b'"open\tb\none\ttwo\tthree\n',
         [*FILL, '"open'], ["63: expected 2 columns, found 3"]),
    Case("json.jsonl", lines(b"{", b"[1]", b"null", b'{"text": null, "label": "a"}', b'{"label": "a"}',
                             b'{"text": 5, "label": "b"}', b'{"text": "\\u0000\\ud83d\\ude00", "label": "b"}'),
         [*FILL, "5", "\0😀"],
         ["61: not a JSON object", "62: not a JSON object", "63: not a JSON object", "64: empty text", "65: empty text"]),
    Case("deep.jsonl", lines(b'{"text": ' + b"[" * 100_000 + b', "label": "a"}', b'{"text": "fine", "label": "b"}'),
         [*FILL, "fine"], ["61: not a JSON object"]),
    Case("array.json", json.dumps([{"text": t, "label": "a"} for t in [*FILL, "a\n]b"]], indent=1).encode(), [*FILL, "a\n]b"]),
    Case("array cut.json", json.dumps([{"text": t, "label": "a"} for t in FILL]).encode()[:-9], error="not JSON"),
    Case("array of others.json", json.dumps([*({"text": t, "label": "a"} for t in FILL), 5, None]).encode(), FILL,
         ["1: not a JSON object", "1: not a JSON object"]),
    Case("object.json", lines(b'{"text": "a line", "label": "b"}'), [*FILL, "a line"]),
    Case("header alone.csv", HEAD, error="no usable row|no column looks like text"),
    Case("nothing.csv", b"", error="the file is empty"),
    Case("blanks.csv", b"\n\n\n", error="the first line is empty|no column looks like text|no usable row"),
    Case("gzip cut.csv.gz", gzip.compress(filled(b"x,b"))[:-30], error="gzip|Compressed|end|cannot be read"),
    Case("not gzip.csv.gz", b"\x1f\x8b" + b"\x00" * 40, error="."),
    Case("not parquet.parquet", b"PAR1" + b"\x00" * 60 + b"PAR1", error="not Parquet"),
    Case("half rejected.csv", HEAD + b"fine,a\nbad\n" * 30, error="30 of 60 lines rejected, first half rejected.csv, line 3"),
    Case("open quote.csv", filled(b'"never closed,b'), FILL, ["62: a quote that is not closed"]),
    Case("open quote early.csv", HEAD + b'fine,a\n5" pipe,b\n"never closed,b\n' + b"lost,a\n" * 9, ["fine", '5" pipe'],
         ["4: a quote that is not closed"]),
    Case("strange names.csv", b"row,\"te'xt \"\"x\"\"\",label\n" + b"".join(f"9,{t},a\n".encode() for t in FILL), FILL),
    Case("reason and blank.csv", b"reason,text,label,blank,aat_bad\n" + b"".join(f"r,{t},a,b,c\n".encode() for t in FILL), FILL),
    Case("line numbers.csv", filled(b'5" pipe,b', b'"two\nlines",b', b"one", b'6" pipe,b', b'"three\n\nlines",b', b"two,"),
         [*FILL, '5" pipe', "two\nlines", '6" pipe', "three\n\nlines"], ["65: expected 2 columns, found 1", "70: no label"]),
]  # fmt: skip


def write(folder: Path) -> list[Path]:
    """All files; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        (folder / case.name).write_bytes(case.content)
    return [folder / case.name for case in CASES]


def kept(name: str) -> list[str]:
    dataset = catalog.open_dataset(name)
    return sorted(text for split in dataset.splits for text in dataset.columns(split)[1])


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_record_is_a_row_or_a_rejected_line(data_home: Path, tmp_path: Path, case: Case) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.content)
    if case.error:
        with pytest.raises(DataError, match=case.error) as raised:
            add("torture", [path], label="label" if b"label" in case.content else None)
        assert "\n" not in str(raised.value)
        assert "torture" not in catalog.names()
        assert not [left for left in data_home.glob("*") if left.name != "cards"]
        return
    text = 'te\'xt "x"' if case.name.startswith("strange") else "text"
    report = add("torture", [path], text=text, label="label", allow_rejects=bool(case.rejected))
    assert [f"{one.line}: {one.reason}" for one in report.rejected] == case.rejected
    assert {one.file for one in report.rejected} <= {case.name}
    assert kept("torture") == sorted(case.kept)


def test_parquet_of_any_type(data_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "types.parquet"
    with duckdb.connect() as con:
        con.execute(
            f"""COPY (SELECT CASE WHEN i = 3 THEN NULL ELSE 'text ' || i END AS text, i % 2 = 0 AS label,
            [i, NULL] AS list, {{'a': i}} AS struct, DATE '2024-01-01' AS day FROM range(60) r(i))
            TO '{path}' (FORMAT parquet)"""
        )
    report = add("types", [path], text="text", label="label")
    assert [(one.line, one.reason) for one in report.rejected] == [(4, "empty text")]
    assert report.labels == ["false", "true"]
    add("lists", [path], text="list", label="label")
    assert "[5, NULL]" in kept("lists")


BYTE = st.sampled_from([b'"', b",", b"\n", b"\r", b"\r\n", b"\t", b"\x00", b"\xff", b" ", b"a", "é".encode(), b"{", b"}", b":",
                        b"[", b"]", b"\\", b'{"text": "x", "label": "a"}', b"fine,a\n", b"\xef\xbb\xbf"])  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["csv", "tsv", "jsonl", "json", "txt"]), tail=st.lists(BYTE, max_size=40), packed=st.booleans()
)
def test_no_bytes_crash_a_reader(data_home: Path, kind: str, tail: list[bytes], packed: bool) -> None:
    head = {"csv": b"text,label\nfirst,a\n", "tsv": b"text\tlabel\nfirst\ta\n", "txt": b"first\n",
            "jsonl": b'{"text": "first", "label": "a"}\n', "json": b'[{"text": "first", "label": "a"},\n'}[kind]  # fmt: skip
    data = head + b"".join(tail)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fuzzed.{kind}"
        path.write_bytes(gzip.compress(data) if packed else data)
        try:
            report = add(
                "fuzzed", [path], text="text", label="" if kind == "txt" else "label", allow_rejects=True, replace=True
            )
        except DataError as error:
            assert "\n" not in str(error)
            return
    total = data.count(b"\n") + data.count(b"\r") + 1
    assert all(1 <= one.line <= total and one.reason for one in report.rejected)
    assert "first" in kept("fuzzed")


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), min_size=1, max_size=8)
)
def test_any_text_survives_json(data_home: Path, texts: list[str]) -> None:
    texts = [text for text in texts if text.strip(" \t\r\n")]
    if not texts:
        return
    rows = [{"text": text, "label": "a"} for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("a.json", json.dumps(rows)), ("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))):
            (Path(folder) / name).write_text(data)
            add("any", [], splits={"train": Path(folder) / name}, text="text", label="label", replace=True)
            assert kept("any") == sorted(texts)


if __name__ == "__main__":
    print(*write(Path(sys.argv[1])), sep="\n")
