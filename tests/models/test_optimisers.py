"""Optimisers and schedules by name: what they do to weights and rates, and that a training with each goes on exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from toy import config, data

from aat_datasets.errors import ConfigError
from aat_models import optimisers
from aat_models.config import TrainConfig
from aat_models.training import CheckpointDue, Training


def test_rates_rise_linearly_and_fall_as_the_schedule_says() -> None:
    def rates(**settings: object) -> list[float]:
        chosen = TrainConfig(**settings)  # type: ignore[arg-type]
        return [optimisers.rate(2.0, done, 10, chosen) for done in range(10)]

    assert rates(schedule="constant", warmup=0.0) == [2.0] * 10
    assert rates(schedule="linear", warmup=0.0) == pytest.approx([2.0 * (1 - n / 10) for n in range(10)])
    cosine = rates(schedule="cosine", warmup=0.0)
    assert cosine[0] == 2.0 and cosine[5] == pytest.approx(1.0) and cosine[9] < 0.05
    assert rates(schedule="constant", warmup=0.4) == pytest.approx([0.5, 1.0, 1.5, 2.0, *[2.0] * 6])


def test_sgd_keeps_its_momentum_and_only_adamw_decays_apart_from_the_gradient() -> None:
    def after(steps: int, **settings: object) -> float:
        weight = nn.Parameter(torch.ones(()))
        optimiser = optimisers.build([weight], 0.1, TrainConfig(**settings))  # type: ignore[arg-type]
        for _ in range(steps):
            weight.grad = torch.ones(())
            optimiser.step()
        return float(weight.detach())

    assert after(2, optimizer="sgd", momentum=0.0, weight_decay=0.0) == pytest.approx(0.8)
    assert after(2, optimizer="sgd", momentum=0.5, weight_decay=0.0) == pytest.approx(0.75)
    assert after(1, optimizer="sgd", momentum=0.0, weight_decay=1.0) == pytest.approx(0.8)
    # One step of Adam has length lr whatever the gradient: decay inside the gradient is not seen, beside it is.
    assert after(1, optimizer="adam", weight_decay=1.0) == pytest.approx(0.9)
    assert after(1, optimizer="adamw", weight_decay=1.0) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [("adam", {}), ("sgd", {"train__lr": 1.0}), ("sgd", {"train__lr": 2.0, "train__momentum": 0.0})],
)
@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_every_optimiser_learns_and_resumes_to_the_bit(
    optimizer: str, settings: dict[str, object], schedule: str, tmp_path: Path
) -> None:
    chosen = config(
        **{
            "model__encoder": "bow",  # the others need more steps of SGD than a test has
            "train__optimizer": optimizer,
            "train__schedule": schedule,
            "train__epochs": 4.0,
            "train__lr": 0.02,
            "train__weight_decay": 0.0,
            "train__checkpoint_every": 20,
            **settings,
        }
    )

    def finish(folder: Path, resume: Path | None = None) -> tuple[bytes, float]:
        training = Training(chosen, data(), resume)
        accuracy = 0.0
        for event in training.events():
            if isinstance(event, CheckpointDue):
                (folder / str(event.step)).mkdir(parents=True, exist_ok=True)
                training.save(folder / str(event.step))
            else:
                accuracy = getattr(event, "summary", {}).get("test", {}).get("accuracy", accuracy)
        return (folder / str(training.total) / "state.safetensors").read_bytes(), accuracy

    whole, accuracy = finish(tmp_path / "whole")
    assert accuracy >= 0.9
    assert finish(tmp_path / "parts", tmp_path / "whole" / "20")[0] == whole


def test_unknown_names_are_refused_with_the_key() -> None:
    for key, value in (("train__optimizer", "lion"), ("train__schedule", "steps"), ("train__momentum", 1.0)):
        with pytest.raises(ConfigError, match=key.replace("__", ".")):
            config(**{key: value})
