"""Attacks on what a run writes, kept and gone on with; evaluations of several runs' outputs."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aat_datasets.errors import AatError, InputError, UnknownNameError
from aat_models import config as configs
from aat_models.events import AttackResult
from aat_models.statistics import resampled
from aat_workbench.attacking import AttackRequest, AttackRun, run_attack
from aat_workbench.cli.main import app
from aat_workbench.evaluating_writing import WritingEvaluation, evaluation
from aat_workbench.suites import EvaluationRequest
from aat_workbench.targets import open_target
from aat_workbench.training import run_training

SETTINGS = {
    "data.limit": 400, "surface.source": "dataset", "model.embedding": 24, "model.hidden": 16, "model.latent": 16,
    "model.buckets": 1000, "model.decoder": "lstm", "model.decoder_hidden": 24, "model.decoder_embedding": 12,
    "train.epochs": 4.0, "train.lr": 0.02, "train.batch_size": 32, "train.threads": 1, "train.evaluate_every": 1000,
    "train.evaluate_limit": 20, "train.ema": 0.0, "train.stages": "joint",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, ``clerk``, that writes replies."""
    place = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AAT_DATA", str(place / "data"))
        for _ in run_training(configs.apply(configs.Config(), {"run": "clerk", **SETTINGS}), runs_root=place / "runs"):
            pass
    return place


@pytest.fixture(autouse=True)
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    shutil.copytree(tmp_path / "runs" / "clerk", tmp_path / "runs" / "other")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("AAT_DATA", str(trained / "data"))
    return tmp_path


def attacked(target: str = "clerk", **options: object) -> AttackRun:
    made = run_attack(target, AttackRequest(**{"goal": "meaning", "n": 8, "surface": "all"} | options))  # pyright: ignore
    for _ in made.steps():
        pass
    return made


def told(results: list[AttackResult]) -> list[tuple[object, ...]]:
    return sorted((r.id, r.adversarial, r.status, r.queries, r.written) for r in results)


def test_a_killed_attack_on_outputs_goes_on_to_the_same_end() -> None:
    whole = attacked()
    assert whole.path is not None and whole.labels == ["meaning kept", "meaning lost"]
    assert all(result.written is not None and result.written.reference for result in whole.results)
    lines = (whole.path / "results.jsonl").read_bytes().splitlines(keepends=True)
    (whole.path / "results.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:20])
    again = attacked(resume=True)
    assert again.path == whole.path and again.found_before == 3
    assert told(again.results) == told(whole.results)
    figures = ("bleu", "adversarial_bleu", "chrf", "adversarial_chrf", "mean_damage", "success_rate", "mean_queries")
    assert {key: again.summary[key] for key in figures} == {key: whole.summary[key] for key in figures}
    assert (
        whole.summary["adversarial_chrf"] <= whole.summary["chrf"] and whole.summary["calibrated_temperature"] is None
    )


def test_goal_and_recipe_say_whether_the_output_is_attacked_or_the_label() -> None:
    assert attacked(goal="", recipe="seq2sick", n=2).summary["goal"] == "non-overlapping"
    label = attacked(goal="", n=2)
    assert not label.writing and label.summary["goal"] == "untargeted" and "bleu" not in label.summary
    typed = attacked(texts=["where is my parcel"], n=0)
    assert typed.path is None and typed.results[0].written is not None
    assert typed.results[0].written.reference == typed.results[0].written.before


@pytest.mark.parametrize(
    ("target", "options", "error", "words"),
    [
        ("clerk", {"goal": "meaningful"}, UnknownNameError, "goal"),
        ("clerk", {"goal": "keywords:Xylophon"}, InputError, "knows no word 'Xylophon'"),
        ("builtin:tiny", {"recipe": "seq2sick", "goal": ""}, InputError, "no decoder whose output"),
        ("clerk", {"recipe": "hotflip"}, InputError, "needs gradients"),
    ],
)
def test_what_does_not_fit_is_one_error(target: str, options: dict[str, object], error: type[AatError], words: str):
    with pytest.raises(error, match=words):
        attacked(target, **options)


def test_an_evaluation_compares_outputs_in_pairs_and_is_reported() -> None:
    request = EvaluationRequest(goal="meaning", n=8, surface="all", recipes=["greedy", "character-noise"])
    made = evaluation([open_target("clerk"), open_target("other")], request)
    assert isinstance(made, WritingEvaluation)
    for _ in made.steps():
        pass
    first, other = made.table["outputs"]
    assert {key: value for key, value in first.items() if key != "target"} == {
        key: value for key, value in other.items() if key != "target"
    }  # the same weights
    assert all(row["difference"] == row["low"] == row["high"] == 0 for row in made.table["output_differences"])
    greedy = attacked()
    assert greedy.summary["bleu"] == first["bleu"] and greedy.summary["chrf"] == first["chrf"]
    broken = sum(result.status == "success" for result in greedy.results)
    assert first["success greedy"] == round(broken / 8, 4) <= first["success worst-of"]
    low, high = first["perplexity_interval"]
    assert 1 < low < first["perplexity"] < high
    assert made.table["checks"] == [] and not any("certified" in note for note in made.table["notes"])
    outcome = CliRunner().invoke(app, ["report", "evaluation-1", "--format", "jsonl", "--out", "report.jsonl"])
    assert outcome.exit_code == 0, outcome.output
    rows = [json.loads(line) for line in Path("report.jsonl").read_text().splitlines()]
    assert [row["recipe"] for row in rows if row["target"] == "clerk"] == ["greedy", "character-noise", "worst-of"]


def test_the_commands_print_outputs_before_and_after() -> None:
    outcome = CliRunner().invoke(app, ["attack", "clerk", "--goal", "meaning", "-n", "24", "--surface", "all"])
    assert outcome.exit_code == 0, outcome.output
    for line in ("adversarial_bleu", "mean_source_similarity", "wanted ", "writes "):
        assert line in outcome.output
    outcome = CliRunner().invoke(
        app, ["evaluate", "clerk", "other", "--goal", "meaning", "-n", "4", "--recipes", "greedy"]
    )
    assert outcome.exit_code == 0, outcome.output
    assert "perplexity" in outcome.output and "against clerk, paired" in outcome.output
    refused = CliRunner().invoke(app, ["attack", "clerk", "--goal", "meaning", "-n", "2", "--save-as", "spoilt"])
    assert isinstance(refused.exception, InputError) and "true labels" in str(refused.exception)
    with pytest.raises(InputError, match="an evaluation has none but of what is written"):
        evaluation([open_target("clerk")], EvaluationRequest(goal="untargeted"))


def test_intervals_hold_the_figure_and_pairs_are_tighter_than_their_ends() -> None:
    rng = random.Random(0)
    first = [[rng.random(), 1.0] for _ in range(200)]
    other = [[value + 0.05 + 0.01 * rng.random(), 1.0] for value, _ in first]

    def mean(sums: list[float]) -> float:
        return sums[0] / sums[1]

    a, b = resampled(first, mean), resampled(other, mean)
    both = resampled(
        [[*x, *y] for x, y in zip(first, other, strict=True)], lambda sums: mean(sums[2:]) - mean(sums[:2])
    )
    assert a.low < a.difference < a.high and 0.05 < both.low < both.difference < both.high < 0.06
    assert both.high - both.low < (b.high - b.low) / 10
    assert resampled([[1.0, 2.0]] * 5, mean) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="examples"):
        resampled([], mean)
