"""Certificates: bounds hold for every text of the surface, and brute force finds nothing where one is given."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor
from toy import BAD, FILL, GOOD, config, data, lexicon

from aat_datasets.batching import pad
from aat_datasets.errors import ConfigError
from aat_datasets.vocab import PAD, WordTable
from aat_models import adversaries
from aat_models.adversaries.base import Setting
from aat_models.adversaries.ibp import boxes
from aat_models.adversaries.surface import SYNONYMS, SurfaceTensor
from aat_models.certification import (
    SLACK,
    Interval,
    bounds_of,
    certified_accuracy,
    surface_intervals,
    text_margins,
    worst_logits,
)
from aat_models.config import BOUNDED, ENCODERS, ModelConfig
from aat_models.data import surface_of
from aat_models.encoders import build
from aat_models.evaluation import batch_of
from aat_models.text_model import TextModel

WORDS = [f"{a}{b}" for a in "bcdfgklmnprst" for b in ("ale", "ook", "in", "ursk", "o")]


def scene(encoder: str, seed: int, characters: bool = True, scale: float = 1.0) -> tuple[TextModel, SurfaceTensor]:
    """A random model of 3 classes over WORDS, half of them known, with random substitutes for half of them."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    table = WordTable.of(WORDS[::2])
    table.intern(WORDS)
    near = {word: tuple(rng.choice(WORDS, rng.integers(1, 5))) for word in WORDS[:: 1 + seed % 2]}
    surface = SurfaceTensor(table, lambda word: near.get(word, ()), lambda word: ())
    settings = ModelConfig(encoder=encoder, embedding=7, hidden=6, latent=5, buckets=50, characters=characters)
    model = TextModel(settings, table, 3).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
        model.embedding.words.weight[PAD] = 0
    return model, surface


def drawn(surface: SurfaceTensor, seed: int, texts: int = 6, longest: int = 9) -> tuple[Tensor, Tensor]:
    """Random texts of different lengths: ids ``(B, T)`` padded, lengths ``(B,)``."""
    rng = np.random.default_rng(seed)
    pieces = [rng.integers(1, surface.size, rng.integers(1, longest + 1)).astype(np.int32) for _ in range(texts)]
    ids, lengths = pad(pieces)
    return torch.from_numpy(ids).long(), torch.from_numpy(lengths)


def replaced(surface: SurfaceTensor, ids: Tensor, share: float) -> Tensor:
    """Every word that has substitutes becomes a random one of them, with the given probability."""
    candidates = surface.of(ids)
    which = torch.randint(0, SYNONYMS, (*ids.shape, 1))
    found = candidates.gather(-1, which).squeeze(-1)
    return torch.where((found > 0) & (torch.rand(ids.shape) < share), found, ids)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("encoder", BOUNDED)
def test_the_vector_and_the_margins_of_every_text_of_the_surface_lie_within_the_bounds(encoder: str, seed: int) -> None:
    model, surface = scene(encoder, seed, characters=seed % 2 == 0, scale=(1.0, 3.0)[seed % 2])
    ids, lengths = drawn(surface, seed)
    labels = torch.randint(0, 3, (len(ids),))
    bounds = bounds_of(model.encoder)
    words, place = torch.unique(ids, return_inverse=True)
    single = surface_intervals(model.embedding, words, surface.of(words), bounds.weight)
    vector = bounds.vector(single.monotone(lambda end: end[place]), lengths)
    worst = worst_logits(model, model.embedding, ids, lengths, labels, surface.of)
    assert (worst.gather(1, labels[:, None]) == 0).all()
    met = torch.zeros_like(worst)
    for turn in range(200):
        other = replaced(surface, ids, (0.3, 0.7, 1.0)[turn % 3])
        with torch.no_grad():
            z = model.encode(model.embedding(other), lengths)
            logits = model(other, lengths)
        assert (z >= vector.lower - 1e-5).all() and (z <= vector.upper + 1e-5).all()
        leads = logits - logits.gather(1, labels[:, None])
        assert (leads <= worst + SLACK / 10).all()
        met = torch.maximum(met, leads)
    assert (vector.upper - vector.lower).max() > 0.01


@pytest.mark.parametrize("encoder", BOUNDED)
def test_bounds_of_texts_without_substitutes_are_the_models_own_answer(encoder: str) -> None:
    """Padding, masks, pooling and n-grams included: at a point the bounds are the model."""
    model, surface = scene(encoder, 1, scale=2.0)
    ids, lengths = drawn(surface, 5, texts=9)
    labels = torch.arange(9) % 3
    logits = model(ids, lengths)
    wanted = logits - logits.gather(1, labels[:, None])
    none = lambda words: torch.zeros(len(words), 1, dtype=torch.long)  # noqa: E731
    torch.testing.assert_close(
        worst_logits(model, model.embedding, ids, lengths, labels, none), wanted, rtol=1e-4, atol=1e-5
    )
    still = worst_logits(model, model.embedding, ids, lengths, labels, surface.of, share=0.0)
    torch.testing.assert_close(still, wanted, rtol=1e-4, atol=1e-5)
    full = ids[:1, : lengths[0]]  # a batch without padding takes another path
    alone = worst_logits(model, model.embedding, full, lengths[:1], labels[:1], surface.of)
    beside = worst_logits(model, model.embedding, ids, lengths, labels, surface.of)[:1]
    torch.testing.assert_close(alone, beside, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder", BOUNDED)
def test_larger_boxes_have_wider_bounds(encoder: str) -> None:
    model, surface = scene(encoder, 2)
    ids, lengths = drawn(surface, 3)
    labels = torch.zeros(len(ids), dtype=torch.long)
    steps = [
        worst_logits(model, model.embedding, ids, lengths, labels, surface.of, share=share).detach()
        for share in (0.0, 0.25, 0.5, 1.0)
    ]
    assert all((small <= large + 1e-5).all() for small, large in itertools.pairwise(steps))
    assert (steps[-1] > steps[0] + 1e-3).any()


@pytest.mark.parametrize("encoder", BOUNDED)
def test_no_combination_of_a_small_space_breaks_what_is_certified(encoder: str) -> None:
    """Small weights certify some texts, large ones hardly any: both kinds are looked through text by text."""
    certified = broken = 0
    for seed in range(8):
        model, surface = scene(encoder, seed, scale=(0.6, 4.0)[seed % 2])
        words = model.embedding.ngrams.table.words()
        near = {w: tuple(words[i] for i in surface.candidates[words.index(w)].tolist() if i) for w in WORDS}
        rng = np.random.default_rng(seed)
        texts = [list(rng.choice(WORDS, rng.integers(1, 5))) for _ in range(8)]
        spaces = [[(word, *near[word]) for word in text] for text in texts]
        with torch.no_grad():
            answers = [
                model(*map(torch.from_numpy, pad([np.array([words.index(w) for w in text], np.int64)])))
                for text in texts
            ]
        labels = [int(answer.argmax()) for answer in answers]
        margins = text_margins(model, model.embedding.ngrams.table.intern, texts, labels, near.__getitem__)
        for space, label, margin in zip(spaces, labels, margins, strict=True):
            every = np.array([[words.index(w) for w in text] for text in itertools.product(*space)], np.int64)
            with torch.no_grad():
                logits = model(torch.from_numpy(every), torch.full((len(every),), every.shape[1]))
            others = logits.clone()
            others[:, label] = -torch.inf
            leads = logits[:, label] - others.amax(1)
            assert float(leads.min()) >= margin - SLACK / 10
            certified += margin > SLACK
            broken += bool((leads < 0).any())
    assert certified > 3
    assert broken > 3


def test_the_ends_are_those_of_the_substitutes_behind_the_layer_and_not_of_a_box_in_front_of_it() -> None:
    model, surface = scene("cnn", 4)
    weight = bounds_of(model.encoder).weight.detach()
    words = torch.arange(surface.size)
    found = surface_intervals(model.embedding, words, surface.of(words), weight)
    corners = torch.cat([words[:, None], surface.of(words)], 1)
    for word in (4, 9, 30):
        own = model.embedding(corners[word][corners[word] > 0]) @ weight.T
        torch.testing.assert_close(found.lower[word], own.amin(0))
        torch.testing.assert_close(found.upper[word], own.amax(0))
    seen = model.embedding(corners)
    there = (corners > 0)[..., None]
    low, high = seen.masked_fill(~there, torch.inf).amin(1), seen.masked_fill(~there, -torch.inf).amax(1)
    box = Interval(low[4:], high[4:]).affine(weight)
    assert (found.lower[4:] >= box.lower - 1e-5).all() and (found.upper[4:] <= box.upper + 1e-5).all()
    assert (found.upper[4:] < box.upper - 1e-3).any()


def test_a_substitute_of_several_words_or_none_leaves_a_text_without_a_certificate() -> None:
    model, _ = scene("bow", 0, scale=0.1)
    intern = model.embedding.ngrams.table.intern
    texts = [["cale"], ["cale", "dale"], ["fale", "fale"], ["gale"]]
    other = {"dale": ("two words",), "fale": ("",), "gale": ("[PAD]",)}
    with torch.no_grad():
        labels = [int(model(*map(torch.from_numpy, pad([intern(t).astype(np.int64)]))).argmax()) for t in texts]
    margins = text_margins(model, intern, texts, labels, lambda word: other.get(word, ()))
    assert margins[0] > 0
    assert np.isneginf(margins[1:]).all()


def test_what_can_be_bounded_is_what_the_config_says() -> None:
    for kind in ENCODERS:
        encoder = build(ModelConfig(encoder=kind, embedding=6, hidden=6, latent=4))
        if kind in BOUNDED:
            assert bounds_of(encoder).weight.shape[1] == 6
        else:
            with pytest.raises(ConfigError, match=r"model\.encoder"):
                bounds_of(encoder)


# the adversary


def test_ibp_refuses_an_encoder_it_cannot_bound_when_the_config_is_read() -> None:
    with pytest.raises(ConfigError, match=r"model\.encoder: transformer cannot be bounded"):
        config(adversary__name="ibp", model__encoder="transformer")


def ibp(**settings: object) -> tuple[adversaries.Adversary, TextModel, adversaries.Batch, SurfaceTensor]:
    toy, chosen = data(), config(adversary__name="ibp", **settings)
    surface = surface_of(toy, chosen)
    model = TextModel(chosen.model, toy.table, 2).train()
    batch = batch_of(toy.splits["train"], np.arange(40))
    offsets = torch.from_numpy(np.array(toy.splits["train"].offsets))
    return adversaries.build(Setting(chosen.adversary, surface, offsets)), model, batch, surface


def test_kappa_and_the_boxes_grow_over_the_ramp() -> None:
    adversary, model, batch, _ = ibp(model__dropout=0.0)
    model.eval()
    figures = [adversary.step(model, batch, progress) for progress in (0.0, 0.35, 0.7, 1.0)]
    assert [round(float(f["kappa"]), 6) for f in figures] == [0.0, 0.4, 0.8, 0.8]
    losses = [float(f["loss_adv"]) for f in figures]
    assert losses[0] == pytest.approx(float(figures[0]["loss"]), rel=1e-4)
    assert losses[0] < losses[1] < losses[2] == losses[3]


def test_character_variants_are_in_the_box_where_they_are_asked_for() -> None:
    worst = {}
    for box in (["word"], ["char"], ["word", "char"]):
        adversary, model, batch, _ = ibp(adversary__box=box)
        torch.manual_seed(3)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        worst["+".join(box)] = float(adversary.step(model.eval(), batch, 1.0)["loss_adv"])
    assert worst["word+char"] > max(worst["word"], worst["char"])


def test_training_on_the_worst_case_makes_certificates() -> None:
    """The toy surface exchanges words of one class: it can be learnt to hold everywhere, and plain training does not."""
    certified = {}
    for name in ("none", "ibp"):
        adversary, model, batch, surface = ibp(model__encoder="cnn", model__dropout=0.0)
        if name == "none":
            adversary = adversaries.build(Setting(config(adversary__name="none").adversary, surface, torch.arange(201)))
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
        for step in range(150):
            optimiser.zero_grad()
            adversary.step(model.train(), batch, step / 150)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        toy = data()
        model.eval()
        certified[name] = certified_accuracy(model, toy.splits["dev"], boxes(surface, ["word"]), 60)[
            "certified_accuracy"
        ]
    assert certified["ibp"] > 0.9 > certified["none"] + 0.2, certified


def test_certified_accuracy_counts_what_the_margins_say() -> None:
    _, model, _, surface = ibp()
    model.eval()
    toy = data()
    split = toy.splits["dev"]
    words = toy.table.words()
    texts = [[words[i] for i in split.text(row)] for row in range(len(split))]
    near = {word: lexicon().substitutes(word) for word in (*GOOD, *BAD, *FILL)}
    from aat_datasets.typos import character_variants

    margins = text_margins(
        model, toy.table.intern, texts, split.labels.tolist(), lambda w: (*near[w], *character_variants(w))
    )
    found = certified_accuracy(model, split, surface.of, len(split))["certified_accuracy"]
    assert found == pytest.approx((margins > SLACK).mean())
