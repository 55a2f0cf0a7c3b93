"""Texts of a batch read once where they begin or end alike: the same answers as one by one."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from toy import config, data, texts, trained

from aat_datasets.batching import pad
from aat_datasets.records import Example
from aat_models.attacks import RECIPES, attack
from aat_models.config import ModelConfig
from aat_models.encoders import build
from aat_models.encoders.sharing import SharesPrefixes, backwards, levels
from aat_models.events import AttackResult
from aat_models.predictor import Predictor

KINDS = ("lstm", "gru", "bilstm", "cnn")


def model_of(kind: str) -> tuple[nn.Module, nn.Embedding]:
    torch.manual_seed(7)
    encoder = build(ModelConfig(encoder=kind, embedding=6, hidden=5, latent=4))  # type: ignore[arg-type]
    for parameter in encoder.parameters():
        nn.init.normal_(parameter)  # states far from zero, or a wrong one would hardly show
    return encoder.eval(), nn.Embedding(40, 6)


MODELS = {kind: model_of(kind) for kind in KINDS}

words = st.lists(st.integers(1, 39), min_size=1, max_size=12)
edits = st.lists(
    st.tuples(st.sampled_from(["put", "drop", "insert"]), st.integers(0, 30), st.integers(1, 39)), max_size=3
)


def edited(base: list[int], changes: list[tuple[str, int, int]]) -> list[int]:
    """The base with words replaced, left out and put in."""
    text = list(base)
    for kind, position, word in changes:
        at = position % len(text)
        if kind == "put":
            text[at] = word
        elif kind == "insert":
            text.insert(at, word)
        elif len(text) > 1:
            del text[at]
    return text


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(bases=st.lists(st.tuples(words, st.lists(edits, min_size=1, max_size=6)), min_size=1, max_size=5))
def test_edits_of_texts_get_the_answers_of_the_layer_itself(
    kind: str, bases: list[tuple[list[int], list[list[tuple[str, int, int]]]]]
):
    found = [edited(base, changes) for base, several in bases for changes in several]
    ids, lengths = pad([np.array(text, np.int32) for text in found])
    encoder, vectors = MODELS[kind]
    assert isinstance(encoder, SharesPrefixes)
    with torch.no_grad():
        plain = encoder(vectors(torch.from_numpy(ids.astype(np.int64))), torch.from_numpy(lengths.astype(np.int64)))
        shared = encoder.encode_batch(ids, lengths, vectors)
    # Sums of some thirty, rounded in another order.
    np.testing.assert_allclose(shared.numpy(), plain.numpy(), atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(batch=st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=6), min_size=1, max_size=20))
def test_a_batch_is_the_tree_of_its_distinct_prefixes(batch: list[list[int]]):
    ids, lengths = pad([np.array(text, np.int32) for text in batch])
    known: list[tuple[int, ...]] = [()]
    ended: dict[int, tuple[int, ...]] = {}
    for t, level in enumerate(levels(ids, lengths)):
        parents = range(len(level.words)) if level.parents is None else level.parents.tolist()
        if t == 0:
            parents = [0] * len(level.words)
        known = [(*known[parent], word) for parent, word in zip(parents, level.words.tolist(), strict=True)]
        assert sorted(known) == sorted({tuple(text[: t + 1]) for text in batch if len(text) > t}), "each once"
        ended |= {text: known[node] for text, node in zip(level.ended.tolist(), level.nodes.tolist(), strict=True)}
    assert [ended[k] for k in range(len(batch))] == [tuple(text) for text in batch]


def test_turned_texts_stay_within_their_length():
    ids = np.array([[1, 2, 3], [4, 0, 0], [5, 6, 0]], np.int32)
    assert backwards(ids, np.array([3, 1, 2])).tolist() == [[3, 2, 1], [4, 0, 0], [6, 5, 0]]


def test_one_edit_a_text_costs_half_the_steps():
    """n texts of n words with one word changed in each: n(n + 1) / 2 prefixes with the new word in, n − 1 without."""
    n = 16
    ids = np.tile(np.arange(2, n + 2, dtype=np.int32), (n, 1))
    np.fill_diagonal(ids, 1)
    lengths = np.full(n, n, np.int32)
    for turned in (ids, backwards(ids, lengths)):
        assert sum(len(level.words) for level in levels(turned, lengths)) == n * (n + 1) // 2 + n - 1


@pytest.fixture(scope="module", params=KINDS)
def predictor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoint")
    return trained(folder, config(model__encoder=request.param, train__epochs=2.0, train__lr=0.02), data())


@pytest.mark.parametrize("name", ["deepwordbug", "beam", "hotflip", "input-reduction"])
def test_attacks_do_not_depend_on_what_is_shared(predictor: Predictor, name: str):
    """Text after text: what was asked, counted, found, and in which order it was edited."""
    substitutes = predictor.surface.substitutes
    examples = [
        Example(row=k, text=text, label=label) for k, (text, label) in enumerate(zip(*texts(30, 5), strict=True))
    ]

    def run(sharing: bool, batch: int | None) -> list[AttackResult]:
        predictor.sharing = sharing
        found = attack(predictor, examples, RECIPES[name], surface=substitutes, budget=1.0, batch=batch)
        return sorted((msgspec.structs.replace(result, seconds=0.0) for result in found), key=lambda result: result.id)

    plain = run(False, None)
    for batch in (None, 20):
        for one, other in zip(plain, run(True, batch), strict=True):
            for field in ("edits", "queries", "cache_hits", "status", "adversarial"):
                assert getattr(one, field) == getattr(other, field)
            np.testing.assert_allclose(one.trajectory, other.trajectory, atol=2e-6)
    assert any(result.status == "success" for result in plain)


def test_a_predictor_shares_in_batches_only_and_where_its_encoder_can(predictor: Predictor):
    ids, lengths = pad([predictor.intern(text.split()) for text in texts(40, 6)[0]])
    predictor.sharing = False
    plain, small = predictor.score(ids, lengths), predictor.best_batch
    predictor.sharing = True
    np.testing.assert_allclose(predictor.score(ids, lengths), plain, atol=1e-6)
    np.testing.assert_allclose(predictor.score(ids[:1], lengths[:1]), plain[:1], atol=1e-6)
    assert predictor.best_batch > small == 96
