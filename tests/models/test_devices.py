"""Where a training computes. No GPU is here: that nothing is made on the wrong device is checked with another default one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import config, data, lexicon, trained

from aat_datasets.errors import ConfigError
from aat_datasets.records import Example
from aat_models import devices, latent
from aat_models.attacks import attack, find
from aat_models.config import ADVERSARIES, ENCODERS
from aat_models.events import Done, Evaluation, Notice, Started, Step
from aat_models.fluency import DecoderFluency
from aat_models.predictor import Predictor
from aat_models.sampling import Sampling
from aat_models.training import Training
from aat_models.writing_goals import find_writing_goal
from aat_models.writing_victim import WritingVictim

WITHOUT = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")


@pytest.fixture(autouse=True)
def as_before():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_every_tensor_of_a_training_is_made_where_it_is_told(adversary: str) -> None:
    # A tensor made without a device lands on "meta", which computes nothing and mixes with no other.
    training = Training(
        config(adversary__name=adversary, train__device="cpu", train__epochs=5.0, train__evaluate_every=20), data()
    )
    with torch.device("meta"):
        events = list(training.events())
    assert isinstance(events[-1], Done) and 0 <= events[-1].summary["test"]["robust_accuracy"] <= 1


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_computes_where_it_is_told(encoder: str) -> None:
    training = Training(config(model__encoder=encoder, train__epochs=0.5), data())
    with torch.device("meta"):
        assert isinstance(list(training.events())[-1], Done)


def test_the_decoder_and_the_closer_look_compute_where_they_are_told() -> None:
    chosen = config(
        model__decoder="lstm", train__stages="encoder,decoder,joint", adversary__name="hotflip",
        train__epochs=0.5, train__decoder_epochs=0.5,
    )  # fmt: skip
    training = Training(chosen, data(True))
    with torch.device("meta"):
        assert isinstance(list(training.events())[-1], Done)
        assert training._closer_look().texts == 60


def asked(predictor: Predictor) -> list[Any]:
    """What is made of a model that classifies and writes."""
    text, victim = "the film was great and good", WritingVictim(predictor)
    goals = [find_writing_goal(name, victim) for name in ("meaning", "non-overlapping", "keywords:sorry,that")]
    examples = [Example(row=0, text=text, label=0, target="thank you")]
    broken = [
        next(iter(attack(victim, examples, find("greedy"), surface=lexicon().substitutes, goal=goal, budget=0.5)))
        for goal in goals
    ]
    fluency, index = DecoderFluency(predictor), latent.Index(predictor, [text, "a bad plot"], ["", ""])
    ways = [latent.between(predictor, text, "a bad plot", 3), latent.against(predictor, text, [0.0, 0.5])]
    return [
        [(one.status, one.text, one.edits, one.written) for one in broken],
        victim.losses([text], ["thank you"]),
        fluency.falls(text.split(), 3, ["bad", "fine"]).tolist(),
        fluency.perplexity([text.split()]),
        [latent.tell(predictor, way, Sampling(max_tokens=4), index) for way in ways],
        predictor.attribute(text),
    ]


@pytest.mark.parametrize("sharing", [True, False])
def test_what_is_asked_of_a_model_is_computed_where_it_is(sharing: bool, tmp_path: Path) -> None:
    chosen = config(model__decoder="lstm", train__stages="encoder,decoder", train__lr=0.03, train__epochs=3.0)
    predictor = trained(tmp_path, chosen, data(True))
    predictor.sharing = sharing
    wanted = asked(predictor)
    with torch.device("meta"):
        assert asked(predictor) == wanted


@WITHOUT
def test_a_gpu_that_is_not_there_is_said() -> None:
    assert devices.choose("auto").type == devices.choose("cpu").type == "cpu"
    with pytest.raises(ConfigError, match=r"train\.device: no GPU"):
        Training(config(train__device="cuda"), data())


@WITHOUT
def test_on_a_cpu_auto_is_single_precision_and_nothing_is_compiled() -> None:
    chosen = config(train__precision="auto", train__compile=True, model__encoder="transformer", train__epochs=0.2)
    training = Training(chosen, data())
    assert training.model.width is None
    events = list(training.events())
    assert events[0].device == "cpu" if isinstance(events[0], Started) else False
    assert any("train.compile is left out" in event.message for event in events if isinstance(event, Notice))


@pytest.mark.parametrize("encoder", ["cnn", "bilstm", "transformer"])
def test_half_precision_trains_and_keeps_single_precision_weights(encoder: str) -> None:
    settings = {"model__encoder": encoder, "model__hidden": 16, "train__epochs": 3.0, "train__lr": 0.02}
    training = Training(config(**settings, train__precision="bf16"), data())
    seen: set[torch.dtype] = set()
    training.model.encoder.dense.register_forward_hook(
        lambda layer, given, answer: seen.add(answer.dtype) if training.model.training else None
    )
    events = list(training.events())
    losses = [event.metrics["loss"] for event in events if isinstance(event, Step)]
    assert all(math.isfinite(loss) for loss in losses) and min(losses) < losses[0]
    assert seen == {torch.bfloat16}
    assert {tensor.dtype for tensor in training.model.state_dict().values()} == {torch.float32}
    assert events[-1].summary["test"]["accuracy"] >= 0.9
    full = list(Training(config(**settings), data()).events())
    assert next(e for e in events if isinstance(e, Evaluation)) != next(e for e in full if isinstance(e, Evaluation))


def test_deterministic_trains_to_the_same_bytes_and_the_next_training_need_not_be() -> None:
    ends = []
    for _ in range(2):
        training = Training(config(adversary__name="aat", train__deterministic=True), data())
        assert torch.are_deterministic_algorithms_enabled()
        list(training.events())
        ends.append(training.average.weights)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    Training(config(), data())
    assert not torch.are_deterministic_algorithms_enabled()
