"""Texts survive ingest byte for byte, bad lines are named by file and line, and a folder is whole or absent."""

from __future__ import annotations

import csv
import gzip
import io
import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aat_datasets.card import Card, Columns, Derive, File, Format, Reader, Source
from aat_datasets.errors import DataError
from aat_datasets.ingest import ingest, read_meta
from aat_datasets.staging import Reject

ODD = [
    "nul \0 inside",
    "emoji 😀 👩‍👩‍👧 and \u0301 marks e\u0301",
    "中文，没有空格。",
    "\u202eright to left\u202c עברית",
    "<b>bold</b> [red]markup[/red] \x1b[31mescape",
    'quotes "inside" and \'single\' and ""',
    "line\nbreaks\r\nof\rall kinds\n\n",
    "comma, semicolon; tab\t end",
    "NULL",
    " blanks around ",
    "word" * 25_000,
    "\\N \\t {brace} 100% $1 'x'",
]


def card_of(reader: Reader, labels: list[str] | None = None, **options: object) -> Card:
    names = labels if labels is not None else ["no", "yes"]
    base = {
        "name": "odd",
        "title": "odd",
        "task": "classification",
        "language": "en",
        "labels": names,
        "columns": Columns(text=["text"], label="label" if names else ""),
        "sources": [Source(kind="mirror", reader=reader, files=[])],
        "licence": "none",
    }
    return Card(**{**base, **options})  # type: ignore[arg-type]


def run(path: Path, reader: Reader, tmp_path: Path, card: Card | None = None, allow_rejects: bool = False):
    folder = tmp_path / "out" / "odd"
    return (
        *ingest(card or card_of(reader), [(File(split="train"), path)], reader, folder, allow_rejects=allow_rejects),
        folder,
    )


def texts_of(folder: Path, split: str = "train") -> list[str]:
    with duckdb.connect() as con:
        rows = con.execute(f"SELECT text FROM read_parquet('{folder}/{split}.parquet')").fetchall()
    return [row[0] for row in rows]


def as_csv(texts: list[str]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["text", "label"])
    writer.writerows((text, ["no", "yes"][i % 2]) for i, text in enumerate(texts))
    return out.getvalue().encode()


def as_jsonl(texts: list[str]) -> bytes:
    rows = ({"text": text, "label": ["no", "yes"][i % 2]} for i, text in enumerate(texts))
    return "".join(json.dumps(row, ensure_ascii=index % 2 == 0) + "\n" for index, row in enumerate(rows)).encode()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize(("kind", "write"), [("csv", as_csv), ("jsonl", as_jsonl)])
def test_odd_texts_survive(tmp_path: Path, kind: Format, write: Callable[[list[str]], bytes], packed: bool) -> None:
    raw = write(ODD)
    path = tmp_path / f"o'dd [1].{kind}{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    meta, rejects, folder = run(path, Reader(format=kind), tmp_path)
    assert rejects == []
    assert meta.splits == {"train": len(ODD)}
    assert texts_of(folder) == ODD


def test_parquet_survives(tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t (text VARCHAR, label VARCHAR)")
        con.executemany("INSERT INTO t VALUES (?, 'no')", [[text] for text in ODD])
        con.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    _, _, folder = run(path, Reader(format="parquet"), tmp_path)
    assert texts_of(folder) == ODD


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip), min_size=1))
def test_any_text_survives_csv(tmp_path: Path, texts: list[str]) -> None:
    texts = [text for text in texts if text.strip(" \t\r\n")]
    if not texts:
        return
    path = tmp_path / "any.csv"
    path.write_bytes(as_csv(texts))
    _, _, folder = run(path, Reader(format="csv"), tmp_path)
    assert texts_of(folder) == texts


def test_tsv_has_no_quoting_and_any_line_end(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b'label\ttext\r\nno\tsays "hi\nyes\t"\r\nno\ta lone \r return\nyes\tlast')
    _, rejects, folder = run(path, Reader(format="tsv"), tmp_path)
    assert rejects == []
    assert texts_of(folder) == ['says "hi', '"', "a lone \r return", "last"]


def test_csv_with_mixed_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b'text,label\r\n"a\r\nb",no\nplain,yes\r"c\rd",no\r\n')
    _, rejects, folder = run(path, Reader(format="csv"), tmp_path)
    assert rejects == []
    assert texts_of(folder) == ["a\r\nb", "plain", "c\rd"]


def test_quoted_newlines_over_many_buffers(tmp_path: Path) -> None:
    texts = [f'row {i}\n"quoted", with\n\nbreaks ' + "x" * (i % 97) for i in range(60_000)]
    path = tmp_path / "long.csv"
    path.write_bytes(as_csv(texts))
    _, rejects, folder = run(path, Reader(format="csv"), tmp_path)
    assert rejects == []
    assert texts_of(folder) == texts


def test_line_of_10_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(as_csv(["short", "x" * 10_000_000, "after"]))
    _, rejects, folder = run(path, Reader(format="csv"), tmp_path)
    assert rejects == []
    assert [len(text) for text in texts_of(folder)] == [5, 10_000_000, 5]


def test_rejected_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    good = b"".join(b"fine %d,no\n" % i for i in range(200))
    # Lines: 1 header, 2-201 good, 202-203 a quoted newline, then one bad line of each kind.
    path.write_bytes(
        b"text,label\n" + good + b'"two\nlines",yes\nonly\na,b,c\n\n,no\nx,maybe\nbad \xff,no\nx,\nend,yes\n'
    )
    meta, rejects, folder = run(path, Reader(format="csv"), tmp_path)
    expected = [
        (204, "expected 2 columns, found 1"),
        (205, "expected 2 columns, found 3"),
        (207, "empty text"),
        (208, "unknown label maybe"),
        (209, "bytes that are not of the file's encoding"),
        (210, "no label"),
    ]
    assert rejects == [Reject("bad.csv", line, reason) for line, reason in expected]
    assert (meta.rejected, meta.splits) == (6, {"train": 202})
    with duckdb.connect() as con:
        stored = con.execute(f"SELECT line, reason FROM read_parquet('{folder}/rejects.parquet')").fetchall()
    assert stored == expected


def test_rejected_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    good = "".join(json.dumps({"text": f"fine {i}", "label": "no"}) + "\n" for i in range(200))
    path.write_bytes(good.encode() + b'\n{"text": \n[1]\n{"label":"no"}\n{"text":"\xff","label":"no"}\n')
    _, rejects, _ = run(path, Reader(format="jsonl"), tmp_path)
    assert [(reject.line, reject.reason) for reject in rejects] == [
        (202, "not a JSON object"),
        (203, "not a JSON object"),
        (204, "empty text"),
        (205, "bytes that are not of the file's encoding"),
    ]


def test_more_than_a_twentieth_rejected_stops(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"text,label\n" + b"fine,no\n" * 9 + b"x,maybe\n")
    with pytest.raises(DataError, match=r"1 of 10 lines rejected, first bad.csv, line 11: unknown label maybe"):
        run(path, Reader(format="csv"), tmp_path)
    assert list((tmp_path / "out").iterdir()) == []
    meta, _, _ = run(path, Reader(format="csv"), tmp_path, allow_rejects=True)
    assert (meta.splits, meta.rejected) == ({"train": 9}, 1)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "gb18030"])
def test_declared_encodings(tmp_path: Path, encoding: str) -> None:
    text = "naïve café" if encoding == "latin-1" else "naïve 中文"
    path = tmp_path / "x.tsv"
    path.write_bytes(f"label\ttext\nno\t{text}\nyes\tplain\n".encode(encoding))
    _, rejects, folder = run(path, Reader(format="tsv", encoding=encoding), tmp_path)
    assert rejects == []
    assert texts_of(folder) == [text, "plain"]


def test_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\nfine,no\n")
    assert texts_of(run(path, Reader(format="csv"), tmp_path)[2]) == ["fine"]


def test_text_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b'first, "line\n\nsecond\tline\n   \n')
    card = card_of(Reader(format="txt"), labels=[], task="language-model")
    meta, rejects, folder = run(path, Reader(format="txt"), tmp_path, card)
    assert rejects == []
    assert texts_of(folder) == ['first, "line', "second\tline"]
    assert meta.columns == ["row", "text"]


def test_missing_column_lists_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"sentence,label\nfine,no\n")
    with pytest.raises(DataError, match=r"no column named 'text' \(columns: sentence, label\)"):
        run(path, Reader(format="csv"), tmp_path)


def test_derived_splits_are_stratified_seeded_and_complete(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(as_csv([f"text {i}" for i in range(1000)] + ["twin"] * 50))
    card = card_of(Reader(format="csv"), derive=Derive(dev=0.1, test=0.2, seed=3))
    meta, _, folder = run(path, Reader(format="csv"), tmp_path, card)
    parts = {split: texts_of(folder, split) for split in ("train", "dev", "test")}
    assert sum(map(len, parts.values())) == 1050
    assert not set(parts["train"]) & set(parts["dev"]) | set(parts["train"]) & set(parts["test"])
    with duckdb.connect() as con:
        counts = con.execute(f"SELECT count(*) FROM read_parquet('{folder}/test.parquet') GROUP BY label").fetchall()
    assert all(abs(count - 105) <= 25 for (count,) in counts), counts
    assert meta.derived is not None
    assert meta.derived["seed"] == 3
    other = card_of(Reader(format="csv"), derive=Derive(dev=0.1, test=0.2, seed=4))
    run(path, Reader(format="csv"), tmp_path, other)
    assert set(texts_of(folder, "test")) != set(parts["test"])


def test_deduplicated_before_the_split(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(as_csv([f"text {i % 40}" for i in range(100)]))
    card = card_of(Reader(format="csv"), derive=Derive(dev=0.25), deduplicate=True)
    meta, _, folder = run(path, Reader(format="csv"), tmp_path, card)
    found = [*texts_of(folder), *texts_of(folder, "dev")]
    assert sorted(found) == sorted({f"text {i}" for i in range(40)})
    assert meta.duplicates == 60


def test_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(as_csv(["one", "two"]))
    first = run(path, Reader(format="csv"), tmp_path)[0].fingerprint
    lines = tmp_path / "x.jsonl"
    lines.write_bytes(as_jsonl(["one", "two"]))
    assert run(lines, Reader(format="jsonl"), tmp_path)[0].fingerprint == first
    path.write_bytes(as_csv(["two", "one"]))
    assert run(path, Reader(format="csv"), tmp_path)[0].fingerprint != first


def _ingest_repeatedly(path: str, tmp_path: str, times: int) -> None:
    for _ in range(times):
        run(Path(path), Reader(format="csv"), Path(tmp_path))


def test_two_processes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(as_csv([f"text {i}" for i in range(2000)]))
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_ingest_repeatedly, args=(str(path), str(tmp_path), 3)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["odd"]
    assert len(texts_of(tmp_path / "out" / "odd")) == 2000


def test_abandoned_folders_go_after_a_day(tmp_path: Path) -> None:
    old, young = tmp_path / "out" / ".tmp-odd-1-a", tmp_path / "out" / ".tmp-odd-2-b"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    path = tmp_path / "x.csv"
    path.write_bytes(as_csv(["one"]))
    run(path, Reader(format="csv"), tmp_path)
    assert not old.exists()
    assert young.exists()


def test_meta_of_a_torn_folder_is_none(tmp_path: Path) -> None:
    assert read_meta(tmp_path) is None
    (tmp_path / "meta.json").write_text('{"version": 2, "na')
    assert read_meta(tmp_path) is None
