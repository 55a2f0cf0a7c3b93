"""A decoder's judgement of substitutes, against its own answers to whole texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import config, lexicon, trained

from aat_datasets.batching import EncodedSplit
from aat_datasets.errors import InputError
from aat_datasets.records import Example
from aat_datasets.vocab import BOS, EOS, UNK, WordTable
from aat_models.attacks import Checks, attack, find
from aat_models.attacks.constraints import Fluency
from aat_models.data import TrainingData
from aat_models.events import Edit
from aat_models.fluency import DecoderFluency
from aat_models.predictor import Predictor

NOUNS, VERBS = ["film", "plot", "story", "cast"], ["was", "seemed", "looked"]
PLAIN = ("the", "film", "was", "good", "and", "the", "plot", "too")
GOOD, BAD = ["good", "fine", "great"], ["bad", "poor", "awful"]


def sentences(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Sentences of one pattern, so that what may stand where is known."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=count).tolist()
    texts = [
        f"the {rng.choice(NOUNS)} {rng.choice(VERBS)} {rng.choice(GOOD if label else BAD)} and the {rng.choice(NOUNS)} too"
        for label in labels
    ]
    return texts, labels


def writer(folder: Path, decoder: bool = True) -> Predictor:
    """A model whose decoder writes the text again."""
    parts = {"train": sentences(300, 1), "dev": sentences(40, 2), "test": sentences(40, 3)}
    table = WordTable.train(parts["train"][0])
    output = WordTable.train(parts["train"][0]) if decoder else None
    splits = {}
    for name, (texts, labels) in parts.items():
        arrays = [*table.encode(texts, 64), np.array(labels, np.int32), np.arange(len(labels))]
        splits[name] = EncodedSplit(*arrays, *(output.encode(texts, 64) if output is not None else ()))
    settings = {"train__stages": "encoder,decoder", "model__decoder": "lstm"} if decoder else {}
    settings |= {"train__epochs": 6.0, "train__lr": 0.02, "model__decoder_hidden": 24, "model__decoder_embedding": 12}
    return trained(folder, config(**settings), TrainingData(splits, ["bad", "good"], table, output, lexicon()))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return writer(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def fluency(predictor: Predictor) -> DecoderFluency:
    return DecoderFluency(predictor)


@torch.no_grad()
def likelihood(predictor: Predictor, words: Sequence[str], given: Sequence[str]) -> float:
    """log p(words) under the decoder, given the vector of another text: by one pass over the whole text."""
    decoder, output = predictor.model.decoder, predictor.output
    assert decoder is not None and output is not None
    numbers = [number if number < output.size else UNK for number in output.intern(words).tolist()]
    vector = torch.from_numpy(predictor.vector(" ".join(given)))[None]
    logits, _ = decoder(vector, torch.tensor([[BOS, *numbers]]))
    chosen = torch.log_softmax(logits[0].double(), -1)[torch.arange(len(numbers) + 1), torch.tensor([*numbers, EOS])]
    return float(chosen.sum())


def test_the_fall_is_that_of_the_whole_text_where_its_end_is_near(predictor: Predictor, fluency: DecoderFluency):
    words = list(PLAIN)
    for position, others in ((1, ["plot", "was", "and"]), (3, ["bad", "film"]), (7, ["the"])):
        falls = fluency.falls(words, position, others)
        for other, fall in zip(others, falls, strict=True):
            edited = [*words[:position], other, *words[position + 1 :]]
            whole = likelihood(predictor, words, words) - likelihood(predictor, edited, words)
            if position >= len(words) - 6:
                assert fall == pytest.approx(whole, abs=2e-4)
            else:
                assert abs(fall - whole) < abs(whole) / 2  # the words beyond the sixth are not asked about


def test_what_stands_in_such_places_is_likelier_than_what_never_does(fluency: DecoderFluency):
    words = list(PLAIN)
    plot, seemed, good, unseen = fluency.falls(words, 1, ["plot", "seemed", "good", "zebra"])
    assert plot < 3 < min(seemed, good)
    assert unseen == math.inf
    assert fluency.falls(words, 1, ["film"]).tolist() == [0.0]
    constraint = Fluency(fluency.falls, 3.0)
    allowed = constraint.allows(words, words, 1, ["plot", "seemed", "good", "zebra"])
    assert allowed.tolist() == [True, False, False, False]


def test_the_meaning_of_the_text_counts_too(fluency: DecoderFluency):
    """The decoder is given the text's vector: the other class's words fall further than those of its own."""
    texts = [text.split() for text, label in zip(*sentences(60, 5), strict=True) if label]
    falls = np.mean([fluency.falls(words, 3, [*GOOD, *BAD]) for words in texts], axis=0)
    assert falls[: len(GOOD)].mean() + 1 < falls[len(GOOD) :].mean()


def test_answers_do_not_depend_on_what_was_asked_before(predictor: Predictor):
    one, other = DecoderFluency(predictor), DecoderFluency(predictor)
    words = list(PLAIN)
    other.falls(["the", "cast", "seemed", "poor", "and", "the", "film", "too"], 3, BAD)
    other.falls(words, 3, GOOD)
    assert one.falls(words, 1, NOUNS).tolist() == other.falls(words, 1, NOUNS).tolist()


def test_case_and_unknown_words(fluency: DecoderFluency):
    words = ["The", "Zebra", "was", "good", "and", "the", "plot", "too"]
    falls = fluency.falls(words, 1, ["Film", "film", "zebra"])
    assert falls[0] == falls[1] < 0  # likelier than a word the decoder does not know
    assert falls[2] == math.inf
    assert fluency.unknown_share([words]) == pytest.approx(1 / 8)


def test_perplexity_tells_texts_it_knows_from_others(predictor: Predictor, fluency: DecoderFluency):
    known = [text.split() for text in sentences(20, 9)[0]]
    expected = [-likelihood(predictor, words, words) for words in known]
    assert fluency.perplexity(known) == pytest.approx(math.exp(sum(expected) / (9 * len(known))), rel=1e-4)
    assert fluency.perplexity(known) < 6
    assert fluency.perplexity([words[::-1] for words in known]) > fluency.surprising
    assert math.isnan(fluency.perplexity([]))


def test_an_attack_leaves_out_what_the_decoder_finds_unlikely(predictor: Predictor, fluency: DecoderFluency):
    # Every noun and class word may become any other of them: much of it is no English.
    surface = {word: [w for w in [*NOUNS, *BAD, *GOOD] if w != word] for word in [*NOUNS, *GOOD, *BAD]}
    texts, labels = sentences(40, 7)
    examples = [
        Example(row=i, text=text, label=label) for i, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]

    def run(recipe: str, *constraints: Fluency) -> dict[int, tuple[list[str], list[Edit]]]:
        found = attack(
            predictor, examples, find(recipe), surface=lambda word: surface.get(word, ()), budget=0.5,
            queries_per_word=100, checks=Checks(constraints=constraints),
        )  # fmt: skip
        return {result.id: (result.text.split(), result.edits) for result in found}

    def worst(found: dict[int, tuple[list[str], list[Edit]]]) -> float:
        """The largest fall of any edit, each by itself in the original text."""
        falls = [fluency.falls(words, e.position, [e.target])[0] for words, edits in found.values() for e in edits]
        return max(falls)

    for recipe in ("greedy", "beam", "surface"):  # one by the text as it is, two in the space of all texts
        assert worst(run(recipe)) > 4
        assert 0 < worst(run(recipe, Fluency(fluency.falls, 4.0))) <= 4
        assert worst(run(recipe, Fluency(fluency.falls, 0.1))) <= 0.1
    assert run("greedy", Fluency(fluency.falls, math.inf)) == run("greedy")


def test_what_has_no_decoder_or_no_substitutes_is_refused(
    fluency: DecoderFluency, tmp_path: Path, predictor: Predictor
):
    with pytest.raises(InputError, match="no decoder to judge fluency with"):
        DecoderFluency(writer(tmp_path, decoder=False))
    checks = Checks(constraints=(Fluency(fluency.falls),))
    for name in ("deepwordbug", "input-reduction"):
        with pytest.raises(InputError, match=f"{name} makes edits of its own"):
            attack(predictor, [], find(name), checks=checks)
