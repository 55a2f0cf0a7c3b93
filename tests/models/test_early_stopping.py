"""Stages that end early: when, with which weights, and to the bit after an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_training import run, same_files
from toy import config, data

from aat_models.checkpoint import load_model, load_tensors
from aat_models.events import Done, Evaluation, Notice, Step
from aat_models.stages import Stage, shortened
from aat_models.stopping import Best
from aat_models.training import CheckpointDue, Training

LONG = {"train__epochs": 40.0, "train__lr": 0.02, "train__evaluate_every": 4, "train__patience": 3}


def test_what_counts_as_an_improvement() -> None:
    best = Best(2)
    weights = {"w": torch.zeros(1)}
    assert best.take(0.5, 1, {}, weights) and not best.over
    weights["w"] += 1
    assert best.take(0.5, 2, {}, weights)  # as good, and longer trained
    weights["w"] += 1
    assert (best.step, best.weights["w"].item(), best.waited) == (2, 1.0, 1)
    assert not best.take(0.4, 3, {}, weights) and best.over
    assert best.take(0.6, 4, {}, weights) and not best.over
    without = Best(0)
    assert [without.take(score, 1, {}, weights) for score in (1.0, 0.5, 0.5, 0.5)] == [True, False, False, False]
    assert not without.over and not without.weights


def test_the_plan_of_a_stage_that_ends_early() -> None:
    plan = [Stage("encoder", 0, 10), Stage("decoder", 10, 20), Stage("joint", 30, 5)]
    assert shortened(plan, 14) == [Stage("encoder", 0, 10), Stage("decoder", 10, 4), Stage("joint", 14, 5)]
    assert shortened(plan, 10) == plan


def test_a_stage_that_no_longer_improves_ends_and_says_so(tmp_path: Path) -> None:
    chosen = config(**LONG)
    events = run(chosen, tmp_path / "whole")
    done = events[-1]
    assert isinstance(done, Done)
    planned = Training(chosen, data()).total
    assert done.summary["steps"] == done.summary["total"] < planned
    scores = {e.step: e.metrics["accuracy"] for e in events if isinstance(e, Evaluation)}
    top = max(scores.values())
    assert done.summary["best_step"] == max(step for step, score in scores.items() if score == top)
    first = min(step for step, score in scores.items() if score == top)
    assert done.summary["steps"] == first + 3 * 4
    notice = next(e for e in events if isinstance(e, Notice))
    assert f"ends {planned - done.summary['steps']} steps early" in notice.message
    assert notice.step == done.summary["steps"]
    assert max(e.step for e in events if isinstance(e, Step)) == done.summary["steps"]
    last = str(done.summary["steps"])
    kept = load_tensors(tmp_path / "whole" / last / "model.safetensors")
    best = load_tensors(tmp_path / "whole" / str(done.summary["best_step"]) / "model.safetensors")
    assert all(torch.equal(kept[name], best[name]) for name in kept)
    # taken up in the middle of the waiting, it ends at the same step with the same bytes
    halfway = first + 4
    rest = run(chosen, tmp_path / "parts", resume=tmp_path / "whole" / str(halfway))
    assert [e.message for e in rest if isinstance(e, Notice)] == [notice.message]
    same_files(tmp_path / "whole" / last, tmp_path / "parts" / last, ["model.safetensors", "state.safetensors"])
    again = run(chosen, tmp_path / "after", resume=tmp_path / "whole" / last)
    assert [e.summary["test"] for e in again if isinstance(e, Done)] == [done.summary["test"]]


def test_the_next_stage_begins_from_the_best_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # on so easy a task a later evaluation is always as good: here step 8 scores highest
    monkeypatch.setattr(Training, "_score", lambda self, stage, metrics: -abs(self.step - 8))
    chosen = config(
        **LONG, model__decoder="lstm", model__decoder_hidden=16, train__stages="encoder,decoder",
        train__decoder_epochs=1.0,
    )  # fmt: skip
    events = run(chosen, tmp_path, replies=True)
    ended = next(e for e in events if isinstance(e, Notice)).step
    best = max(e.step for e in events if isinstance(e, CheckpointDue) and e.best and e.step <= ended)
    last = events[-1].summary["steps"]
    assert (best, ended) == (8, 20) and last > ended
    model = load_model(tmp_path / str(best))[0].state_dict()
    after = load_model(tmp_path / str(last))[0].state_dict()
    assert all(torch.equal(model[name], after[name]) for name in model if not name.startswith("decoder."))
