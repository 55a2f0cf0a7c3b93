"""What attacks promise, held on a model that was trained: batches and overconfidence change nothing that counts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from aat_datasets.catalog import open_dataset
from aat_datasets.records import Example
from aat_models.attacks import attack, calibrate, combine, find
from aat_models.config import Config, apply
from aat_models.data import prepare
from aat_models.events import AttackResult
from aat_models.predictor import Predictor
from aat_models.training import CheckpointDue, Training

SETTINGS = {
    "data.limit": 1500,
    "surface.source": "dataset",
    "model.embedding": 48,
    "model.hidden": 40,
    "model.latent": 40,
    "model.buckets": 2000,
    "train.epochs": 3.0,
    "train.lr": 0.01,
    "train.batch_size": 32,
    "train.threads": 1,
    "train.evaluate_every": 1000,
    "train.evaluate_limit": 100,
    "adversary.name": "none",
}


@pytest.fixture(scope="module")
def bilstm(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A BiLSTM trained for some seconds on the support corpus; right on two texts of three."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder: Path = tmp_path_factory.mktemp("trained")
    config = apply(Config(run="trained"), SETTINGS)
    training = Training(config, prepare(config, folder / "cache"))
    (folder / "checkpoint").mkdir()
    for event in training.events():
        if isinstance(event, CheckpointDue) and event.step == training.total:
            training.save(folder / "checkpoint")
    return Predictor.load(folder / "checkpoint")


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return open_dataset("support").examples("test", 200, 0)


@pytest.fixture(scope="module")
def held_out() -> list[Example]:
    return open_dataset("support").examples("dev", 1000, 0)


def overconfident(predictor: Predictor, factor: float) -> Predictor:
    """The same model with its logits ``factor`` times as large."""
    twin = copy.copy(predictor)
    twin.model = copy.deepcopy(predictor.model)
    assert twin.model.head is not None
    with torch.no_grad():
        for tensor in twin.model.head.parameters():
            tensor.mul_(factor)
    return twin


def under_attack(results: Sequence[AttackResult]) -> float:
    """Accuracy under attack, in points."""
    return 100 * sum(result.status in ("failed", "budget") for result in results) / len(results)


def what_counts(result: AttackResult) -> tuple[object, ...]:
    return result.status, result.adversarial, result.edits, result.queries, result.adversarial_prediction


@pytest.mark.parametrize("recipe", ["greedy", "deepwordbug", "hotflip"])
def test_at_most_one_result_in_200_depends_on_the_batch_size(
    bilstm: Predictor, examples: list[Example], recipe: str
) -> None:
    surface = combine(bilstm.surface.substitutes)
    found: dict[int, dict[int, AttackResult]] = {}
    for batch in (1, 64, 512):
        results = attack(bilstm, examples, find(recipe), surface=surface, batch=batch)
        found[batch] = {result.id: result for result in results}
        assert len(found[batch]) == 200
    assert sum(result.status == "success" for result in found[64].values()) > 10
    for batch in (1, 512):
        differing = [i for i, result in found[64].items() if what_counts(result) != what_counts(found[batch][i])]
        assert len(differing) <= 1, differing


@pytest.mark.parametrize("recipe", ["greedy", "deepwordbug"])
@pytest.mark.parametrize("factor", [5.0, 50.0])
def test_overconfidence_changes_the_score_by_less_than_a_point_once_calibrated(
    bilstm: Predictor, examples: list[Example], held_out: list[Example], factor: float, recipe: str
) -> None:
    surface: Callable[[str], Sequence[str]] = combine(bilstm.surface.substitutes)

    def score(victim: Predictor, temperature: float) -> float:
        return under_attack(list(attack(victim, examples, find(recipe), surface=surface, temperature=temperature)))

    twin = overconfident(bilstm, factor)
    honest, other = calibrate(bilstm, held_out), calibrate(twin, held_out)
    assert other == pytest.approx(factor * honest, rel=0.02)
    assert abs(score(twin, other) - score(bilstm, honest)) <= 1.0
    if factor == 50:  # without calibration there is no slope left: this is what the test is about
        assert score(twin, 1.0) > score(bilstm, honest) + 2
