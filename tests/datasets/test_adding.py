"""A user's files: columns, header and splits are guessed as a reader would, and what is given is obeyed."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from aat_datasets import catalog, deriving
from aat_datasets.adding import add, guess, split_of
from aat_datasets.errors import DataError

SENTENCES = [f"This is message number {i} and it is rather long, as messages go" for i in range(40)]


def write(path: Path, rows: list[list[str]], separator: str = ",") -> Path:
    path.write_text("".join(separator.join(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("name", "header", "expected"),
    [
        ("a.csv", ["id", "category", "tweet"], ("tweet", "category")),
        ("b.csv", ["n", "kind", "what people said"], ("what people said", "kind")),
        ("c.tsv", ["Sentence", "Sentiment", "score"], ("Sentence", "Sentiment")),
        ("d.csv", [], ("3", "2")),
        ("e.tsv", [], ("3", "2")),
    ],
)
def test_columns_are_guessed(tmp_path: Path, name: str, header: list[str], expected: tuple[str, str]) -> None:
    cells = [[str(i), ["no", "yes"][i % 2], sentence.replace(",", "")] for i, sentence in enumerate(SENTENCES)]
    if name == "c.tsv":
        cells = [[text, label, number] for number, label, text in cells]
    path = write(tmp_path / name, [*([header] if header else []), *cells], "\t" if name.endswith("tsv") else ",")
    found = guess(path)
    assert (found.columns.text, found.columns.label) == ([expected[0]], expected[1])
    assert found.reader.header is bool(header)


def test_semicolons(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", [["text", "label"], *([s, "ab"[i % 2]] for i, s in enumerate(SENTENCES))], ";")
    assert guess(path).reader.delimiter == ";"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("This is an English sentence, 123", "en"),
        ("这家店的菜好吃，服务热情", "zh"),
        ("iPhone 手机的屏幕很好，电池也不错", "zh"),
        ("They wrote 北京 and 上海 on the map of the city", "en"),
        ("この店の料理はとても美味しいです", "en"),
        ("12345 !?", "en"),
    ],
)
def test_the_language_is_told_by_the_characters(data_home: Path, tmp_path: Path, text: str, language: str) -> None:
    path = write(tmp_path / "x.csv", [["text", "label"], *([f"{text} {i}", "ab"[i % 2]] for i in range(40))], "\t")
    path = path.rename(path.with_suffix(".tsv"))
    assert add("told", [path]).language == catalog.describe("told").language == language
    assert add("given", [path], language="xx").language == "xx"


def test_add_derives_splits_and_writes_a_card(data_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text(
        "".join(
            json.dumps({"id": i, "message": f"{SENTENCES[i % 40]} {i}", "intent": i % 4}) + "\n" for i in range(200)
        )
    )
    report = add("mine", [path])
    assert report.labels == ["0", "1", "2", "3"]
    assert report.splits == {"train": 160, "dev": 20, "test": 20}
    assert report.derived is not None
    card = catalog.card("mine")
    assert (card.columns.text, card.columns.label) == (["message"], "intent")
    assert catalog.describe("mine").state == "ready"
    assert Path(report.card).parent == data_home / "cards"
    again = add("mine", [path], replace=True)
    assert again.splits == report.splits


def test_the_card_alone_finds_the_file_in_a_mirror(
    data_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "all.csv", [["text", "label"], *([f"text {i}", "ab"[i % 2]] for i in range(50))])
    report = add("mine", [path])
    card = Path(report.card).read_text()
    (tmp_path / "mirror").mkdir()
    path.rename(tmp_path / "mirror" / "other name")
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "another machine"))
    monkeypatch.setenv("AAT_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "another machine" / "cards").mkdir(parents=True)
    (tmp_path / "another machine" / "cards" / "mine.toml").write_text(card)
    assert catalog.open_dataset("mine").splits == report.splits


def test_split_files_by_name_and_by_option(data_home: Path, tmp_path: Path) -> None:
    rows = [["text", "label"], *([f"text {i}", "ab"[i % 2]] for i in range(30))]
    train, held, dev = (write(tmp_path / name, rows) for name in ("my_train.csv", "held.csv", "valid.csv"))
    report = add("mine", [train, dev], splits={"test": held})
    assert report.splits == {"train": 30, "dev": 30, "test": 30}
    assert report.derived is None
    only_test = add("evaluation", [], splits={"test": held})
    assert only_test.splits == {"test": 30}


@pytest.mark.parametrize(
    ("name", "split"),
    [("train.csv", "train"), ("my-Validation.tsv.gz", "dev"), ("latest.csv", None), ("train_test.csv", None)],
)
def test_split_of_a_name(name: str, split: str | None) -> None:
    assert split_of(Path(name)) == split


def test_tiny_data_never_lose_the_train_split(data_home: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", [["text", "label"], ["one text", "a"], ["two texts", "b"], ["three", "a"]])
    assert add("tiny", [path], label="label").splits == {"train": 3}


def test_text_only_and_replies(data_home: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("".join(f"line {i}\n" for i in range(30)))
    assert add("lines", [lines]).labels == []
    assert catalog.card("lines").task == "language-model"
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(json.dumps({"question": f"q {i}?", "answer": f"a {i}."}) + "\n" for i in range(30)))
    add("pairs", [pairs])
    assert catalog.card("pairs").task == "seq2seq"
    [example] = catalog.open_dataset("pairs").examples("train", limit=1)
    assert example.target == example.text.replace("q", "a").replace("?", ".")


def test_parquet_and_utf16(data_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT 'text ' || i AS review, i % 2 AS stars FROM range(50) r(i)) TO '{path}'")
    assert add("parquet", [path]).labels == ["0", "1"]
    wide = tmp_path / "wide.csv"
    wide.write_text("text,label\n" + "".join(f"naïve {i},{'ab'[i % 2]}\n" for i in range(50)), encoding="utf-16")
    add("wide", [wide])
    assert "naïve 0" in {
        text for split in ("train", "dev", "test") for text in catalog.open_dataset("wide").columns(split)[1]
    }


def test_wrong_input_is_one_line(data_home: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", [["text", "label"], *([f"text {i}", "ab"[i % 2]] for i in range(30))])
    (tmp_path / "empty.csv").touch()
    (tmp_path / "x.docx").write_text("x")
    for files, options, message in [
        ([path], {"label": "lable"}, r"no column named 'lable' \(columns: text, label\)"),
        ([tmp_path / "none.csv"], {}, "no such file"),
        ([tmp_path / "empty.csv"], {}, "the file is empty"),
        ([tmp_path / "x.docx"], {}, "unknown kind of file"),
        ([], {}, "no file given"),
        ([path], {"splits": {"holdout": path}}, "no split can be called"),
        ([path], {"encoding": "klingon"}, "unknown encoding"),
    ]:
        with pytest.raises(DataError, match=message):
            add("mine", files, **options)
    with pytest.raises(DataError, match="is a dataset of the package"):
        add("sst2", [path])
    with pytest.raises(DataError, match="cannot be called"):
        add("../mine", [path])
    add("mine", [path])
    with pytest.raises(DataError, match="there is a dataset 'mine' already"):
        add("mine", [path])


def test_a_document_of_arrays_is_read_array_by_array_into_the_splits_they_name(data_home: Path, tmp_path: Path) -> None:
    rows = {
        name: [[f"a text about {label} number {k}", label] for k in range(40) for label in ("cats", "dogs")]
        for name in ("train", "val", "test", "oos_train")
    }
    path = tmp_path / "intents.json"
    path.write_text(json.dumps({**rows, "version": 1, "empty": []}, indent=1))
    report = add("intents", [path])
    assert report.columns.text == ["1"] and report.columns.label == "2"
    assert report.splits == {"train": 160, "dev": 80, "test": 80}
    assert report.derived is None


def test_arrays_that_name_no_split_are_one_pool(data_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    rows = [{"body": f"a text of {k} words", "kind": "ab"[k % 2]} for k in range(100)]
    path.write_text(json.dumps({"north": rows[:50], "south": rows[50:]}))
    report = add("rows", [path])
    assert report.rows == 100 and set(report.splits) == {"train", "dev", "test"}


@pytest.mark.parametrize("given", [{}, {"text": "dialog", "label": "act", "target": "reply"}])
def test_lists_of_turns_are_conversations(data_home: Path, tmp_path: Path, given: dict[str, str]) -> None:
    path = tmp_path / "talk.jsonl"
    turns = ["hello there you", "good to see you", "how was your day", "it was quite fine"]
    lines = [{"dialog": [f"{turn} {k}" for turn in turns], "act": [1, 2, 1, 2], "day": "monday"} for k in range(60)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = add("talk", [path], **given)
    assert report.columns.text == ["dialog"] and report.columns.target == "reply" and report.columns.label == "act"
    assert report.rows == 180
    row = next(iter(catalog.open_dataset("talk").examples("train", limit=1)))
    assert row.target is not None and row.target != row.text


def test_conversations_are_drawn_whole(data_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    talks = [[f"turn {turn} of talk {talk % 90}" for turn in range(2 + talk % 90 % 7)] for talk in range(100)]
    path.write_text("".join(json.dumps({"dialogue": talk, "act": "x" * len(talk)}) + "\n" for talk in talks))
    report = add("talk", [path])
    made = catalog.open_dataset("talk")
    assert set(made.splits) == {"train", "dev", "test"} and report.rows == sum(len(talk) - 1 for talk in talks)
    assert report.derived is not None and report.derived["by"] == "hash of seed and conversation"
    seen: dict[str, set[str]] = {}
    for split in made.splits:
        rows = made.examples(split)
        for row in rows:
            seen.setdefault(row.text.partition(" of ")[2], set()).add(split)
            turn = int(row.text.split()[1])
            assert [int(text.split()[1]) for text in row.history] == list(range(turn))
        assert 0.05 * report.rows < len(rows)
    assert len(seen) == 90 and all(len(splits) == 1 for splits in seen.values())
    again = deriving.resplit(made, "again", seed=5)
    assert again.rows == report.rows and catalog.card("again").columns.dialogue == "dialogue"
    sides = [{row.text.partition(" of ")[2] for row in catalog.open_dataset("again").examples(s)} for s in again.splits]
    assert sum(map(len, sides)) == 90
