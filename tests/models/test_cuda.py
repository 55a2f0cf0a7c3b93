"""The same on a GPU as on a processor; skipped where none is."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import config, data, texts

from aat_datasets.batching import pad
from aat_datasets.subwords import TextTokenizer
from aat_models import devices
from aat_models.adversaries.surface import SYNONYMS
from aat_models.certification import text_margins
from aat_models.checkpoint import Meta
from aat_models.config import ADVERSARIES, BOUNDED, ENCODERS
from aat_models.events import Done, Resumed, Started, Step
from aat_models.language_model import LanguageModel
from aat_models.llama import Llama, Shape
from aat_models.predictor import Predictor
from aat_models.sampling import Sampling
from aat_models.training import CheckpointDue, Training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")


def run(chosen, folder: Path, resume: Path | None = None, until: int | None = None, replies: bool = False) -> list:
    training = Training(chosen, data(replies), resume)
    seen = []
    for event in training.events():
        seen.append(event)
        if isinstance(event, CheckpointDue):
            (folder / str(event.step)).mkdir(parents=True, exist_ok=True)
            training.save(folder / str(event.step))
            if event.step == until:
                break
    return seen


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_every_adversary_learns_there_and_resumes_to_the_bit(adversary: str, tmp_path: Path) -> None:
    chosen = config(
        adversary__name=adversary, train__epochs=3.0, train__lr=0.02, train__evaluate_every=8, adversary__gamma=0.1,
        train__device="cuda", train__deterministic=True,
    )  # fmt: skip
    whole = run(chosen, tmp_path / "whole")
    assert next(event for event in whole if isinstance(event, Started)).device.startswith("cuda")
    assert whole[-1].summary["test"]["accuracy"] >= 0.9
    last = Training(chosen, data()).total
    halfway = next(e.step for e in whole if isinstance(e, CheckpointDue) and last // 3 < e.step < last)
    run(chosen, tmp_path / "parts", until=halfway)
    rest = run(chosen, tmp_path / "parts", resume=tmp_path / "parts" / str(halfway))
    assert isinstance(rest[1], Resumed) and rest[1].step == halfway
    for name in ("model.safetensors", "state.safetensors"):
        one, two = (tmp_path / part / str(last) / name for part in ("whole", "parts"))
        assert one.read_bytes() == two.read_bytes(), name


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_first_steps_are_those_of_a_processor(encoder: str) -> None:
    losses = {}
    for device in ("cpu", "cuda"):
        chosen = config(
            model__encoder=encoder,
            train__device=device,
            train__log_every=1,
            train__epochs=1.0,
            model__dropout=0.0,
            model__characters=False,  # with them, words are hidden by chance
        )
        steps = (event for event in Training(chosen, data()).events() if isinstance(event, Step))
        losses[device] = [event.metrics["loss"] for event in itertools.islice(steps, 6)]
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-3)


@pytest.mark.parametrize("encoder", ["cnn", "transformer"])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what torch imports to compile
def test_half_precision_and_compiled(encoder: str, compiled: bool) -> None:
    chosen = config(
        model__encoder=encoder, model__hidden=16, train__epochs=3.0, train__lr=0.02, train__device="cuda",
        train__precision="auto", train__compile=compiled,
    )  # fmt: skip
    training = Training(chosen, data())
    assert training.model.width is torch.bfloat16
    events = list(training.events())
    assert all(math.isfinite(event.metrics["loss"]) for event in events if isinstance(event, Step))
    assert events[-1].summary["test"]["accuracy"] >= 0.9


def test_the_decoder_trains_there(tmp_path: Path) -> None:
    chosen = config(
        model__decoder="lstm", train__stages="encoder,decoder,joint", adversary__name="hotflip", train__device="cuda",
        adversary__stages="encoder,joint,decoder,joint-decoder", train__epochs=0.5, train__decoder_epochs=0.5,
    )  # fmt: skip
    assert isinstance(run(chosen, tmp_path, replies=True)[-1], Done)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_model_answers_alike_on_both(encoder: str) -> None:
    chosen = config(model__encoder=encoder, train__epochs=1.0, train__device="cpu")
    corpus = data()
    training = Training(chosen, corpus)
    list(training.events())
    predictor = Predictor(
        training.model, chosen, corpus.table, None, corpus.lexicon, Meta(step=1, labels=corpus.labels)
    )
    found, labels = texts(40, 9)
    words = [predictor.words(text) for text in found]
    block, lengths = pad([predictor.intern(text) for text in words])
    candidates = np.tile(block[:, :, None], (1, 1, SYNONYMS))
    answers = {}
    for device in ("cpu", "cuda"):
        predictor.to(devices.choose(device))
        answers[device] = [
            predictor.score(block, lengths),
            *predictor.gradients(block, lengths, np.array(labels), candidates),
            predictor.vectors(found).cpu().numpy(),
        ]
        if encoder in BOUNDED:
            margins = text_margins(predictor.model, predictor.intern, words, labels, corpus.lexicon.substitutes)
            answers[device].append(margins)
    for one, two in zip(answers["cpu"], answers["cuda"], strict=True):
        assert np.allclose(one, two, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sampling", [Sampling(max_tokens=8), Sampling(greedy=False, seed=3), Sampling(beams=3)])
def test_a_decoder_writes_alike_on_both(sampling: Sampling) -> None:
    chosen = config(
        model__decoder="lstm", train__stages="encoder,decoder", train__epochs=1.0, train__decoder_epochs=2.0,
        train__device="cpu",
    )  # fmt: skip
    corpus = data(True)
    training = Training(chosen, corpus)
    list(training.events())
    predictor = Predictor(
        training.model.double(), chosen, corpus.table, corpus.output, corpus.lexicon,
        Meta(step=1, labels=corpus.labels),
    )  # fmt: skip
    found = texts(6, 9)[0]
    written = {}
    for device in ("cpu", "cuda"):
        predictor.to(devices.choose(device))
        written[device] = [(place, token.text) for place, token in predictor.generate_many(found, sampling)]
    assert written["cuda"] == written["cpu"] and written["cpu"]


def test_a_language_model_writes_alike_on_both() -> None:
    tokenizer = TextTokenizer.train("characters", ["the quick brown fox"])
    torch.manual_seed(0)
    shape = Shape(vocabulary=tokenizer.size, width=24, layers=2, heads=4, key_heads=2, head=6, inner=32, context=16)
    written = {}
    weights = Llama(shape).double()
    for device in ("cpu", "cuda"):
        made = Llama(shape).double()
        made.load_state_dict(weights.state_dict())
        model = LanguageModel(made.to(devices.choose(device)), tokenizer, [])
        written[device] = [
            (place, token.text)
            for place, token in model.generate_many(["the", "quick fox"], Sampling(greedy=False, max_tokens=24, seed=3))
        ]
    assert written["cuda"] == written["cpu"]
