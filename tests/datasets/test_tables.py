"""Windows, filters, counts and statistics agree with plain Python over the same rows."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from aat_datasets import catalog
from aat_datasets.adding import add
from aat_datasets.catalog import Dataset
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.statistics import statistics

ROWS = [
    {"text": f"{'Good' if i % 3 else 'bad'} text {'word ' * (i % 11)}number {i}", "label": ["no", "yes", "it's"][i % 3]}
    for i in range(300)
]
EXTRA = [{"text": "bell \a here", "label": "no"}, {"text": "twice", "label": "no"}, {"text": "twice", "label": "yes"}]


@pytest.fixture
def dataset(data_home: Path, tmp_path: Path) -> Dataset:
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    train.write_text("".join(json.dumps(row) + "\n" for row in ROWS + EXTRA))
    test.write_text("".join(json.dumps(row) + "\n" for row in [*ROWS[:5], {"text": "new", "label": "yes"}]))
    dev = tmp_path / "dev.jsonl"
    dev.write_text(json.dumps({"text": "other", "label": "no"}) + "\n")
    add("mine", [train, dev, test])
    return catalog.open_dataset("mine")


def test_windows(dataset: Dataset) -> None:
    table = dataset.table("train")
    assert table.total == 303
    found = table.window(10, 14)
    assert [(row.row, row.text, row.label) for row in found] == [
        (i, ROWS[i]["text"], ROWS[i]["label"]) for i in range(10, 14)
    ]
    assert [row.row for row in table.window(300, 400)] == [300, 301, 302]
    assert table.window(5, 5) == []
    assert table.window(9999, 10_000) == []


def test_filters(dataset: Dataset) -> None:
    table = dataset.table("train")
    wanted = [i for i, row in enumerate(ROWS) if "bad" in row["text"] and row["label"] == "no" and i >= 100]
    filters = {"where": "row >= 100 -- from here", "label": "no", "contains": "BAD"}
    assert [row.row for row in table.window(2, 6, **filters)] == wanted[2:6]
    assert table.count(**filters) == len(wanted)
    assert table.count(label="it's") == 100
    assert table.count(where="label = 'it''s' OR label = 'yes'") == 201
    assert table.count(contains="nothing holds this") == 0
    assert table.window(0, 5, contains="nothing holds this") == []


def test_orders(dataset: Dataset) -> None:
    table = dataset.table("train")
    texts = [row["text"] for row in ROWS + EXTRA]
    assert [row.text for row in table.window(0, 5, order="-length")] == sorted(texts, key=len, reverse=True)[:5]
    assert [row.text for row in table.window(0, 303, order="text")] == sorted(texts)
    with pytest.raises(UnknownNameError, match="order"):
        table.window(0, 1, order="size")


@pytest.mark.parametrize(
    "where",
    ["nothing = 1", "label = ", "1) ; SELECT (1", "row IN (SELECT 1 FROM read_csv('/etc/passwd'))", "') OR ('", "\0"],
)
def test_conditions_that_are_none(dataset: Dataset, where: str) -> None:
    with pytest.raises(DataError):
        dataset.table("train").count(where=where)
    assert dataset.table("train").count(where="row < 10") == 10


def test_unknown_label_and_split(dataset: Dataset) -> None:
    with pytest.raises(UnknownNameError, match="did you mean no"):
        dataset.table("train").count(label="nno")
    with pytest.raises(UnknownNameError, match="did you mean train"):
        dataset.table("tain")


def test_label_counts_and_histogram(dataset: Dataset) -> None:
    table = dataset.table("train")
    assert table.label_counts() == {"it's": 100, "no": 102, "yes": 101}
    histogram = table.length_histogram(5)
    lengths = [len(row["text"].split()) for row in ROWS + EXTRA]
    assert sum(count for _, _, count in histogram) == len(lengths)
    for low, high, count in histogram:
        assert count == sum(low <= length <= high for length in lengths)


def test_many_threads_share_a_table(dataset: Dataset) -> None:
    table, found = dataset.table("train"), []

    def look(start: int) -> None:
        found.append([row.row for row in table.window(start, start + 3, label="no")])

    threads = [threading.Thread(target=look, args=(start,)) for start in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = [i for i, row in enumerate(ROWS) if row["label"] == "no"]
    assert sorted(found) == [rows[start : start + 3] for start in range(16)]


def test_a_closed_table_opens_again(dataset: Dataset) -> None:
    table = dataset.table("train")
    table.window(0, 1)
    table.close()
    assert len(table.window(0, 1)) == 1


def test_statistics(dataset: Dataset) -> None:
    found = statistics(dataset)
    train = found.splits["train"]
    texts = [row["text"] for row in ROWS + EXTRA]
    words = [word for text in texts for word in text.split(" ")]
    assert train.rows == 303
    assert train.words == sum(len(text.split()) for text in texts)
    assert train.vocabulary == len({word for word in words if word})
    assert (train.duplicates, train.contradictions, train.controls) == (1, 1, 1)
    assert found.overlap == {"dev in train": 0, "test in train": 5, "test in dev": 0}
    assert found.majority["train"] == pytest.approx(102 / 303)
