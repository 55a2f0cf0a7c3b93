"""Attacks on the vector a decoder reads, and decoders trained under them, in every stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy import config, data

from aat_models import teacher_forcing
from aat_models.adversaries import Setting, threat, vector
from aat_models.adversaries.vector import Scene, ball, move, noise, random_words, relative_shift, worst_words
from aat_models.config import ADVERSARIES
from aat_models.data import surface_of
from aat_models.embeddings import StepVectors
from aat_models.evaluation import batch_of, decoder_loss, decoder_robustness, target_batch
from aat_models.events import Evaluation, Step
from aat_models.text_model import TextModel
from aat_models.training import CheckpointDue, Training

DECODING = {"model__decoder": "lstm", "model__decoder_hidden": 16, "model__decoder_embedding": 8}
EVERYWHERE = "encoder,joint,decoder,joint-decoder"


@pytest.fixture
def toy():
    """Data, surface, model with a decoder, and one batch with its output words."""
    torch.manual_seed(3)
    given_data = data(replies=True)
    chosen = config(**DECODING)
    surface = surface_of(given_data, chosen)
    model = TextModel(chosen.model, given_data.table, 2, given_data.output).train()
    index = np.arange(24)
    return surface, model, batch_of(given_data.splits["train"], index), target_batch(given_data.splits["train"], index)


def scene_of(surface, model, batch, generator: torch.Generator | None = None) -> Scene:
    candidates = surface.of(batch.ids)
    vectors = StepVectors(model.embedding, torch.cat([batch.ids.flatten(), candidates.flatten()]))
    dropout = model.draw_dropout(len(batch.ids))
    with torch.no_grad():
        clean = model.encode(vectors(batch.ids), batch.lengths, dropout)
    return Scene(model, batch, candidates, vectors, clean, dropout, generator)


@torch.no_grad()
def shift_of(scene: Scene, embedded: torch.Tensor) -> float:
    return float(relative_shift(scene.model.encode(embedded, scene.batch.lengths, scene.dropout), scene.clean))


def test_the_relative_shift_is_the_mean_squared_ratio() -> None:
    clean = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    assert relative_shift(clean, clean) == 0
    assert relative_shift(clean + torch.tensor([[5.0, 0.0], [0.0, 1.0]]), clean) == pytest.approx((1 + 0.25) / 2)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(budget=st.floats(0.01, 1.0), seed=st.integers(0, 1000))
def test_words_keep_to_budget_and_surface(toy, budget: float, seed: int) -> None:
    surface, model, batch, _ = toy
    scene = scene_of(surface, model, batch, torch.Generator().manual_seed(seed))
    for find in (random_words, worst_words):
        ids = find(scene, budget)
        changed = ids != batch.ids
        assert (changed.sum(1) <= torch.ceil(budget * batch.lengths).clamp_min(1)).all()
        assert (ids[changed][:, None] == scene.candidates[changed]).any(-1).all()


def test_ranked_words_and_climbed_balls_move_the_vector_further_than_their_controls(toy) -> None:
    surface, model, batch, _ = toy
    scene = scene_of(surface, model, batch)
    still = scene.vectors(batch.ids).detach()
    draws = range(20)
    worst, drawn = (
        np.mean([shift_of(scene, scene.vectors(find(scene, 0.3))) for _ in draws])
        for find in (worst_words, random_words)
    )
    assert worst > 1.2 * drawn
    climbed, random = (
        np.mean([shift_of(scene, still + shift) for shift in shifts])
        for shifts in ([ball(scene, 0.1, 2) for _ in draws], [noise(scene, 0.1) for _ in draws])
    )
    assert climbed > 1.5 * random
    inside = threat.norm(ball(scene, 0.1, 3)) / threat.norm(still)
    assert (inside <= 0.1001).all()
    assert (ball(scene, 0.1, 2)[batch.ids == 0] == 0).all()


@pytest.mark.parametrize("name", [name for name in ADVERSARIES if name != "none"])
def test_every_method_moves_the_vector_without_asking_the_decoder_and_teaches_every_part(name: str, toy) -> None:
    surface, model, batch, (seen, wanted) = toy
    chosen = config(adversary__name=name).adversary
    calls: list[str] = []
    with (
        model.encoder.register_forward_hook(lambda *_: calls.append("encoder")),
        model.decoder.register_forward_hook(lambda *_: calls.append("decoder")),
    ):
        scene = scene_of(surface, model, batch)
        assert shift_of(scene, move(scene, chosen)) > 0
        assert "decoder" not in calls
        calls.clear()
        setting = Setting(chosen, surface, torch.zeros(1, dtype=torch.long))
        figures = teacher_forcing.adversarial_step(model, batch, seen, wanted, setting, frozen=False)
    assert calls.count("decoder") == 2
    steps = {"random": 0, "noise": 0}.get(name, chosen.steps if name in ("pgd", "freelb", "smart", "trades") else 1)
    assert calls.count("encoder") == 2 + steps
    assert set(figures) == {"loss_decoder", "loss_adv_decoder", "vector_shift"}
    assert all(figure.isfinite() for figure in figures.values())
    trained = [p for part in (model.embedding, model.encoder, model.decoder) for p in part.parameters()]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)


def test_a_frozen_encoder_gets_no_gradient_and_the_decoder_that_of_both_losses(toy) -> None:
    surface, model, batch, (seen, wanted) = toy
    setting = Setting(config(adversary__name="hotflip").adversary, surface, torch.zeros(1, dtype=torch.long))
    teacher_forcing.adversarial_step(model, batch, seen, wanted, setting, frozen=True)
    assert all(p.grad is None for part in (model.embedding, model.encoder) for p in part.parameters())
    both = model.decoder.out.weight.grad.clone()
    model.zero_grad()
    teacher_forcing.clean_step(model, batch, seen, wanted, frozen=True)
    assert not torch.equal(both, model.decoder.out.weight.grad)


def test_the_divergence_is_the_mean_over_words_and_leaves_the_clean_side_alone() -> None:
    clean, moved = torch.randn(2, 3, 5, requires_grad=True), torch.randn(2, 3, 5, requires_grad=True)
    wanted = torch.tensor([[4, 2, 3], [4, 0, 0]])  # 0 is padding
    found = teacher_forcing.divergence(clean, moved, wanted)
    p, q = torch.softmax(clean, -1), torch.softmax(moved, -1)
    each = (p * (p / q).log()).sum(-1)
    torch.testing.assert_close(found, (each[0].sum() + each[1, 0]) / 4)
    found.backward()
    assert clean.grad is None
    assert (moved.grad[1, 1:] == 0).all() and moved.grad[0].abs().sum() > 0


def test_evaluating_is_repeatable_and_leaves_the_random_state_alone(toy) -> None:
    surface, model, _, _ = toy
    model.eval()
    split = data(replies=True).splits["dev"]
    before = torch.get_rng_state()
    one, two = (decoder_robustness(model, split, surface, 0.3, 60) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert one == two
    assert one["vector_shift"] > 0
    still = decoder_robustness(
        model, split, surface_of(data(), config(surface__synonyms=0, surface__characters=0)), 0.3, 60
    )
    assert still["robust_decoder_loss"] == pytest.approx(decoder_loss(model, split, 60)["decoder_loss"], rel=1e-5)
    assert still["vector_shift"] == 0


def staged(name: str, stages: str = EVERYWHERE, **more: object):
    return config(
        **DECODING,
        adversary__name=name,
        adversary__stages=stages,
        train__stages="encoder,decoder,joint",
        train__epochs=1.0,
        train__decoder_epochs=1.0,
        train__lr=0.02,
        train__checkpoint_every=5,
        train__evaluate_every=5,
        **more,
    )


@pytest.mark.parametrize(
    "name", ["smart", "aat", *(pytest.param(name, marks=pytest.mark.slow) for name in ("random", "pgd", "free", "a2t"))]
)
def test_adversaries_in_every_stage_resume_to_the_bit_from_within_each(name: str, tmp_path: Path) -> None:
    def finish(folder: Path, resume: Path | None = None) -> Training:
        training = Training(staged(name), data(replies=True), resume)
        for event in training.events():
            if isinstance(event, CheckpointDue):
                (folder / str(event.step)).mkdir(parents=True, exist_ok=True)
                training.save(folder / str(event.step))
        return training

    whole = finish(tmp_path / "whole")
    for stage in whole.stages:
        inside = next(step for step in range(stage.start + 1, whole.total) if (tmp_path / "whole" / str(step)).exists())
        assert stage.start < inside < stage.start + stage.steps
        finish(tmp_path / stage.name, tmp_path / "whole" / str(inside))
        for file in ("model.safetensors", "state.safetensors"):
            one, other = (tmp_path / part / str(whole.total) / file for part in ("whole", stage.name))
            assert one.read_bytes() == other.read_bytes(), (stage.name, file)


def test_the_config_says_in_which_stages_and_on_which_side_it_is_on() -> None:
    def figures(stages: str) -> dict[str, set[str]]:
        events = list(Training(staged("hotflip", stages), data(replies=True)).events())
        assert all(
            "robust_decoder_loss" in e.metrics
            for e in events
            if isinstance(e, Evaluation) and "decoder_loss" in e.metrics
        )
        return {e.stage: set(e.metrics) for e in events if isinstance(e, Step)}

    default = figures("encoder,joint")
    assert "loss_adv" in default["encoder"] and "loss_adv" in default["joint"]
    assert not any("loss_adv_decoder" in metrics for metrics in default.values())
    decoders = figures("decoder,joint-decoder")
    assert {"loss_adv_decoder", "vector_shift"} <= decoders["decoder"] & decoders["joint"]
    assert not any("loss_adv" in metrics for metrics in decoders.values())
    assert "loss_adv_decoder" not in figures("decoder")["joint"]


@pytest.mark.slow
def test_a_joint_stage_under_attack_leaves_less_to_lose_than_one_without() -> None:
    def lost(stages: str) -> tuple[float, float]:
        chosen = staged("hotflip", stages).train
        chosen.epochs, chosen.decoder_epochs = 3.0, 4.0
        run = staged("hotflip", stages)
        run.train = chosen
        last = [e for e in Training(run, data(replies=True)).events() if isinstance(e, Evaluation)][-1].metrics
        return last["robust_decoder_loss"] - last["decoder_loss"], last["vector_shift"]

    (gap, shift), (gap_without, shift_without) = lost(EVERYWHERE), lost("encoder")
    assert gap < gap_without
    assert shift < 0.7 * shift_without


def test_methods_not_named_move_words() -> None:
    assert set(vector._MOVES) < set(ADVERSARIES)
