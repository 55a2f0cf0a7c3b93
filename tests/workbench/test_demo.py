"""The demo, made small: both models, both attacks, the summary, and what a second one reuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aat_datasets.errors import UnknownNameError
from aat_models.events import AttackResult, Done, Edit, Event, Notice, Started
from aat_workbench import demo, demonstration
from aat_workbench.cli import demo as command
from aat_workbench.runs import list_runs

TINY: dict[str, Any] = {
    "data.limit": 400,
    "model.embedding": 16,
    "model.hidden": 16,
    "model.latent": 16,
    "model.buckets": 200,
    "model.decoder_hidden": 16,
    "model.decoder_embedding": 16,
    "train.epochs": 1.0,
    "train.decoder_epochs": 1.0,
    "train.evaluate_limit": 40,
    "train.threads": 1,
}


def play(root: Path, **options: Any) -> list[Event]:
    return list(demonstration.run_demo(examples=6, root=root, settings=TINY, signals=False, **options))


def test_the_demo_and_what_is_kept_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    root = tmp_path / "runs"
    seen = play(root)
    assert sum(isinstance(event, Started) for event in seen) == 2
    assert sum(isinstance(event, Done) for event in seen) == 1
    last = seen[-1]
    assert isinstance(last, Done)
    summary = last.summary
    assert [model["run"] for model in summary["models"].values()] == ["demo-clean-1", "demo-aat-1"]
    for model in summary["models"].values():
        low, high = model["accuracy_under_attack_interval"]
        assert 0 <= low <= model["accuracy_under_attack"] <= high <= 1
        assert model["accuracy_under_attack"] <= model["clean_accuracy"]
    assert len(summary["replies"]) == 3 and all(reply["message"] for reply in summary["replies"])
    assert (root / "demo-aat-1" / "attacks" / "greedy-1" / "summary.json").is_file()
    command._print(summary)
    assert "demo-aat-1" in capsys.readouterr().out

    again = play(root, keep=True)
    assert not any(isinstance(event, Started) for event in again)
    assert [event.message for event in again if isinstance(event, Notice)][:2] == [
        "clean: using the finished run demo-clean-1",
        "aat: using the finished run demo-aat-1",
    ]
    assert isinstance(again[-1], Done)
    for key in ("models", "adversarial", "replies"):
        assert again[-1].summary[key] == summary[key]
    assert len(list_runs(root)) == 2
    assert demo.reusable(demo.demo_config("aat", seed=1, settings=TINY), root) is None


def result(number: int, status: str, edits: int) -> AttackResult:
    changed = [Edit(position, "good", "god") for position in range(edits)]
    return AttackResult(
        id=number, text="good " * edits, adversarial="god " * edits, label=0, prediction=0,
        adversarial_prediction=1, probabilities=[0.9, 0.1], adversarial_probabilities=[0.2, 0.8], edits=changed,
        queries=5, cache_hits=0, edited_share=0.5, status=status, trajectory=[0.9, 0.2], seconds=0.1,  # type: ignore[arg-type]
    )  # fmt: skip


def test_examples_the_other_model_withstood_come_first() -> None:
    clean = [result(1, "success", 1), result(2, "success", 3), result(3, "success", 2), result(4, "failed", 0)]
    clean.append(result(5, "success", 1))
    other = [result(1, "success", 1), result(2, "failed", 1), result(3, "failed", 1), result(5, "skipped", 0)]
    shown = demonstration._broken({"clean": clean, "aat": other}, ["a", "b"])
    assert [(found["id"], found["aat_withstood"]) for found in shown] == [(3, True), (2, True), (1, False)]
    assert shown[0]["label"] == "a" and shown[0]["adversarial_prediction"] == "b"
    assert shown[0]["edits"] == [[0, "good", "god"], [1, "good", "god"]]


def test_a_setting_that_is_none() -> None:
    with pytest.raises(UnknownNameError, match="no config key"):
        demo.demo_config("clean", settings={"train.epoch": 1})
