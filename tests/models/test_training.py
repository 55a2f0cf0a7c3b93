"""The loop: learning, stages, events, resuming to the bit, and what a broken checkpoint says."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from toy import BAD, FILL, GOOD, config, data

from aat_datasets.batching import BucketSampler
from aat_datasets.errors import CheckpointError, ConfigError, NotFiniteError
from aat_models.checkpoint import load_model
from aat_models.config import ADVERSARIES, ENCODERS, Config
from aat_models.events import Done, Evaluation, Resumed, Started, Step, decode, encode
from aat_models.predictor import Predictor
from aat_models.training import CheckpointDue, Training


def run(
    config: Config, folder: Path, resume: Path | None = None, until: int | None = None, replies: bool = False
) -> list:
    """All events; every checkpoint that falls due is saved to ``folder``; stops for good after step ``until``."""
    training = Training(config, data(replies), resume)
    seen = []
    for event in training.events():
        seen.append(event)
        if isinstance(event, CheckpointDue):
            target = folder / str(event.step)
            target.mkdir(parents=True, exist_ok=True)
            training.save(target)
            if event.step == until:
                return seen
    return seen


def same_files(one: Path, two: Path, names: list[str]) -> None:
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_every_adversary_learns_the_toy_task_and_resumes_to_the_bit(adversary: str, tmp_path: Path) -> None:
    chosen = config(
        adversary__name=adversary, train__epochs=3.0, train__lr=0.02, train__evaluate_every=8, adversary__gamma=0.1
    )
    whole = run(chosen, tmp_path / "whole")
    last = Training(chosen, data()).total
    assert whole[-1].summary["test"]["accuracy"] >= 0.9
    halfway = next(e.step for e in whole if isinstance(e, CheckpointDue) and last // 3 < e.step < last)
    run(chosen, tmp_path / "parts", until=halfway)
    rest = run(chosen, tmp_path / "parts", resume=tmp_path / "parts" / str(halfway))
    assert [type(e) for e in rest[:2]] == [Started, Resumed]
    assert rest[1].step == halfway
    same_files(
        tmp_path / "whole" / str(last), tmp_path / "parts" / str(last), ["model.safetensors", "state.safetensors"]
    )


def test_everything_that_adapts_in_aat_resumes_to_the_bit(tmp_path: Path) -> None:
    """With the probe, the price on beta, and a second ascent on; the updates fall on both sides of the checkpoint."""
    families = ["word", "char", "any", "hull", "ball"]
    parts = {"families": families, "probe": True, "reference": 1e-6, "tolerance": 0.0, "second_step": 0.3}
    settings = {f"adversary__{key}": value for key, value in (parts | {"dual_rate": 50.0}).items()}
    chosen = config(
        adversary__name="aat",
        train__epochs=9.0,
        train__lr=0.02,
        train__log_every=10,
        train__evaluate_every=12,
        **settings,
    )
    whole = run(chosen, tmp_path / "whole")
    last = Training(chosen, data()).total
    figures = [event.metrics for event in whole if isinstance(event, Step)]
    assert {f"error_{name}" for name in families} | {f"weight_{name}" for name in families} <= set(figures[-1])
    assert min(metrics["beta"] for metrics in figures) < chosen.adversary.beta == figures[0]["beta"]
    halfway = next(e.step for e in whole if isinstance(e, CheckpointDue) and last // 3 < e.step < last)
    run(chosen, tmp_path / "parts", until=halfway)
    run(chosen, tmp_path / "parts", resume=tmp_path / "parts" / str(halfway))
    same_files(
        tmp_path / "whole" / str(last), tmp_path / "parts" / str(last), ["model.safetensors", "state.safetensors"]
    )


def test_free_takes_each_batch_several_times_in_as_many_steps_and_resumes_between_two_turns(tmp_path: Path) -> None:
    chosen = config(adversary__name="free", adversary__steps=3, train__epochs=2.0, train__checkpoint_every=4)
    training = Training(chosen, data())
    assert training.total == Training(config(train__epochs=2.0), data()).total
    last = training.total
    run(chosen, tmp_path / "whole")
    run(chosen, tmp_path / "parts", until=4)  # 4 = 3 + 1
    run(chosen, tmp_path / "parts", resume=tmp_path / "parts" / "4")
    same_files(
        tmp_path / "whole" / str(last), tmp_path / "parts" / str(last), ["model.safetensors", "state.safetensors"]
    )
    done = list(training.events())
    assert isinstance(done[-1], Done)
    assert training.sampler.epoch * len(training.sampler) + training.sampler.position == last // 3


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_learns_the_toy_task(encoder: str, tmp_path: Path) -> None:
    chosen = config(model__encoder=encoder, model__hidden=16, train__epochs=3.0, train__lr=0.02)
    assert run(chosen, tmp_path)[-1].summary["test"]["accuracy"] >= 0.9
    step = Training(chosen, data()).total
    assert Predictor.load(tmp_path / str(step)).predict(["the good film was great"])[0].argmax() == 1


def test_stages_train_what_they_name_and_resume_between_them(tmp_path: Path) -> None:
    chosen = config(
        model__decoder="lstm",
        model__decoder_hidden=16,
        train__stages="encoder,decoder,joint",
        train__epochs=2.0,
        train__decoder_epochs=6.0,
        train__lr=0.02,
    )
    events = run(chosen, tmp_path / "whole", replies=True)
    stages = [e.stage for e in events if isinstance(e, Step)]
    assert list(dict.fromkeys(stages)) == ["encoder", "decoder", "joint"]
    training = Training(chosen, data(True))
    between = training.stages[1].start
    after = between + training.stages[1].steps
    encoder, decoder = (load_model(tmp_path / "whole" / str(step))[0].state_dict() for step in (between, after))
    for name in encoder:
        assert torch.equal(encoder[name], decoder[name]) == (not name.startswith("decoder.")), name
    run(chosen, tmp_path / "parts", resume=tmp_path / "whole" / str(between), replies=True)
    same_files(
        tmp_path / "whole" / str(training.total),
        tmp_path / "parts" / str(training.total),
        ["model.safetensors", "state.safetensors"],
    )
    predictor = Predictor.load(tmp_path / "whole" / str(training.total))
    assert "".join(t.text for t in predictor.generate("the good film was great")) == "thank you"
    assert "".join(t.text for t in predictor.generate("a bad story was awful")) == "sorry for that"


def test_events_are_records_in_order_with_finite_figures(tmp_path: Path) -> None:
    events = run(config(adversary__name="aat", adversary__adaptive=True), tmp_path)
    records = [e for e in events if not isinstance(e, CheckpointDue)]
    assert [type(records[0]), type(records[-1])] == [Started, Done]
    steps = [e.step for e in records if isinstance(e, Step)]
    assert steps == sorted(set(steps))
    assert steps[-1] == records[0].total
    assert {"loss", "loss_adv", "rho_mean", "rho_p10", "rho_p90", "fooled", "lr"} <= set(
        next(e for e in records if isinstance(e, Step)).metrics
    )
    evaluations = [e for e in records if isinstance(e, Evaluation)]
    assert all(0 <= e.metrics["robust_accuracy"] <= e.metrics["accuracy"] <= 1 for e in evaluations)
    assert [decode(encode(e)) for e in records] == records
    assert records[-1].summary["step_time_ratio"] > 1
    assert any(isinstance(e, CheckpointDue) and e.best for e in events)


def test_stop_checkpoint_and_rate_take_effect_and_nonsense_is_refused(tmp_path: Path) -> None:
    training = Training(config(train__epochs=50.0, train__evaluate_every=1000), data())
    events = training.events()
    next(e for e in events if isinstance(e, Step))
    training.control("checkpoint")
    assert isinstance(next(e for e in events if not isinstance(e, Step)), CheckpointDue)
    before = next(e for e in events if isinstance(e, Step)).metrics["lr"]
    training.change("lr=0.0001")
    next(e for e in events if isinstance(e, Step))
    assert next(e for e in events if isinstance(e, Step)).metrics["lr"] < before / 5
    for assignment in ("lr=fast", "lr=-1", "model.hidden=3"):
        with pytest.raises(ConfigError):
            training.change(assignment)
    with pytest.raises(ConfigError):
        training.control("dance")
    training.control("stop")
    rest = list(events)
    assert isinstance(rest[-1], Done)
    assert rest[-1].summary["steps"] < training.total


@pytest.mark.parametrize("settings", [{}, {"train__clip": 0.0}, {"adversary__name": "aat", "train__log_every": 1}])
def test_a_rate_that_overflows_stops_with_the_batch_it_was_met_on(settings: dict[str, object]) -> None:
    training = Training(config(train__lr=1e30, train__warmup=0.0, **settings), data())
    with pytest.raises(NotFiniteError, match=r"step \d+: the (loss|gradient) is not a finite number") as caught:
        list(training.events())
    batch = caught.value.batch
    assert 1 < batch["step"] < 10 and batch["stage"] == "encoder"
    assert {"nan", "inf"} & set(batch["figures"].values())
    sampler = BucketSampler(training.train.lengths, 16, 0)
    places = next(itertools.islice(iter(sampler), batch["step"] - 1, None))
    assert [e["place"] for e in batch["examples"]] == places.tolist()
    first = batch["examples"][0]
    assert first["label"] == training.train.labels[places[0]] and first["row"] == training.train.rows[places[0]]
    assert len(first["ids"]) == len(first["text"].split()) and set(first["text"].split()) <= {*GOOD, *BAD, *FILL}


def test_a_weight_that_is_infinite_is_met_on_the_first_batch() -> None:
    training = Training(config(), data())
    with torch.no_grad():
        training.model.head.weight[0, 0] = torch.inf
    with pytest.raises(NotFiniteError, match="step 1: the loss is not a finite number"):
        list(training.events())


def test_weights_that_overflow_between_two_batches_are_met_in_the_evaluation() -> None:
    training = Training(config(train__evaluate_every=1), data())
    events = training.events()
    next(events)
    with torch.no_grad():
        training.average.weights["head.weight"][0, 0] = torch.nan
    with pytest.raises(NotFiniteError, match="step 1: loss on dev is not a finite number") as caught:
        list(events)
    assert (caught.value.batch["step"], len(caught.value.batch["examples"])) == (1, 16)


def test_stages_that_do_not_fit_the_model_are_refused() -> None:
    with pytest.raises(ConfigError, match="decoder"):
        Training(config(train__stages="encoder,decoder"), data())
    with pytest.raises(ConfigError, match="at least one"):
        Training(config(train__stages=""), data())


def test_a_truncated_or_foreign_checkpoint_names_what_is_wrong(tmp_path: Path) -> None:
    chosen = config()
    last = max(e.step for e in run(chosen, tmp_path) if isinstance(e, CheckpointDue))
    folder = tmp_path / str(last)
    with pytest.raises(CheckpointError, match=r"dense\.weight"):
        Training(config(model__latent=9), data(), folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cannot be read"):
        Predictor.load(folder)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        Predictor.load(tmp_path / "nowhere")


def test_a_model_that_answers_everything_alike_is_not_the_best_one() -> None:
    """No attack changes a constant answer: right on half of the texts, it holds on half, together more than many a model."""
    training = Training(config(adversary__name="random"), data())
    (stage,) = training.stages
    constant = training.constant
    share = (training.data.splits["dev"].labels == 1).mean()
    assert constant == pytest.approx(max(share, 1 - share))
    nothing = training._score(stage, {"accuracy": constant, "robust_accuracy": constant})
    assert nothing < training._score(stage, {"accuracy": 0.8, "robust_accuracy": 0.1})
    assert training._score(stage, {"accuracy": 0.8, "robust_accuracy": 0.7}) > training._score(
        stage, {"accuracy": 0.8, "robust_accuracy": 0.6}
    )
