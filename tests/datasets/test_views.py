"""A view is a dataset: its rows are those of a plain loop, it is listed, opened anew, and bound to what it was taken from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aat_datasets import catalog, shelf
from aat_datasets.adding import add
from aat_datasets.errors import DataError, InputError, UnknownNameError
from aat_datasets.selection import Selection
from aat_datasets.views import save_view

LABELS = ["glad", "it's", "[/b]"]


def write(path: Path, count: int, first: int = 0) -> Path:
    rows = [
        {"text": f"text {i} {'long ' * (i % 5)}".strip(), "label": LABELS[i % 3], "reply": f"r {i}"}
        for i in range(first, first + count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def base(data_home: Path, tmp_path: Path) -> catalog.Dataset:
    train, test = write(tmp_path / "train.jsonl", 200), write(tmp_path / "test.jsonl", 50, 1_000)
    add("mine", [train, test], text="text", label="label", target="reply", title="Mine")
    return catalog.open_dataset("mine")


def test_a_view_holds_the_selected_rows_of_every_split(base: catalog.Dataset) -> None:
    selection = Selection(contains="LONG", label="it's", longest=4)
    made = save_view("some", "mine", selection)
    assert made.labels == base.labels and made.labels.index("it's") == base.labels.index("it's")
    for split in base.splits:
        rows = base.table(split).window(0, 999, label="it's", contains="long")
        wanted = [(row.text, row.target) for row in rows if len(row.text.split()) <= 4]
        found = made.table(split).window(0, 999)
        assert [(row.text, row.target) for row in found] == wanted
        assert [row.row for row in found] == list(range(len(wanted)))
        assert {row.label for row in found} == {"it's"}


def test_a_view_may_leave_dev_and_test_whole(base: catalog.Dataset) -> None:
    made = save_view("some", "mine", Selection(where="row < 10"), only=["train"])
    assert made.splits == {**base.splits, "train": 10}
    with pytest.raises(UnknownNameError, match="split of mine"):
        save_view("other", "mine", Selection(), only=["tran"])


def test_a_view_is_listed_and_made_again_from_its_card(base: catalog.Dataset, data_home: Path) -> None:
    made = save_view("some", "mine", Selection(contains="long"), only=["train"])
    info = next(info for info in catalog.listing() if info.name == "some")
    assert (info.state, info.splits) == ("ready", made.splits)
    assert info.title == "mine: contains 'long'" and "a view of mine" in info.note and "the rest whole" in info.note
    shutil.rmtree(data_home / "some")
    assert catalog.describe("some").state == "mirror"
    assert catalog.open_dataset("some").fingerprint == made.fingerprint
    shutil.rmtree(data_home / "some")
    assert catalog.get("some")[0]["path"].endswith("train.jsonl")
    assert catalog.describe("some").state == "ready"
    again = save_view("some", "mine", Selection(contains="text 1"), replace=True)
    assert again.fingerprint != made.fingerprint
    assert len(again.table("train").window(0, 999)) == again.splits["train"]
    assert again.splits["train"] == base.table("train").count(contains="text 1")


def test_views_of_views_come_to_the_same_root(base: catalog.Dataset) -> None:
    save_view("some", "mine", Selection(contains="long"))
    inner = save_view("less", "some", Selection(label="glad"))
    assert inner.splits["train"] == base.table("train").count(contains="long", label="glad")
    assert shelf.root("less") == shelf.root("mine") == "mine"
    assert shelf.origin("less", "test") == "mine:test"
    with pytest.raises(DataError, match="'less' is taken from 'some'"):
        save_view("some", "less", Selection(), replace=True)


def test_another_content_is_not_taken_for_the_same(base: catalog.Dataset, data_home: Path, tmp_path: Path) -> None:
    before = save_view("some", "mine", Selection(contains="long")).splits
    add("mine", [write(tmp_path / "train.jsonl", 150)], text="text", label="label", replace=True)
    assert catalog.open_dataset("some").splits == before  # its rows were kept
    shutil.rmtree(data_home / "some")
    with pytest.raises(DataError, match="another content of mine"):
        catalog.open_dataset("some")


@pytest.mark.parametrize(
    ("name", "selection", "message"),
    [
        ("mine", Selection(), "it is no view"),
        ("support", Selection(), "a dataset of the package"),
        ("Some", Selection(), "cannot be called"),
        ("some", Selection(contains="nothing holds this"), "no row of mine is contains 'nothing holds this'"),
        ("some", Selection(where="row <"), "where"),
        ("some", Selection(where="text IN (SELECT content FROM read_text('/etc/passwd'))"), "Cannot access file"),
        ("some", Selection(label="sad"), "no label named 'sad'"),
    ],
)
def test_what_cannot_be_a_view_is_said_and_nothing_is_kept(base, data_home, name, selection, message) -> None:
    before = sorted(path.name for path in data_home.rglob("*"))
    with pytest.raises(InputError, match=message):
        save_view(name, "mine", selection)
    assert sorted(path.name for path in data_home.rglob("*")) == before
