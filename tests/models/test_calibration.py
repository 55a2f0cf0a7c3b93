"""Temperature scaling."""

from __future__ import annotations

import numpy as np
import pytest

from aat_datasets.errors import DataError
from aat_datasets.records import Example
from aat_models.attacks import attack, calibrate, find, tiny
from aat_models.attacks.calibration import HIGHEST, LOWEST, fit_temperature, temper


def made(temperature: float, rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are overconfident by exactly ``temperature``, with labels drawn from the honest ones."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(rows, 3)) * 1.5
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in honest])
    sharp = np.exp(logits * temperature)
    return sharp / sharp.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float):
    probabilities, labels = made(temperature)
    assert fit_temperature(probabilities, labels) == pytest.approx(temperature, rel=0.06)


def test_it_is_the_minimum_of_the_likelihood():
    probabilities, labels = made(2.5, rows=500)
    best = fit_temperature(probabilities, labels)

    def loss(temperature: float) -> float:
        return float(-np.log(temper(probabilities, temperature)[np.arange(len(labels)), labels]).mean())

    assert loss(best) <= min(loss(best * 1.01), loss(best / 1.01))


def test_tempering_keeps_the_class_and_undoes_the_sharpening():
    probabilities, _ = made(3.0, rows=50)
    soft = temper(probabilities, 3.0)
    honest, _ = made(1.0, rows=50)
    assert soft == pytest.approx(honest)
    assert (soft.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert temper(np.array([[1.0, 0.0]]), 2.0).sum() == pytest.approx(1)


def test_the_range_is_bounded():
    assert fit_temperature(np.array([[0.9, 0.1]] * 5), np.ones(5, int)) == pytest.approx(HIGHEST, rel=1e-3)
    assert fit_temperature(np.array([[0.501, 0.499]] * 500), np.zeros(500, int)) == pytest.approx(LOWEST, rel=1e-3)


@pytest.mark.parametrize("sharp", [0.7, 0.99, 1 - 1e-9])
def test_a_model_that_is_never_wrong_is_as_sure_as_so_many_texts_allow(sharp: float):
    sure = np.array([[sharp, 1 - sharp]] * 50)
    temperature = fit_temperature(sure, np.zeros(50, int))
    assert temper(sure, temperature)[:, 0] == pytest.approx(51 / 52, abs=1e-3)


def test_calibrating_a_victim():
    assert LOWEST < calibrate(tiny.TinyVictim(), tiny.examples("dev")) < HIGHEST
    with pytest.raises(DataError):
        calibrate(tiny.TinyVictim(), [Example(row=0, text="a")])


def test_an_attack_sees_the_calibrated_victim():
    example = [Example(row=0, text="great film", label=1)]
    (plain,) = attack(tiny.TinyVictim(), example, find("greedy"), surface=tiny.synonyms)
    (soft,) = attack(tiny.TinyVictim(), example, find("greedy"), surface=tiny.synonyms, temperature=2.0)
    assert plain.probabilities[1] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-6)
    assert soft.probabilities[1] == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-6)
    assert (plain.status, plain.edits) == (soft.status, soft.edits)


@pytest.mark.parametrize("factor", [5, 50])
def test_an_overconfident_copy_scores_the_same_once_calibrated(factor: int) -> None:
    """Overconfidence alone fakes robustness: the same model with its logits scaled is attacked alike after calibration."""
    honest = tiny.TinyVictim()

    class Overconfident(tiny.TinyVictim):
        def score(self, ids, lengths):
            logits = factor * np.log(super().score(ids, lengths))
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            return weights / weights.sum(axis=1, keepdims=True)

    texts = tiny.examples(limit=150)
    broken = []
    for victim in (honest, Overconfident()):
        temperature = calibrate(victim, texts)
        results = list(attack(victim, texts, find("greedy"), surface=tiny.synonyms, temperature=temperature))
        broken.append(sorted(result.id for result in results if result.status == "success"))
    assert len(broken[0]) > 20
    assert len(set(broken[0]) ^ set(broken[1])) <= 1


def test_a_single_class_is_as_sure_as_it_is() -> None:
    assert fit_temperature(np.ones((5, 1)), np.zeros(5, int)) == 1.0
