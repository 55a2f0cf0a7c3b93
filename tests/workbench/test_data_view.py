"""Views from the command line, in a training, and where texts must not be learned that are tested on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aat_datasets import catalog, shelf
from aat_datasets.adding import add
from aat_datasets.errors import AatError, DataError, InputError
from aat_datasets.selection import Selection
from aat_datasets.views import save_view
from aat_models import config as configs
from aat_models.data import prepare
from aat_workbench.cli.data import app


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    for split, first in (("train", 0), ("dev", 1_000), ("test", 2_000)):
        rows = [{"text": f"film {first + i} is {['good', 'bad'][i % 2]}", "label": "pn"[i % 2]} for i in range(60)]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    add("films", [tmp_path / f"{split}.jsonl" for split in ("train", "dev", "test")])
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_a_view_is_made_listed_and_shown(films: Path) -> None:
    made = json.loads(
        run("view", "goods", "--of", "films", "--contains", "GOOD", "--length", "4:9", "--only", "train", "--json")
    )
    assert made["splits"] == {"train": 30, "dev": 60, "test": 60}
    assert "goods" in run("list") and "films: contains 'GOOD', 4–9 words" in run("list")
    assert json.loads(run("show", "goods", "--rows", "0:50", "--json"))["total"] == 30
    assert run("view", "goods", "--of", "films", "--label", "n", "--replace") == "goods: train 30  dev 30  test 30\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--length", "many"], "--length: expected A:B"),
        (["--length", "9:3"], "9 is more than 3"),
        (["--length", "50:"], "no row of films is at least 50 words"),
        (["--of", "filmz"], "did you mean films"),
        (["--only", "trian"], "did you mean train"),
    ],
)
def test_wrong_options_are_one_line(films: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(AatError, match=message):
        run("view", "some", *(["--of", "films"] if "--of" not in arguments else []), *arguments)
    assert "some" not in catalog.names()


def test_a_view_is_trained_on_as_any_dataset(films: Path) -> None:
    save_view("goods", "films", Selection(contains="good"), only=["train"])
    config = configs.apply(configs.Config(), {"data.dataset": "goods"})
    data = prepare(config, films / "cache")
    assert {split: len(encoded) for split, encoded in data.splits.items()} == {"train": 30, "dev": 60, "test": 60}
    assert data.labels == ["n", "p"]


def test_what_was_made_from_a_view_s_test_split_is_not_trained_on(films: Path) -> None:
    """Neither by its dataset nor by another view of it."""
    save_view("goods", "films", Selection(contains="good"))
    save_view("bads", "films", Selection(contains="bad"))
    assert shelf.origin("goods", "test") == "films:test"
    add("fooled", [], splits={"train": films / "train.jsonl"})
    card = catalog.card("fooled")
    card.origin = shelf.origin("goods", "test")
    catalog.write_card(card)
    for dataset in ("films", "goods", "bads"):
        config = configs.apply(configs.Config(), {"data.dataset": dataset, "data.augment": ["fooled"]})
        with pytest.raises(DataError, match="was made from the test split of"):
            prepare(config, films / "cache")


def test_a_view_of_nothing_that_is_there(films: Path) -> None:
    with pytest.raises(InputError):
        run("view", "films", "--of", "films")
