"""Warnings while a model trains: each met on a training that has what it warns of, once a stage, and not on a sound one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_training import run
from toy import config, data

from aat_models import evaluation
from aat_models.alarms import Alarms, CloserLook
from aat_models.data import surface_of
from aat_models.events import Notice, Step
from aat_models.training import CheckpointDue, Training

STILL = {"train__lr": 1e-9, "train__epochs": 8.0, "train__evaluate_every": 10, "train__ema": 0.0}


def warnings(training: Training) -> list[Notice]:
    return [event for event in training.events() if isinstance(event, Notice) and "only" not in event.message[:4]]


def masked() -> Training:
    """A training of a model so sure of itself that its loss has no slope left where it is right."""
    training = Training(config(**STILL, adversary__name="hotflip", model__characters=False), data())
    teacher = Training(config(train__lr=0.02, train__epochs=3.0, model__characters=False), data())
    list(teacher.events())
    training.model.load_state_dict(teacher.average.weights)
    with torch.no_grad():
        training.model.head.weight *= 1e4
        training.model.head.bias *= 1e4
    training.average.weights = {name: tensor.clone() for name, tensor in training.model.state_dict().items()}
    return training


def test_a_sound_training_warns_of_nothing() -> None:
    for adversary in ("none", "hotflip", "aat"):
        chosen = config(adversary__name=adversary, train__lr=0.02, train__epochs=8.0, train__evaluate_every=10)
        assert warnings(Training(chosen, data())) == []


def test_a_rate_far_too_high_diverges() -> None:
    training = Training(config(train__lr=0.02, train__epochs=20.0, train__evaluate_every=10), data())
    seen = []
    for event in training.events():
        seen += [event] if isinstance(event, Notice) else []
        if isinstance(event, Step) and event.step == 60:
            training.change("lr=3")
    kinds = [notice.message.partition(":")[0] for notice in seen]
    assert "divergence" in kinds and len(kinds) == len(set(kinds))
    first = next(notice for notice in seen if notice.message.startswith("divergence:"))
    assert first.level == "warning" and first.step > 60 and "its lowest was" in first.message


def test_a_model_with_one_answer_has_collapsed() -> None:
    training = Training(config(**STILL), data())
    with torch.no_grad():
        training.model.head.bias[0] = 100.0
    training.average.weights = {name: tensor.clone() for name, tensor in training.model.state_dict().items()}
    (warning,) = warnings(training)
    assert warning.message.startswith("collapse: all 60 dev texts are answered bad")


def test_a_gradient_that_shows_nothing_is_masked() -> None:
    (warning,) = warnings(masked())
    assert warning.message.startswith("masking: of 60 dev texts") and "Athalye et al. 2018" in warning.message


def test_the_closer_look_finds_at_least_what_one_step_finds_and_leaves_the_random_state_alone() -> None:
    training = Training(config(train__lr=0.02, train__epochs=3.0), data())
    list(training.events())
    dev, surface = training.data.splits["dev"], surface_of(training.data, training.config)
    training.model.eval()
    one = evaluation.one_step_robustness(training.model, dev, surface, 0.3, 60)["robust_accuracy"]
    before = torch.get_rng_state()
    look = evaluation.closer_look(training.model, dev, surface, 0.3, 60, 7)
    assert look == evaluation.closer_look(training.model, dev, surface, 0.3, 60, 7)
    assert torch.equal(torch.get_rng_state(), before)
    assert look.texts == 60 and look.one == pytest.approx(one) and look.several <= look.one


def test_a_warning_is_not_said_again_after_an_interruption(tmp_path: Path) -> None:
    chosen = config(**STILL)
    training = Training(chosen, data())
    with torch.no_grad():
        training.model.head.bias[0] = 100.0
    training.average.weights = {name: tensor.clone() for name, tensor in training.model.state_dict().items()}
    said = False
    for event in training.events():
        said = said or (isinstance(event, Notice) and event.message.startswith("collapse"))
        if said and isinstance(event, CheckpointDue):
            training.save(tmp_path)
            break
    assert said
    assert not [e for e in run(chosen, tmp_path / "rest", resume=tmp_path) if isinstance(e, Notice)]


def test_what_is_and_what_is_not_suspected() -> None:
    def say(adversary: str, look: CloserLook, **metrics: float) -> list[str]:
        alarms = Alarms(["a", "b"], adversary)
        return [n.message for n in alarms.evaluated(100, metrics, [10, 10], lambda: look)]

    weak, sound = CloserLook(100, 0.9, 0.6, 0.88), CloserLook(100, 0.9, 0.85, 0.88)
    assert "Tramèr" in say("fgm", weak, accuracy=0.92, robust_accuracy=0.9)[0]
    assert say("fgm", sound, accuracy=0.92, robust_accuracy=0.9) == []
    assert say("none", weak, accuracy=0.92, robust_accuracy=0.9) == []
    assert say("fgm", weak, accuracy=0.92, robust_accuracy=0.5) == []

    alarms = Alarms(["a", "b"], "aat")
    figures = {"loss": 0.5, "loss_adv": 0.6, "fooled": 0.0}
    for number in range(5):
        list(alarms.recorded(Step(step=number, total=9, epoch=0, stage="encoder", metrics=figures)))
    found = list(alarms.evaluated(9, {"accuracy": 0.9, "robust_accuracy": 0.5}, [10, 10], lambda: weak))
    assert [n.message.partition(":")[0] for n in found] == ["masking"]


def test_a_larger_ball_is_survived_by_fewer_and_never_by_what_is_wrong_already() -> None:
    training = Training(config(train__lr=0.02, train__epochs=4.0), data())
    list(training.events())
    model = training.model.eval()
    split = training.data.splits["dev"]
    batch = evaluation.batch_of(split, np.arange(len(split)))
    right = model(batch.ids, batch.lengths).argmax(-1) == batch.labels
    small, large = (evaluation.ball_survivors(model, batch, epsilon, 5) for epsilon in (1e-6, 1.0))
    assert small.tolist() == right.tolist()
    assert large.sum() < small.sum() and not (large & ~right).any()
