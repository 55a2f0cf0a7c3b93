"""Searches on a closed surface, and the requests they make."""

from __future__ import annotations

import dataclasses
import itertools
import random

import numpy as np
import pytest
import torch
from attack_support import RandomVictim
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import config, data, trained

from aat_datasets.batching import pad
from aat_datasets.records import Example
from aat_models.attacks import TextVictim, attack, find, tiny
from aat_models.attacks.attempt import Attempt
from aat_models.attacks.genetic import crossed, fitness_weights
from aat_models.attacks.goals import Targeted, Untargeted
from aat_models.attacks.recipes import surface as surface_recipe
from aat_models.attacks.requests import Edits, Joined, Texts
from aat_models.attacks.space_search import beam, flips
from aat_models.attacks.spaces import Space
from aat_models.attacks.victim import WhiteBox, score_texts
from aat_models.events import AttackResult, Edit
from aat_models.predictor import Predictor


def attempt_at(text: str, max_edits: int = 100) -> Attempt:
    victim = tiny.TinyVictim()
    words = victim.words(text)
    ids = victim.intern(words)
    answer = victim.score(ids[None], np.array([len(ids)]))[0]
    return Attempt(
        words, ids, 1, answer, goal=Untargeted(), intern=victim.intern, max_edits=max_edits, surface=tiny.synonyms
    )


class Parity:
    """Two classes that no search can climb toward: only the words "k0" … "kn" all together turn the class."""

    def __init__(self) -> None:
        self.labels = ["a", "b"]
        self._ids: dict[str, int] = {}
        self._key: set[int] = set()

    def words(self, text, /):
        return text.split()

    def intern(self, words, /):
        ids = [self._ids.setdefault(word, len(self._ids) + 2) for word in words]
        self._key |= {i for word, i in zip(words, ids, strict=True) if word.startswith("k")}
        return np.array(ids, np.int32)

    def score(self, ids, lengths, /):
        there = np.isin(ids, list(self._key)).sum(axis=1) == lengths
        return np.where(there[:, None], [[0.1, 0.9]], [[0.9, 0.1]])


def one(name: str, text: str, label: int, victim=None, **options) -> AttackResult:
    options.setdefault("surface", tiny.synonyms)
    (result,) = attack(victim or tiny.TinyVictim(), [Example(row=0, text=text, label=label)], find(name), **options)
    return result


# --- requests -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=6), min_size=1, max_size=5), st.randoms())
def test_the_same_text_has_the_same_hash_in_any_request(rows: list[list[int]], rng: random.Random):
    arrays = [np.array(row, np.int32) for row in rows]
    edits = []
    for row in arrays:  # the same text as an edit of another
        base, at = row.copy(), rng.randrange(len(row))
        base[at] = 60
        edits.append(Edits(base, np.array([at], np.int32), row[[at]], ["x"]))
    texts, joined = Texts.of(arrays), Joined(edits)
    assert texts.keys().tolist() == joined.keys().tolist()
    assert len(set(texts.keys().tolist())) == len({tuple(row) for row in rows})
    assert texts.lengths.tolist() == joined.lengths.tolist() == [len(row) for row in rows]
    select = np.array(rng.sample(range(len(rows)), rng.randint(1, len(rows))))
    wide = np.zeros((2, len(select), 9), np.int32)
    texts.rows(select, wide[0])
    joined.rows(select, wide[1])
    assert wide[0].tolist() == wide[1].tolist() == [[*rows[k], *[0] * (9 - len(rows[k]))] for k in select]


def test_words_left_out_and_spaces_put_in_change_the_ids_and_not_the_positions():
    attempt = attempt_at("a good film")
    a, good, film = attempt.ids.tolist()
    gone = attempt.without([0, 2])
    assert gone.ids.tolist() == [[good, film], [a, good]]
    attempt.change({0: "", 2: "fi lm"}, attempt.probabilities)
    assert attempt.edits == [Edit(0, "a", ""), Edit(2, "film", "fi lm")]
    fi, lm = attempt.intern(["fi", "lm"]).tolist()
    assert attempt.ids.tolist() == [good, fi, lm]
    assert attempt.without([1]).ids.tolist() == [[fi, lm]]
    more = attempt.at(1, ["great", "gre at"])
    great, gre, at = attempt.intern(["great", "gre", "at"]).tolist()
    assert attempt.at(1, ["great"]).ids.tolist() == [[great, fi, lm]]
    assert (more.ids.tolist(), more.lengths.tolist()) == ([[great, fi, lm, 0], [gre, at, fi, lm]], [3, 4])


# --- the space of a surface ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [0, 1, 2, 3, 9])
def test_a_space_knows_its_size_and_all_its_members(cap: int):
    space = Space(attempt_at("great film was charming", cap))  # 3, 2, 0 and 2 substitutes
    members = [tuple(member.tolist()) for member in space.all()]
    wanted = [
        choice
        for choice in itertools.product(range(4), range(3), range(1), range(3))
        if 0 < sum(map(bool, choice)) <= cap
    ]
    assert sorted(members) == sorted(wanted)
    assert [sum(map(bool, m)) for m in members] == sorted(sum(map(bool, m)) for m in members)
    assert space.size() == 1 + len(members)


def test_exhaustive_search_finds_what_cannot_be_climbed_to():
    surface = {f"w{i}": (f"x{i}", f"k{i}") for i in range(3)}.get
    text, options = "w0 w1 w2", {"surface": lambda word: surface(word, ()), "budget": 1.0}
    for name in ("greedy", "greedy-unk"):
        assert one(name, text, 0, Parity(), **options).status == "failed"
    found = one("exhaustive", text, 0, Parity(), **options)
    assert (found.status, found.adversarial) == ("success", "k0 k1 k2")
    # "surface" asks all of so small a space: the answer is exact.
    assert one("surface", text, 0, Parity(), **options).status == "success"
    capped = one("exhaustive", text, 0, Parity(), surface=options["surface"], budget=0.5)
    assert (capped.status, capped.queries) == ("failed", 1 + 3 * 2 + 3 * 4)
    short = one("exhaustive", text, 0, Parity(), queries_per_word=3, **options)
    assert (short.status, short.queries) == ("budget", 9)


@pytest.mark.parametrize("seed", range(8))
def test_no_search_beats_the_exhaustive_one_and_surface_equals_it(seed: int):
    victim, rng = RandomVictim(seed), random.Random(seed)
    words = ["great", "film", "dull", "excellent", "story", "weak", "the"]
    texts = [" ".join(rng.choices(words, k=rng.randint(2, 5))) for _ in range(12)]
    labels = score_texts(victim, texts).argmax(axis=1).tolist()
    examples = [Example(row=row, text=text, label=labels[row]) for row, text in enumerate(texts)]

    def broken(name: str) -> set[int]:
        recipe = dataclasses.replace(find(name), queries_per_word=10**6)
        found = attack(victim, examples, recipe, surface=tiny.synonyms, budget=0.6)
        return {result.id for result in found if result.status == "success"}

    exact = broken("exhaustive")
    assert broken("surface") == exact
    for name in ("greedy", "beam", "genetic", "random", "hotflip", "greedy-unk", "greedy-weighted", "greedy-gradient"):
        assert broken(name) <= exact


# --- beam ---------------------------------------------------------------------------------------------------------------


def test_a_beam_goes_on_where_greedy_is_caught():
    # p(a) by hand: the best first step, A, leads nowhere; the second best, B, leads on to A2 B.
    answers = {"a b": 0.9, "A b": 0.6, "A2 b": 0.8, "a B": 0.7, "A B": 0.65, "A2 B": 0.2}

    victim = TextVictim(["x", "y"], lambda texts: [[answers[t], 1 - answers[t]] for t in texts])
    table = {"a": ("A", "A2"), "b": ("B",)}
    options = {"surface": lambda word: table.get(word, ()), "budget": 1.0}
    caught, found = (one(name, "a b", 0, victim, **options) for name in ("greedy", "beam"))
    assert (caught.status, caught.adversarial) == ("failed", "A b")
    assert (found.status, found.adversarial) == ("success", "A2 B")
    assert found.trajectory == [0.9, 0.7, 0.2]
    assert [edit.position for edit in found.edits] == [1, 0]


def test_a_beam_holds_each_text_once():
    # "A B" is reached from "A" and from "B"; only where it is held once is there room for "A C", which leads on.
    worth = {"A b c d": 0.7, "a B c d": 0.72, "A B c d": 0.5, "A b C d": 0.55, "A b C D": 0.2}
    victim = TextVictim(["x", "y"], lambda texts: [[p, 1 - p] for p in (worth.get(text, 0.8) for text in texts)])
    options = {"surface": lambda word: (word.upper(),), "budget": 0.75}
    narrow = dataclasses.replace(find("beam"), search=lambda attempt: beam(attempt, width=2))
    (result,) = attack(victim, [Example(row=0, text="a b c d", label=0)], narrow, **options)
    assert (result.status, result.adversarial) == ("success", "A b C D")


def test_a_beam_that_fails_ends_at_the_nearest_text_of_all_rounds():
    answers = {"a b": 0.9, "A b": 0.6, "a B": 0.8, "A B": 0.85}

    victim = TextVictim(["x", "y"], lambda texts: [[answers[t], 1 - answers[t]] for t in texts])
    table = {"a": ("A",), "b": ("B",)}
    result = one("beam", "a b", 0, victim, surface=lambda word: table.get(word, ()), budget=1.0)
    assert (result.status, result.adversarial, result.trajectory) == ("failed", "A b", [0.9, 0.6])


# --- genetic ------------------------------------------------------------------------------------------------------------


def test_parents_are_drawn_by_softmax_of_their_scores():
    weights = fitness_weights(np.array([0.0, 0.3, 0.6]), 0.3)
    assert weights == pytest.approx((np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum()).tolist())


def test_a_child_has_each_word_from_a_parent_and_keeps_the_cap():
    rng = random.Random(1)
    first, second = np.array([1, 1, 0, 0, 2, 0]), np.array([0, 0, 3, 3, 2, 0])
    children = [crossed(first, second, 6, rng) for _ in range(60)]
    for child in children:
        assert all(c in (a, b) for c, a, b in zip(child, first, second, strict=True))
    assert {tuple(child) for child in children} > {(1, 1, 3, 3, 2, 0)}
    assert all(np.count_nonzero(crossed(first, second, 2, rng)) <= 2 for _ in range(60))


def test_a_mutation_takes_the_best_substitute_of_a_word():
    # One word may change: each mutation takes its best substitute, superb (0 for 3).
    result = one(
        "genetic", "excellent fine", 1, surface=lambda w: tiny.SYNONYMS["excellent"] if w == "excellent" else ()
    )
    assert result.edits == [Edit(0, "excellent", "superb")]
    assert (result.status, result.queries) == ("failed", 4)  # the text and the three substitutes; the rest are hits


# --- white box ------------------------------------------------------------------------------------------------------------


class Counted(tiny.TinyVictim):
    gradients_asked = 0

    def gradients(self, ids, lengths, labels, candidates, /):
        self.gradients_asked += len(ids)
        return super().gradients(ids, lengths, labels, candidates)


def test_hotflip_asks_only_about_what_the_gradient_ranks_highest():
    # On a linear model the first-order gain is exact in its order: the first flip asked about is the best one.
    recipe = find("hotflip")
    victim = Counted()

    narrow = dataclasses.replace(recipe, search=lambda attempt: flips(attempt, width=1, top=1))
    example = Example(row=0, text="excellent film wonderful weak story", label=1)
    (result,) = attack(victim, [example], narrow, surface=tiny.synonyms, budget=1.0)
    assert result.edits == [Edit(0, "excellent", "superb"), Edit(2, "wonderful", "marvellous")]
    # the text, then a gradient and one flip a step: each costs a query
    assert (result.status, result.queries, victim.gradients_asked) == ("success", 1 + 2 * 2, 2)


def test_a_targeted_flip_goes_down_the_targets_loss():

    recipe = dataclasses.replace(find("hotflip"), search=lambda attempt: flips(attempt, width=1, top=1))
    example = Example(row=0, text="excellent film wonderful weak story", label=1)
    (result,) = attack(tiny.TinyVictim(), [example], recipe, surface=tiny.synonyms, budget=1.0, goal=Targeted(0))
    assert [edit.target for edit in result.edits] == ["superb", "marvellous"]


def test_restarts_begin_elsewhere_and_help():
    surface = {f"w{i}": (f"x{i}", f"k{i}") for i in range(2)}.get

    class Slippery(Parity):
        def gradients(self, ids, lengths, labels, candidates, /):
            return np.zeros(ids.shape), np.where(candidates > 0, 0.0, -np.inf)

    def status(restarts: int) -> str:
        recipe = dataclasses.replace(
            find("hotflip"), search=lambda attempt: flips(attempt, width=1, top=9, restarts=restarts)
        )
        examples = [Example(row=0, text="w0 w1", label=0)]
        (result,) = attack(Slippery(), examples, recipe, surface=lambda w: surface(w, ()), budget=1.0, seed=1)
        return result.status

    assert status(0) == "failed"
    assert status(12) == "success"


def test_flips_end_where_none_of_them_helps():
    class Flat(Parity):
        def gradients(self, ids, lengths, labels, candidates, /):
            return np.zeros(ids.shape), np.where(candidates > 0, 0.0, -np.inf)

    recipe = dataclasses.replace(find("hotflip"), search=lambda attempt: flips(attempt, width=1, top=1))
    example = Example(row=0, text="w0 w1 w2", label=0)
    (result,) = attack(Flat(), [example], recipe, surface=lambda word: (word.upper(),), budget=1.0)
    assert (result.status, result.queries, result.edits) == ("failed", 1 + 1 + 1, [])


# --- worst of -------------------------------------------------------------------------------------------------------------


def test_surface_runs_exact_search_on_small_spaces_and_all_members_on_large_ones(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def spy(name, search):
        def ran(attempt):
            asked.append(name)
            yield from search(attempt)

        return ran

    for name in ("beam", "genetic", "exhaustive", "white_box_greedy"):
        monkeypatch.setattr(surface_recipe, name, spy(name, getattr(surface_recipe, name)))
    robust = "excellent excellent wonderful film"  # one edit of four words changes nothing
    assert one("surface", robust, 1, budget=0.25).status == "failed"
    assert asked == ["white_box_greedy", "exhaustive"]
    monkeypatch.setattr(surface_recipe, "EXACT", 3)
    asked.clear()
    result = one("surface", robust, 1, budget=0.25)
    assert asked == ["white_box_greedy", "beam", "genetic"]
    # Where all fail, the nearest text is shown.
    assert (result.status, len(result.edits), result.edits[0].target) == ("failed", 1, "superb")


def test_surface_pays_once_for_what_several_members_ask():
    result = one("surface", "excellent excellent wonderful film", 1, budget=0.25)
    space = 1 + 3 + 3 + 3 + 2
    gradients = result.queries - space
    assert 0 < gradients <= 5 and result.cache_hits > 0


# --- a trained model --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoint")
    return trained(folder, config(train__epochs=3.0, train__lr=0.02), data())


def test_a_models_gains_are_the_slope_of_its_loss(predictor: Predictor):
    assert isinstance(predictor, WhiteBox)
    texts = ["the film was great and good", "a nasty plot"]
    ids, lengths = pad([predictor.intern(predictor.words(text)) for text in texts])
    labels = np.array([1, 0])
    candidates = np.zeros((*ids.shape, 3), np.int32)
    candidates[0, 3, :2] = predictor.intern(["fine", "awful"])
    candidates[1, 1, 0] = predictor.intern(["lovely"])[0]
    norms, gains = predictor.gradients(ids, lengths, labels, candidates)
    assert norms.shape == ids.shape and gains.shape == candidates.shape
    assert (norms[ids > 0] > 0).all()
    assert np.isinf(gains[candidates == 0]).all() and np.isfinite(gains[candidates > 0]).all()

    # A small step from a word's vector toward another's changes the loss by that share of the gain.
    embedding, model = predictor.model.embedding, predictor.model
    step = 1e-2
    with torch.no_grad():
        vectors = embedding(torch.from_numpy(ids.astype(np.int64)))
        for row, position, s in ((0, 3, 0), (0, 3, 1), (1, 1, 0)):
            other = embedding(torch.tensor([int(candidates[row, position, s])]))[0]
            moved = vectors.clone()
            moved[row, position] += step * (other - vectors[row, position])
            both = torch.stack([vectors[row], moved[row]])
            logits = model.classify(both, torch.tensor([int(lengths[row])] * 2))
            loss = -torch.log_softmax(logits.double(), -1)[:, labels[row]]
            assert float(loss[1] - loss[0]) / step == pytest.approx(float(gains[row, position, s]), rel=0.05, abs=2e-4)


def test_a_gradient_does_not_depend_on_its_batch(predictor: Predictor):
    texts = ["the film was great and good", "a nasty plot"]
    pieces = [predictor.intern(predictor.words(text)) for text in texts]
    ids, lengths = pad(pieces)
    candidates = np.repeat(ids[:, :, None], 2, axis=2)
    norms, gains = predictor.gradients(ids, lengths, np.array([1, 0]), candidates)
    n = len(pieces[1])
    alone = predictor.gradients(pieces[1][None], lengths[1:], np.array([0]), candidates[1:, :n])
    np.testing.assert_allclose(alone[0][0], norms[1, :n], atol=1e-6)
    assert np.abs(gains[candidates > 0]).max() < 1e-6  # a word in its own place gains nothing
    empty = predictor.gradients(ids, lengths, np.array([1, 0]), candidates[:, :, :0])
    np.testing.assert_allclose(empty[0], norms, atol=1e-6)


@pytest.mark.parametrize("name", ["surface", "hotflip", "greedy-gradient", "genetic", "input-reduction", "checklist"])
def test_recipes_run_on_a_trained_model(predictor: Predictor, name: str):
    examples = [Example(row=i, text=t, label=int(predictor.predict([t])[0].argmax())) for i, t in enumerate(
        ["the film was great and good", "a nasty plot", "quite awful story with bad actors"]
    )]  # fmt: skip
    results = list(attack(predictor, examples, find(name), surface=predictor.surface.substitutes, budget=1.0))
    assert sorted(result.id for result in results) == [0, 1, 2]
    for result in results:
        assert result.adversarial_probabilities == pytest.approx(
            predictor.predict([result.adversarial])[0].tolist(), abs=1e-4
        )
