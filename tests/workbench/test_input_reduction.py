"""An input reduction keeps the prediction: its figures are words, and none of them calls a text broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aat_models.events import AttackResult, Edit
from aat_workbench.attacking import AttackRequest, run_attack
from aat_workbench.detached import child_environment
from aat_workbench.outcome import broken, reduced, reducing, words_left
from aat_workbench.report import collect
from aat_workbench.report.tables import examples, tables
from aat_workbench.summary import REDUCTION, Timing, summarise

MAIN = [sys.executable, "-m", "aat_workbench.cli.main"]
BREAKING = ("accuracy_under_attack", "accuracy_under_attack_interval", "success_rate", "mean_edited_share")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    return tmp_path


def result(number: int, status: str, left: str, *, prediction: int = 1, after: int = 1, out: str = "") -> AttackResult:
    text = "a great and fine film"
    gone = [Edit(i, word, out) for i, word in enumerate(text.split()) if word not in left.split()]
    return AttackResult(
        id=number, text=text, adversarial=left, label=1, prediction=prediction, adversarial_prediction=after,
        probabilities=[0.1, 0.9], adversarial_probabilities=[0.2, 0.8], edits=gone, queries=10, cache_hits=0,
        edited_share=len(gone) / 5, status=status, trajectory=[0.9, 0.8], seconds=0.1,
    )  # fmt: skip


def test_the_figures_are_words():
    results = [
        result(0, "success", "great"),
        result(1, "failed", "great film"),
        result(2, "budget", "a great and fine film"),
        result(3, "skipped", "a great and fine film", prediction=0, after=0),
    ]
    found = summarise("input-reduction", results, Timing(), 1.0, goal=REDUCTION)
    assert [found[key] for key in BREAKING] == [None] * 4
    assert (found["clean_accuracy"], found["mean_words"], found["mean_words_left"]) == (0.75, 5.0, 2.67)
    assert found["reduced_share"] == round(1 / 3, 4)
    assert found["warnings"] == ["1 of 3 attacked texts ran out of queries: fewer words might do"]
    assert "mean_words_left" not in summarise("greedy", results, Timing(), 1.0)
    assert summarise("input-reduction", [], Timing(), None, goal=REDUCTION)["mean_words_left"] == 0.0


def test_what_is_broken_and_what_is_reduced():
    turned = result(0, "success", "a film", after=0, out="x")
    shorter, one = result(1, "failed", "great film"), result(2, "success", "great")
    untouched = result(3, "failed", "a great and fine film")
    assert [broken(r) for r in (turned, shorter, one, untouched)] == [True, False, False, False]
    assert [reduced(r) for r in (turned, shorter, one, untouched)] == [False, True, True, False]
    assert reducing([shorter, one, untouched]) and not reducing([untouched]) and not reducing([turned, one])
    assert (words_left(shorter), words_left(result(4, "success", ""))) == (2, 0)


def test_the_stored_attack_and_the_command_tell_words(place: Path):
    attack = run_attack("builtin:tiny", AttackRequest(recipe="input-reduction", n=40))
    for _ in attack.steps():
        pass
    right = [r for r in attack.results if r.status != "skipped"]
    assert attack.path is not None
    stored: dict[str, Any] = json.loads((attack.path / "summary.json").read_text())
    assert stored["goal"] == REDUCTION and stored["success_rate"] is None
    assert stored["mean_words_left"] == round(sum(len(r.adversarial.split()) for r in right) / len(right), 2) < 3
    assert stored["mean_words"] == round(sum(len(r.text.split()) for r in right) / len(right), 2) > 8

    def call(*options: str) -> str:
        command = [*MAIN, "attack", "builtin:tiny", "--recipe", "input-reduction", "-n", "40", "--resume", *options]
        done = subprocess.run(command, capture_output=True, text=True, env=child_environment(), timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert json.loads(call("--json")) == stored
    shown = call()
    assert "mean_words_left" in shown and "reduced_share" in shown
    assert "success_rate" not in shown and "under_attack" not in shown
    assert "[the→]" in shown  # examples: words that were left out


def test_a_report_has_no_bar_and_no_broken_text_of_a_reduction(place: Path):
    for recipe in ("input-reduction", "greedy"):
        attack = run_attack("builtin:tiny", AttackRequest(recipe=recipe, n=20))
        for _ in attack.steps():
            pass
    read = collect(["builtin-tiny/input-reduction-1", "builtin-tiny/greedy-1"])
    (table,) = tables(read)
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    reduction, greedy = rows["builtin-tiny/input-reduction-1"], rows["builtin-tiny/greedy-1"]
    assert (reduction["success_rate"], greedy["mean_words_left"]) == ("–", "–")
    assert float(reduction["mean_words_left"]) < float(reduction["mean_words"])
    assert float(greedy["success_rate"]) > 0
    parts = {part.name: part for part in read.attacks}
    assert examples(parts["builtin-tiny/input-reduction-1"], 5) == []
    assert len(examples(parts["builtin-tiny/greedy-1"], 5)) == 5
