"""New splits, samples and files hold the rows they say, and nothing is left of what failed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aat_datasets import catalog, deriving
from aat_datasets.adding import add
from aat_datasets.catalog import Dataset
from aat_datasets.errors import ConfigError, DataError, UnknownNameError
from aat_workbench.cli.data import app

ROWS = [
    {"text": f'"quoted", number {i}\nnext\tline \x00 中文 😀 \x1b[2J', "label": ["no", "it's", "yes"][min(i % 7, 2)]}
    for i in range(210)
]


@pytest.fixture
def dataset(data_home: Path, tmp_path: Path) -> Dataset:
    for split, rows in (("train", ROWS[:150]), ("test", ROWS[150:])):
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    add("mine", [tmp_path / "train.jsonl", tmp_path / "test.jsonl"])
    return catalog.open_dataset("mine")


def texts(dataset: Dataset) -> dict[str, list[str]]:
    return {split: dataset.columns(split)[1] for split in dataset.splits}


def test_new_splits_hold_every_row_once(dataset: Dataset) -> None:
    made = deriving.resplit(dataset, "again", dev=0.2, test=0.2, seed=5)
    again = catalog.open_dataset("again")
    assert made.splits == again.splits
    assert sorted(text for found in texts(again).values() for text in found) == sorted(row["text"] for row in ROWS)
    counts = again.table("test").label_counts()
    assert all(abs(counts[label] - 0.2 * sum(r["label"] == label for r in ROWS)) <= 1 for label in counts)
    other = deriving.resplit(dataset, "other", dev=0.2, test=0.2, seed=6)
    assert texts(catalog.open_dataset(other.name))["test"] != texts(again)["test"]
    with pytest.raises(ConfigError, match="leave nothing to train on"):
        deriving.resplit(dataset, "none", dev=0.5, test=0.5)
    with pytest.raises(DataError, match="there is a dataset 'again' already"):
        deriving.resplit(dataset, "again")


def test_replies_are_drawn_from_those_of_the_label(dataset: Dataset, tmp_path: Path) -> None:
    written = {"no": ["never", "not [/b] that"], "it's": ["it is"], "yes": ["of course", "sure", "yes 'tis"]}
    path = tmp_path / "replies.toml"
    path.write_text("".join(f"{json.dumps(label)} = {json.dumps(replies)}\n" for label, replies in written.items()))
    result = CliRunner().invoke(app, ["replies", "mine", "answered", str(path), "--json"])
    assert result.exit_code == 0, result.output
    answered = catalog.open_dataset("answered")
    assert texts(answered) == texts(dataset) and answered.labels == dataset.labels
    used: dict[str, set[str]] = {}
    for one in answered.examples("train"):
        assert one.label is not None and one.target is not None
        used.setdefault(answered.labels[one.label], set()).add(one.target)
    assert used == {label: set(replies) for label, replies in written.items()}
    with pytest.raises(DataError, match="no replies for yes"):
        deriving.with_replies(dataset, "other", {"no": ["a"], "it's": ["b"], "yes": []})
    with pytest.raises(UnknownNameError, match="did you mean yes"):
        deriving.with_replies(dataset, "other", {**written, "yess": ["a"]})
    path.write_text("yes = 3")
    result = CliRunner().invoke(app, ["replies", "mine", "other", str(path)])
    assert isinstance(result.exception, DataError) and "replies.toml: cannot be read" in str(result.exception)


def test_a_sample_is_drawn_with_its_seed(dataset: Dataset) -> None:
    deriving.sample(dataset, "few", count=20, seed=1)
    few = texts(catalog.open_dataset("few"))
    assert {split: len(found) for split, found in few.items()} == {"train": 20, "dev": 15, "test": 20}
    for split, found in few.items():
        assert set(found) <= set(texts(dataset)[split])
    deriving.sample(dataset, "few", count=20, seed=1, replace=True)
    assert texts(catalog.open_dataset("few")) == few
    deriving.sample(dataset, "few", count=20, seed=2, replace=True)
    assert texts(catalog.open_dataset("few")) != few


def test_a_balanced_sample(dataset: Dataset) -> None:
    deriving.sample(dataset, "even", count=30, splits=["train"], balanced=True)
    counts = catalog.open_dataset("even").table("train").label_counts()
    assert set(counts.values()) == {10}


def test_a_view_holds_what_the_filters_leave(dataset: Dataset) -> None:
    deriving.sample(dataset, "view", label="it's", contains="NUMBER 1", where="row < 100")
    found = texts(catalog.open_dataset("view"))
    for split, rows in found.items():
        window = dataset.table(split).window(0, 999, label="it's", contains="number 1", where="row < 100")
        assert rows == [row.text for row in window] != []
    with pytest.raises(DataError, match="no row of train, dev, test passes"):
        deriving.sample(dataset, "empty", contains="nothing holds this")
    with pytest.raises(UnknownNameError):
        deriving.sample(dataset, "empty", label="its")
    assert "empty" not in catalog.names()


@pytest.mark.parametrize("name", ["all.csv", "all.csv.gz", "all.jsonl", "all.jsonl.gz", "all.parquet"])
def test_what_is_exported_comes_back(dataset: Dataset, tmp_path: Path, name: str) -> None:
    done = deriving.export(dataset, tmp_path / name, splits=["train"])
    assert done.rows == dataset.splits["train"]
    add("back", [], splits={"train": tmp_path / name}, text="text", label="label")
    back = catalog.open_dataset("back")
    rows = [text for split in ("train", "dev", "test") for text in back.columns(split)[1]]
    assert sorted(rows) == sorted(dataset.columns("train")[1])
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_export_of_several_splits_and_of_a_filter(dataset: Dataset, tmp_path: Path) -> None:
    done = deriving.export(dataset, tmp_path / "some.csv", label="it's")
    with (tmp_path / "some.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(line.replace("\0", "\\0") for line in file))
    assert done.rows == len(rows) == sum(dataset.table(split).count(label="it's") for split in dataset.splits)
    assert {row["split"] for row in rows} == set(dataset.splits)
    assert {row["label"] for row in rows} == {"it's"}
    with pytest.raises(DataError, match="unknown kind of file"):
        deriving.export(dataset, tmp_path / "some.xlsx")
    with pytest.raises(DataError, match="nothing was written"):
        deriving.export(dataset, tmp_path / "no folder" / "some.csv")


def run(*arguments: str | Path) -> Any:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.exception
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_commands(dataset: Dataset, tmp_path: Path) -> None:
    assert run("split", "mine", "again", "--dev", "0.3", "--test", "0")["splits"] == {"train": 147, "dev": 63}
    assert run("sample", "mine", "few", "-n", "5", "--split", "test")["splits"] == {"test": 5}
    assert run("export", "mine", tmp_path / "x.jsonl")["rows"] == 210
    out = CliRunner().invoke(app, ["split", "mine", "shown"])
    assert "shown: 210 rows" in out.stdout
