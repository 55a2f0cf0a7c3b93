"""Every dataset of the mirror, given as its raw files: text and label (and target) are guessed right, named or not."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from aat_datasets.adding import guess

MIRROR = Path(os.environ.get("AAT_MIRROR") or "no mirror")

# File → its text, label and target column. Without a header columns are named by position.
EXPECTED = {
    "ag_news/test.csv.gz": ("3", "1", ""),
    "ag_news/train_subset_30k.csv.gz": ("3", "1", ""),
    "banking77/train.csv.gz": ("text", "category", ""),
    "bitext_cs/train.csv.gz": ("utterance", "intent", ""),
    "clinc150/data_full.json.gz": ("1", "2", ""),
    "dailydialog/train.jsonl.gz": ("dialog", "act", "reply"),
    "chnsenticorp/train.tsv.gz": ("text", "label", ""),
    "hate_offensive_davidson/labeled_data.csv.gz": ("tweet", "class", ""),
    "hatecheck/test_suite_cases.csv.gz": ("test_case", "label_gold", ""),
    "identity_sentence_templates/en_sentence_templates.csv.gz": ("phrase", "toxicity", ""),
    "identity_sentence_templates/zh-cn_sentence_templates.csv.gz": ("phrase", "toxicity", ""),
    "imdb/train.tsv.gz": ("text", "label", ""),
    "sms_spam/SMSSpamCollection.tsv.gz": ("2", "1", ""),
    "sst2/train.tsv": ("sentence", "label", ""),
    "sst2_glue/train.tsv.gz": ("sentence", "label", ""),
    "thucnews_titles/train_subset_33k.tsv.gz": ("title", "label", ""),
    "tinyshakespeare/input.txt.gz": ("text", "", ""),
    "multi30k/raw/train.en.gz": ("text", "", ""),
}
ROWS = 3000


@pytest.mark.parametrize("name", EXPECTED)
def test_raw_files(mirror: Path, tmp_path: Path, name: str) -> None:
    path = mirror / name
    if path.suffixes[-2:-1] == [".en"]:  # a language is no kind of file: it has to be renamed to be read
        path = tmp_path / "train.txt.gz"
        path.write_bytes((mirror / name).read_bytes())
    guessed = guess(path)
    found = guessed.columns
    assert (found.text, found.label, found.target) == ([EXPECTED[name][0]], *EXPECTED[name][1:])
    assert guessed.language == ("zh" if any(word in name for word in ("zh-cn", "chnsenticorp", "thucnews")) else "en")


def rows_of(name: str) -> tuple[list[str], list[list[str]]]:
    """The columns of a raw file and its first rows."""
    opened: Any = gzip.open if name.endswith(".gz") else open
    with opened(MIRROR / name, "rt", encoding="utf-8", newline="") as file:
        tsv = ".tsv" in name
        lines = (line.rstrip("\r\n").split("\t") for line in file) if tsv else csv.reader(file)
        rows = list(lines)
    rows = [rows[0], *rows[1 :: len(rows) // ROWS | 1]]  # some of all: labels are in blocks, or alternate
    expected = EXPECTED[name]
    if expected[0].isdecimal():
        return [str(at + 1) for at in range(len(rows[0]))], rows
    return rows[0], rows[1:]


@pytest.mark.parametrize("header", [True, False], ids=["names that say nothing", "no names"])
@pytest.mark.parametrize("name", [name for name, (_, label, _) in EXPECTED.items() if label and "json" not in name])
def test_columns_of_unknown_names(mirror: Path, tmp_path: Path, name: str, header: bool) -> None:
    columns, rows = rows_of(name)
    path = tmp_path / "rows.csv"
    names = [f"col{at}" for at in range(len(columns))]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([*([names] if header else []), *rows])
    found = guess(path)
    known = names if header else [str(at + 1) for at in range(len(columns))]
    text, label, _ = EXPECTED[name]
    assert found.reader.header is header
    assert found.columns.text == [known[columns.index(text)]]
    assert found.columns.label == known[columns.index(label)]
    assert found.columns.target == ""


def test_pairs_of_unknown_names(mirror: Path, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    en, de = (
        gzip.decompress((mirror / f"multi30k/raw/val.{one}.gz").read_bytes()).splitlines() for one in ("en", "de")
    )
    rows = ({"source": a.decode(), "target": b.decode()} for a, b in zip(en, de, strict=True))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = guess(path).columns
    assert (found.text, found.label, found.target) == (["source"], "", "target")
