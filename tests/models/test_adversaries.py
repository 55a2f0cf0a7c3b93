"""Adversaries: geometry, proposals, radius, and the loss that ties clean and perturbed answers."""

from __future__ import annotations

import msgspec
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy import config, data

from aat_models import adversaries
from aat_models.adversaries import threat
from aat_models.adversaries.a2t import AttackingToTrain
from aat_models.adversaries.aat import AdaptiveAdversary, Ascent
from aat_models.adversaries.base import Setting, clean_pass, consistency
from aat_models.adversaries.free import FreeAdversary
from aat_models.adversaries.mixture import Mixture
from aat_models.adversaries.price import Price
from aat_models.adversaries.proposals import gains, positions, propose
from aat_models.adversaries.radii import Radii
from aat_models.adversaries.random import substitute
from aat_models.adversaries.smart import Smart, symmetric
from aat_models.adversaries.surface import SYNONYMS
from aat_models.config import ADVERSARIES
from aat_models.data import surface_of
from aat_models.evaluation import batch_of
from aat_models.text_model import TextModel

THREE = ["word", "char", "hull"]


@pytest.fixture
def scene():
    """Config, surface, model, and one batch of the toy corpus."""
    import numpy as np

    toy = data()
    chosen = config(adversary__name="aat", adversary__eta=0.1, adversary__rho_max=1.0)
    surface = surface_of(toy, chosen)
    model = TextModel(chosen.model, toy.table, 2).train()
    batch = batch_of(toy.splits["train"], np.arange(12))
    offsets = torch.from_numpy(np.array(toy.splits["train"].offsets))
    return chosen, surface, model, batch, Setting(chosen.adversary, surface, offsets)


def test_the_failing_sample_carries_the_largest_share_and_training_mends_it() -> None:
    """Five samples with p = .9 .8 .7 .6 and .1: the fifth dominates loss and gradient, and its p rises toward 1."""
    p = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.1])
    logits = torch.stack([p.log(), (1 - p).log()], dim=1).requires_grad_()
    labels = torch.zeros(5, dtype=torch.long)
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    assert losses.argmax() == 4
    assert losses[4] > losses[:4].sum()
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    shares = gradient.norm(dim=1) / gradient.norm(dim=1).sum()
    assert shares.argmax() == 4
    optimiser = torch.optim.SGD([logits], lr=1.0)
    before = p[4]
    for _ in range(50):
        optimiser.zero_grad()
        consistency(logits, logits, labels, 1.0)[0].backward()
        optimiser.step()
    after = torch.softmax(logits, -1)[:, 0]
    assert after[4] > 0.8 > before
    assert (after[:4] > p[:4]).all()


def test_consistency_is_zero_divergence_for_equal_answers_and_leaves_the_clean_side_alone() -> None:
    clean, other = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 0])
    same, entropy = consistency(clean, clean.detach(), labels, 0.0)
    assert same.abs() < 1e-6
    assert entropy > 0
    consistency(clean, other, labels, 0.5)[0].backward()
    assert clean.grad is None
    assert other.grad.abs().sum() > 0


def test_ascend_has_the_asked_length_and_the_gradients_direction() -> None:
    gradient = torch.randn(3, 5, 4)
    step = threat.ascend(gradient, torch.full((3, 1, 1), 0.7))
    torch.testing.assert_close(threat.norm(step).flatten(), torch.full((3,), 0.7))
    cosine = torch.nn.functional.cosine_similarity(step.flatten(1), gradient.flatten(1))
    torch.testing.assert_close(cosine, torch.ones(3))
    assert not threat.ascend(torch.zeros(1, 2, 2), torch.ones(1, 1, 1)).isnan().any()


def test_the_shared_gradient_is_each_examples_own(scene) -> None:
    _, _, model, batch, _ = scene
    model.eval()
    clean = clean_pass(model, batch)
    embedded = model.embedding(batch.ids[:1]).detach().requires_grad_()
    loss = torch.nn.functional.cross_entropy(model.classify(embedded, batch.lengths[:1]), batch.labels[:1])
    (alone,) = torch.autograd.grad(loss, embedded)
    torch.testing.assert_close(clean.gradient[:1], alone, rtol=1e-4, atol=1e-6)


def test_gains_rank_substitutes_as_the_true_loss_does_for_a_linear_model(scene) -> None:
    """For a loss linear in the vectors, the first-order gain is the exact one."""
    _, surface, model, batch, _ = scene
    candidates = surface.of(batch.ids)
    vectors = model.step_vectors(batch.ids, candidates)
    direction = torch.randn_like(vectors(batch.ids))
    gain = gains(vectors, batch.ids, candidates, direction)
    row, place, column = (candidates > 0).nonzero()[7].tolist()
    changed = batch.ids.clone()
    changed[row, place] = candidates[row, place, column]
    exact = (direction * (vectors(changed) - vectors(batch.ids))).sum()
    torch.testing.assert_close(gain[row, place, column], exact.detach(), rtol=1e-4, atol=1e-5)
    assert torch.isinf(gain[candidates == 0]).all()


def test_positions_keep_to_the_budget_and_proposals_to_the_surface(scene) -> None:
    _, surface, model, batch, _ = scene
    candidates = surface.of(batch.ids)[..., :SYNONYMS]
    clean = clean_pass(model, batch, candidates)
    gain = gains(clean.vectors, batch.ids, candidates, clean.gradient)
    for share in (0.01, 0.3, 1.0):
        chosen = positions(gain, batch.lengths, torch.full((12,), share))
        allowed = torch.ceil(share * batch.lengths).clamp_min(1)
        assert (chosen.sum(1) <= allowed).all()
        ids = propose(candidates, batch.ids, gain, chosen)
        changed = ids != batch.ids
        assert changed.any()
        assert (changed <= chosen).all()
        assert (ids[changed][:, None] == candidates[changed]).any(-1).all()


def test_random_substitutes_come_from_the_surface_at_the_asked_rate(scene) -> None:
    _, surface, _, batch, _ = scene
    assert torch.equal(substitute(surface, batch.ids, 0.0), batch.ids)
    everywhere = substitute(surface, batch.ids, 1.0)
    has = (surface.of(batch.ids) > 0).any(-1)
    assert torch.equal(everywhere != batch.ids, has)
    assert (everywhere[has][:, None] == surface.of(batch.ids)[has]).any(-1).all()


def test_hull_points_are_means_of_the_corners(scene) -> None:
    """One corner apart, every coordinate of a moved word lies between the least and the largest of its corners."""
    _chosen, surface, model, batch, setting = scene
    adversary = AdaptiveAdversary(setting)
    candidates = surface.of(batch.ids)[..., :SYNONYMS]
    clean = clean_pass(model, batch, candidates)
    gain = gains(clean.vectors, batch.ids, candidates, clean.gradient)
    places = positions(gain, batch.lengths, torch.ones(12))
    ascent = Ascent(batch, clean.vectors, clean.gradient, torch.ones(12))
    moved = adversary.hull(ascent, candidates, gain, places).detach()
    still = clean.vectors(batch.ids).detach()
    assert torch.equal(moved[~places], still[~places])
    spanned = torch.cat([batch.ids[..., None], candidates], -1)[places]
    corners = clean.vectors(spanned).detach()
    there = (spanned > 0)[..., None]
    low = corners.masked_fill(~there, torch.inf).amin(1)
    high = corners.masked_fill(~there, -torch.inf).amax(1)
    assert ((moved[places] >= low - 1e-5) & (moved[places] <= high + 1e-5)).all()


def test_the_radius_falls_where_attacks_succeed_rises_where_they_fail_and_keeps_above_the_floor(scene) -> None:
    chosen, _, _, _, setting = scene
    radii = Radii(msgspec.structs.replace(setting.config, adaptive=True, rho_floor=True), 40)
    index = torch.tensor([0, 1])
    radii.rho[:] = 0.5
    radii.track(index, torch.tensor([True, False]), 0.0)
    step = chosen.adversary.eta * chosen.adversary.success
    torch.testing.assert_close(radii.rho[:2], torch.tensor([0.5 - step, 0.5 + step]))
    assert (radii.rho[2:] == 0.5).all()
    for _ in range(100):
        radii.track(index, torch.tensor([True, False]), 0.5)
    low, high = radii.of(index, 0.5).tolist()
    assert low == pytest.approx(chosen.adversary.budget * 0.5)
    assert high == pytest.approx(chosen.adversary.rho_max)


def test_the_cache_gives_back_what_was_proposed_for_the_same_family_only(scene) -> None:
    _, surface, model, batch, setting = scene
    adversary = AdaptiveAdversary(setting)
    synonyms, characters = surface.of(batch.ids)[..., :SYNONYMS], surface.of(batch.ids)[..., SYNONYMS:]
    clean = clean_pass(model, batch, synonyms)
    adversary.remember("word", Ascent(batch, clean.vectors, clean.gradient, torch.ones(12)))
    recalled = [adversary.recall(batch, batch.ids, synonyms) for _ in range(20)]
    rows = torch.stack([(ids != batch.ids).any(1) for ids in recalled])
    assert 0.2 < rows.float().mean() < 0.8  # half of the rows, in the mean
    assert not any((adversary.recall(batch, batch.ids, characters) != batch.ids).any() for _ in range(5))


def test_the_pull_is_on_what_the_families_put_in_the_words_places(scene) -> None:
    _, surface, model, batch, setting = scene
    adversary = AdaptiveAdversary(setting)
    vectors = model.step_vectors(batch.ids, surface.of(batch.ids))

    def expected(columns: slice) -> float:
        pairs = [(w, s) for w in batch.ids.unique().tolist() for s in surface.candidates[w, columns].tolist() if s]
        apart = [vectors(torch.tensor([w])) - vectors(torch.tensor([s])) for w, s in pairs]
        return float(torch.cat(apart).detach().square().sum(-1).mean())

    def pull(names: list[str]) -> float:
        return float(adversary.pull(vectors, batch.ids, names).detach())

    synonyms, both = expected(slice(0, SYNONYMS)), expected(slice(None))
    assert synonyms != pytest.approx(both)
    assert pull(["hull"]) == pytest.approx(synonyms)
    assert pull(["any"]) == pytest.approx(both)
    assert pull(["any", "word", "ball"]) == pytest.approx((both + synonyms) / 2)
    assert pull(["ball"]) == 0
    weights = [adversary.gamma(progress) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert weights == [0.0, setting.config.gamma / 2, setting.config.gamma, setting.config.gamma]


def test_families_that_fool_the_model_are_drawn_more_often_and_none_is_forgotten() -> None:
    mixture = Mixture(config(adversary__families=THREE).adversary)
    fooled, right = torch.ones(8, dtype=torch.bool), torch.zeros(8, dtype=torch.bool)
    for step in range(500):
        mixture.count(step % 3, fooled if step % 3 == 1 else right)
        if step % Mixture.EVERY == Mixture.EVERY - 1:
            mixture.update(mixture.rates())
    assert mixture.weights.argmax() == 1
    assert mixture.weights.sum() == pytest.approx(1.0)
    assert mixture.weights.min() >= Mixture.UNIFORM / 3 * 0.99
    assert mixture.tally.sum() == 0
    fixed = Mixture(config(adversary__families=THREE, adversary__mixing="uniform").adversary)
    fixed.count(0, fooled)
    fixed.update(fixed.rates())
    assert (fixed.weights == 1 / 3).all()


def test_mixing_all_families_takes_the_mean_or_each_texts_worst(scene) -> None:
    losses = torch.tensor([[1.0, 4.0], [3.0, 2.0]])
    mixed = {name: config(adversary__families=THREE, adversary__mixing=name).adversary for name in ("average", "max")}
    average, worst = map(Mixture, mixed.values())
    assert average.draw() == worst.draw() == [0, 1, 2]
    assert average.combine(losses) == 2.5
    assert worst.combine(losses) == 3.5
    _, _, model, batch, setting = scene
    for chosen in mixed.values():
        adversary = AdaptiveAdversary(setting._replace(config=chosen))
        assert adversary.cost == 12.0
        adversary.step(model, batch, 0.5)
        assert adversary.mixture.counted()[1].tolist() == [12.0, 12.0, 12.0]


def test_beta_falls_while_the_clean_loss_is_over_its_price_and_comes_back() -> None:
    price = Price(config(adversary__beta=4.0, adversary__reference=0.4, adversary__tolerance=0.1).adversary)
    assert price.beta == 4.0
    price.pay(0.9)
    once = price.beta
    price.pay(0.9)
    assert price.beta < once < 4.0
    for _ in range(30):
        price.pay(0.3)
    assert price.beta == 4.0
    free = Price(config(adversary__beta=4.0).adversary)
    free.pay(9.0)
    assert free.beta == 4.0


def test_the_probe_measures_every_family_on_held_out_texts_and_leaves_the_model_alone(scene) -> None:
    _, _, model, batch, setting = scene
    asked: list[int] = []

    def held_out(k: int):
        asked.append(k)
        return batch

    chosen = config(adversary__families=["word", "char", "hull", "any"], adversary__probe=True, adversary__budget=1.0)
    adversary = AdaptiveAdversary(setting._replace(config=chosen.adversary, probe=held_out))
    with torch.no_grad():
        logits = model.eval()(batch.ids, batch.lengths)
        model.train()
    plain = torch.nn.functional.cross_entropy(logits, batch.labels)
    assert adversary.probe(model) == pytest.approx(float(plain), rel=1e-4)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    wrong = float((logits.argmax(-1) != batch.labels).float().mean())
    assert (adversary.errors >= wrong - 1e-6).all()  # a model this fresh is nearly linear: each family only hurts
    before = adversary.mixture.weights.clone()
    adversary.errors[:] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    adversary.mixture.update(adversary.errors)
    assert adversary.mixture.weights[0] > before[0]
    for _ in range(Mixture.EVERY + 1):
        adversary.step(model, batch, 0.5)
    assert asked == [0, 1]


def test_the_second_ascent_changes_the_answers_that_were_still_right_and_no_other(scene) -> None:
    _, _, model, batch, setting = scene
    model.eval()
    adversary = AdaptiveAdversary(setting)
    clean = clean_pass(model, batch, setting.surface.of(batch.ids))
    ascent = Ascent(batch, clean.vectors, clean.gradient, torch.full((12,), 0.5))
    embedded = adversary.perturb("word", ascent)
    logits = model.classify(embedded, batch.lengths)
    again = adversary.again(model, "word", ascent, embedded, logits, None)
    right = logits.argmax(-1) == batch.labels
    assert right.any() and not right.all()
    assert torch.equal(again[~right], logits[~right])
    (again.sum() + logits.sum()).backward()
    entropy = torch.nn.functional.cross_entropy(again, batch.labels, reduction="none")
    clean_entropy = torch.nn.functional.cross_entropy(clean.logits, batch.labels, reduction="none")
    assert (entropy > clean_entropy)[right].float().mean() > 0.5


def test_the_ball_has_its_radius_and_no_word_moves_by_over_twice_the_mean(scene) -> None:
    chosen, _, model, batch, setting = scene
    adversary = AdaptiveAdversary(setting)
    clean = clean_pass(model, batch)
    shift = adversary.ball(Ascent(batch, clean.vectors, clean.gradient, torch.ones(12))) - clean.vectors(batch.ids)
    length = shift.detach().norm(dim=-1)
    assert (threat.norm(shift) <= chosen.adversary.epsilon * threat.norm(clean.embedded) * 1.0001).all()
    raw = threat.ascend(clean.gradient, chosen.adversary.epsilon * threat.norm(clean.embedded)).norm(dim=-1)
    assert (length <= 2 * raw.sum(1, keepdim=True) / batch.lengths[:, None] * 1.0001).all()
    assert (length[batch.ids == 0] < 1e-6).all()


def test_the_config_names_the_adversaries_there_are() -> None:
    assert set(ADVERSARIES) == set(adversaries.ADVERSARIES)


@pytest.mark.parametrize("name", ADVERSARIES)
def test_the_stated_cost_is_what_the_encoder_is_asked_for(name: str, scene) -> None:
    """A pass forward counts 1 a text, one backward 2, whether it reaches the weights or the word vectors alone."""
    _, _, model, batch, setting = scene
    longest = torch.arange(13) * int(batch.lengths.max())  # where the cost depends on lengths
    adversary = adversaries.build(setting._replace(config=config(adversary__name=name).adversary, offsets=longest))
    spent: list[float] = []

    def count(_module, _seen, answer: torch.Tensor) -> None:
        spent.append(len(answer))
        if answer.requires_grad:
            answer.register_hook(lambda gradient: spent.append(2.0 * len(gradient)))

    with model.encoder.register_forward_hook(count):
        adversary.step(model, batch, 0.5)
    if name == "a2t":  # ends early, and not every word has a synonym: what is stated is an upper bound
        assert 3.0 < sum(spent) / len(batch.labels) <= adversary.cost
    elif name == "ibp":  # its bounds go through the layers apart from the encoder's own pass
        assert sum(spent) / len(batch.labels) == 3.0 < adversary.cost
    else:
        assert sum(spent) / len(batch.labels) == adversary.cost


def test_free_carries_its_perturbation_through_the_turns_of_a_batch_and_no_further(scene) -> None:
    _, _, model, batch, setting = scene
    chosen = config(adversary__name="free", adversary__steps=3, model__dropout=0.0).adversary
    adversary = FreeAdversary(setting._replace(config=chosen))
    model.eval()
    losses = [float(adversary.step(model, batch, 0.5)["loss"]) for _ in range(4)]
    assert losses[0] < losses[1] < losses[2]  # the weights stand still: only the perturbation moves
    assert losses[3] == losses[0]
    still = model.embedding(batch.ids)
    adversary.step(model, batch, 0.5)
    assert (threat.norm(adversary.shift) <= chosen.epsilon * threat.norm(still) * 1.0001).all()
    other = batch._replace(rows=batch.rows + 1)
    assert float(adversary.step(model, other, 0.5)["loss"]) == losses[0]


def test_the_symmetric_divergence_is_the_sum_of_both_and_teaches_both() -> None:
    one, other = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    p, q = torch.log_softmax(one, -1), torch.log_softmax(other, -1)
    both = sum(torch.nn.functional.kl_div(x, y, reduction="batchmean", log_target=True) for x, y in ((p, q), (q, p)))
    torch.testing.assert_close(symmetric(one, other), both)
    symmetric(one, other).backward()
    assert one.grad.abs().sum() > 0 and other.grad.abs().sum() > 0
    assert symmetric(one, one.detach()) == 0


def test_smart_climbs_inside_its_box_and_leaves_padding_alone(scene) -> None:
    _, _, model, batch, setting = scene
    adversary = Smart(setting._replace(config=config(adversary__name="smart", adversary__steps=3).adversary))
    model.eval()
    still = model.embedding(batch.ids).detach()
    logits = model.classify(still, batch.lengths).detach()
    shift = adversary.climb(model, batch, still, logits, None)
    width = setting.config.epsilon * threat.spread(still)
    assert (shift.abs() <= width * 1.0001).all()
    assert (shift[batch.ids == 0] == 0).all()
    noise = width * torch.randn_like(still).sign() * (batch.ids > 0)[..., None]  # as far off as the box reaches
    found, drawn = (symmetric(model.classify(still + s, batch.lengths), logits) for s in (shift, noise))
    assert found > 2 * drawn
    corners = (batch.ids > 0).sum(1).mul(still.shape[-1]).sqrt()[:, None, None] * width
    torch.testing.assert_close(corners, setting.config.epsilon * threat.norm(still))  # the sphere of the others


def test_smarts_average_begins_with_the_stage_and_follows_the_weights(scene) -> None:
    _, _, model, batch, setting = scene
    adversary = Smart(setting._replace(config=config(adversary__name="smart").adversary))
    adversary.step(model, batch, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(adversary.before.parameters(), model.parameters(), strict=True))
    first = model.head.bias.detach().clone()
    with torch.no_grad():
        model.head.bias += 1.0
    adversary.step(model, batch, 0.05)
    torch.testing.assert_close(adversary.before.head.bias, first + 0.01)
    adversary.step(model, batch, 0.5)
    torch.testing.assert_close(adversary.before.head.bias, first + 0.01 + 0.001 * 0.99)
    again = Smart(setting._replace(config=adversary.config))
    again.restore(*adversary.state())
    again.step(model, batch, 0.5)
    adversary.step(model, batch, 0.5)
    assert torch.equal(again.before.head.bias, adversary.before.head.bias)
    adversary.step(model, batch, 0.0)
    assert torch.equal(adversary.before.head.bias, model.head.bias)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(budget=st.floats(0.01, 1.0), seed=st.integers(0, 1000))
def test_a2t_keeps_to_budget_and_synonyms_and_never_lowers_the_loss(scene, budget: float, seed: int) -> None:
    _, surface, model, batch, setting = scene
    torch.manual_seed(seed)
    adversary = AttackingToTrain(setting._replace(config=config(adversary__budget=budget).adversary))
    candidates = surface.of(batch.ids)[..., :SYNONYMS]
    clean = clean_pass(model, batch, candidates)
    ids = adversary.search(model, batch, candidates, clean)
    changed = ids != batch.ids
    assert (changed.sum(1) <= torch.ceil(budget * batch.lengths).clamp_min(1)).all()
    assert (ids[changed][:, None] == candidates[changed]).any(-1).all()
    logits = model.classify(clean.vectors(ids), batch.lengths, clean.dropout)
    before, after = (
        torch.nn.functional.cross_entropy(x, batch.labels, reduction="none") for x in (clean.logits, logits)
    )
    assert (after >= before - 1e-6).all()
    assert (after > before)[changed.any(1)].all()
    wrong = clean.logits.argmax(-1) != batch.labels
    assert not changed[wrong].any()  # nothing to do there


def test_a2t_tries_every_synonym_of_the_most_important_word(scene) -> None:
    """With one word allowed, what it finds is the worst single synonym at the word of largest gradient."""
    _, surface, model, batch, setting = scene
    model.eval()
    adversary = AttackingToTrain(setting._replace(config=config(adversary__budget=0.01).adversary))
    candidates = surface.of(batch.ids)[..., :SYNONYMS]
    clean = clean_pass(model, batch, candidates)
    found = adversary.search(model, batch, candidates, clean)
    importance = clean.gradient.abs().sum(-1).masked_fill((candidates == 0).all(-1), -1)
    compared = 0
    for row in (clean.logits.argmax(-1) == batch.labels).nonzero().flatten().tolist():
        place = int(importance[row].argmax())
        tried = [batch.ids[row]]
        for word in candidates[row, place][candidates[row, place] > 0]:
            tried.append(batch.ids[row].clone())
            tried[-1][place] = word
        logits = model.classify(clean.vectors(torch.stack(tried)), batch.lengths[row].repeat(len(tried)))
        losses = torch.nn.functional.cross_entropy(logits, batch.labels[row].repeat(len(tried)), reduction="none")
        assert torch.equal(found[row], tried[int(losses.argmax())])
        compared += 1
    assert compared


@pytest.mark.parametrize("name", ADVERSARIES)
def test_every_adversary_leaves_a_gradient_on_every_part_and_lowers_its_loss(name: str, scene) -> None:
    _, _surface, model, batch, setting = scene
    chosen = config(adversary__name=name, model__dropout=0.0, adversary__gamma=0.1).adversary  # 25 steps are few
    adversary = adversaries.build(setting._replace(config=chosen))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for step in range(25):
        optimiser.zero_grad()
        figures = adversary.step(model, batch, step / 25)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimiser.step()
        losses.append(float(figures["loss"]))
    assert losses[-1] < 0.7 * losses[0]
    assert adversary.cost >= 3.0


def test_state_of_the_adaptive_adversary_survives_a_round_trip(scene) -> None:
    _, _, model, batch, setting = scene
    one, two = AdaptiveAdversary(setting), AdaptiveAdversary(setting)
    one.step(model, batch, 0.1)
    tensors, values = one.state()
    two.restore({name: tensor.clone() for name, tensor in tensors.items()}, values)
    assert torch.equal(one.radii.rho, two.radii.rho)
    assert torch.equal(one.cache, two.cache)
    assert torch.equal(one.mixture.counted(), two.mixture.counted())
    assert one.mixture.counted().any()
    assert (one.radii.rho != setting.config.rho_start).any()
