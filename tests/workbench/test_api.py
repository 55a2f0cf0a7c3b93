"""The Python surface: lazy, typed, and the same verbs as the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

import aat_workbench as aat
from aat_datasets.errors import CheckpointError, ConfigError, UnknownNameError
from aat_models.attacks import tiny
from aat_models.config import Config
from aat_workbench.runs import RunFolder


def test_every_promised_name_is_there() -> None:
    for name in aat.__all__:
        assert getattr(aat, name).__doc__
    assert aat.Config is Config
    assert set(aat.__all__) <= set(dir(aat))
    with pytest.raises(AttributeError, match="has no attribute 'evil'"):
        _ = aat.evil  # type: ignore[attr-defined]


def test_attack_breaks_the_tiny_victim() -> None:
    results = list(aat.attack(tiny.TinyVictim(), tiny.examples(limit=5), surface=tiny.synonyms))
    assert {result.status for result in results} <= {"success", "skipped"}
    assert sum(result.status == "success" for result in results) >= 4
    # the tiny victim has no synonyms of its own, and its words' misspellings are unknown to it
    assert len(list(aat.attack(tiny.TinyVictim(), tiny.examples(limit=5), "deepwordbug"))) == 5


def test_names_that_are_not_there() -> None:
    with pytest.raises(UnknownNameError, match="did you mean greedy"):
        aat.attack(tiny.TinyVictim(), [], "gredy")
    with pytest.raises(UnknownNameError, match="no surface named"):
        aat.attack(tiny.TinyVictim(), [], surface="wrds")
    with pytest.raises(UnknownNameError, match="did you mean support"):
        aat.load_dataset("suport")


def test_load_says_what_is_missing(tmp_path: Path) -> None:
    RunFolder.create(Config(run="one"), tmp_path)
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        aat.load("one", runs_root=tmp_path)


def test_evaluate_gives_the_table(tmp_path: Path) -> None:
    table = aat.evaluate(["builtin:tiny"], recipes=["greedy"], n=10, runs_root=tmp_path)
    assert (table["rows"][0]["recipe"], table["examples"]) == ("greedy", 10)
    assert (tmp_path / "_evaluations" / "evaluation-1" / "evaluation.json").is_file()
    with pytest.raises(ConfigError, match="unknown field `recipe`"):
        aat.evaluate(["builtin:tiny"], recipe="greedy")
