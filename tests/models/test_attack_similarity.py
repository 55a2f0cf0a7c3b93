"""Meaning as a sentence encoder sees it: what is compared, what is left out, what is recorded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from aat_datasets.errors import InputError, VictimError
from aat_datasets.records import Example
from aat_models.attacks import Checks, SentenceEncoder, attack, find, tiny
from aat_models.attacks.constraints import SentenceSimilarity
from aat_models.attacks.recipes.textfooler import LEAST_COSINE
from aat_models.events import AttackResult, Edit

ALPHABET = [chr(ord("a") + k) for k in range(20)]
NEAR = {"good": "great", "fine": "great", "decent": "great"}  # one direction; every other word has its own


def bag_of_words(texts: Sequence[str]) -> np.ndarray:
    """Counts of words, with the words of ``NEAR`` half the way to the one they are near."""
    words = sorted({word for text in texts for word in text.split()} | set(NEAR.values()))
    rows = np.zeros((len(texts), len(words)))
    for row, text in enumerate(texts):
        for word in text.split():
            rows[row, words.index(word)] += 0.5 if word in NEAR else 1
            if word in NEAR:
                rows[row, words.index(NEAR[word])] += 0.5
    return rows


def one(text: str, table: dict[str, tuple[str, ...]], least: float | None = None, **options: Any) -> AttackResult:
    recipe = dataclasses.replace(find("textfooler"), words=lambda: lambda word: table.get(word, ()), wants=())
    checks = Checks(SentenceEncoder(options.pop("encode", bag_of_words), least))
    (result,) = attack(tiny.TinyVictim(), [Example(row=0, text=text, label=1)], recipe, checks=checks, **options)
    return result


def test_the_window_lies_around_the_edit_and_within_the_text():
    asked: list[list[str]] = []

    def encode(texts: list[str]) -> np.ndarray:
        asked.append(texts)
        return bag_of_words(texts)

    similar = SentenceSimilarity(SentenceEncoder(encode), 0.9, window=5)
    # 4 of 5 different words are the same: cosine 4/5.
    assert similar.cosines(ALPHABET, 10, ["x", "k"]) == pytest.approx([0.8, 1.0])
    assert asked[-1] == ["i j k l m", "i j x l m", "i j k l m"]
    similar.cosines(ALPHABET, 0, ["x"])
    assert asked[-1] == ["a b c d e", "x b c d e"]
    similar.cosines(ALPHABET, 19, ["two words"])
    assert asked[-1] == ["p q r s t", "p q r s two words"]
    assert SentenceSimilarity(SentenceEncoder(encode), 0.9, window=0).cosines(ALPHABET, 3, ["x"]) == pytest.approx(
        [0.95]
    )
    assert similar.allows(ALPHABET, ALPHABET, 10, ["x", "k"]).tolist() == [False, True]


def test_texts_shorter_than_the_window_are_checked_only_where_that_is_asked():
    encoder = SentenceEncoder(bag_of_words)
    assert SentenceSimilarity(encoder, 0.9).cosines(ALPHABET[:14], 3, ["x"]).tolist() == [1.0]
    assert SentenceSimilarity(encoder, 0.9).cosines(ALPHABET[:15], 3, ["x"]) == pytest.approx([14 / 15])
    assert SentenceSimilarity(encoder, 0.9, short=True).cosines(ALPHABET[:4], 3, ["x"]) == pytest.approx([0.75])


def test_the_nearest_in_meaning_go_first_and_those_too_far_not_at_all():
    similar = SentenceSimilarity(SentenceEncoder(bag_of_words), 0.7, short=True)
    assert similar.nearest(["a", "great", "film"], 1, ["poor", "good", "great"]) == ["great", "good"]
    assert similar.nearest(["a", "great", "film"], 1, []) == []


def test_a_zero_vector_is_near_nothing():
    encoder = SentenceEncoder(lambda texts: [[float("film" in text), 0.0] for text in texts])
    assert encoder.cosines("a film", ["film", "none"]).tolist() == [1.0, 0.0]
    assert encoder.cosines("none", ["film"]).tolist() == [0.0]


def test_textfooler_takes_the_nearest_of_those_that_succeed():
    # Both turn the answer; "decent" is nearer to what stood there, though the table has it last.
    table = {"great": ("dreadful", "bad", "decent")}
    text = "great weak"
    far = one(text, table, least=0.0)
    assert far.edits == [Edit(0, "great", "decent")]
    assert far.status == "success"
    # (½, ½ | 1) · (1 | 1) / (√1.5 √2): what the encoder makes of "decent weak" and "great weak".
    assert far.similarity == pytest.approx(1.5 / math.sqrt(3), abs=1e-4)


def test_textfooler_keeps_to_the_cosine_that_is_asked_for():
    table = {"great": ("dreadful", "bad")}
    assert one("great film weak", table, least=0.6).status == "success"
    stubborn = one("great film weak", table, least=0.7)  # 2 of 3 words are the same: 0.667
    assert (stubborn.status, stubborn.edits, stubborn.similarity) == ("failed", [], 1.0)
    # Without a number short texts are not checked, as in the paper's program.
    assert one("great film weak", table).status == "success"
    long = " ".join(["great", "weak", *ALPHABET[:16]])
    assert one(long, table).status == "success"  # 14 of 15 words: 0.933
    assert LEAST_COSINE == 0.8776
    twice = " ".join(["great"] * 3 + ["weak"] * 2 + ALPHABET[:10])
    # Three of the fifteen are "great": one of them gone leaves (2·3 + 2·2 + 10) / (√23 √(19)).
    assert 20 / math.sqrt(23 * 19) > LEAST_COSINE
    assert one(twice, table).edits


def test_meaning_is_checked_before_the_victim_is_asked():
    free, bound = one("great film weak", {"great": ("bad",)}), one("great film weak", {"great": ("bad",)}, least=0.99)
    assert bound.queries == free.queries - 1


@pytest.mark.parametrize("recipe", ["greedy", "deepwordbug", "surface"])
def test_any_recipe_records_similarity_where_there_is_an_encoder(recipe: str):
    examples = tiny.examples(limit=20)
    checks = Checks(SentenceEncoder(bag_of_words))
    found = list(attack(tiny.TinyVictim(), examples, find(recipe), surface=tiny.synonyms, checks=checks))
    plain = list(attack(tiny.TinyVictim(), examples, find(recipe), surface=tiny.synonyms))
    assert [(r.id, r.adversarial) for r in found] == [(r.id, r.adversarial) for r in plain]
    for result in found:
        if result.status == "skipped":
            assert result.similarity is None
        else:
            assert result.similarity is not None and (result.similarity < 1) == bool(result.edits)
    assert all(result.similarity is None for result in plain)


def test_what_does_not_fit_is_refused_by_name():
    with pytest.raises(InputError, match="textfooler needs a sentence encoder") as caught:
        attack(tiny.TinyVictim(), [], find("textfooler"))
    assert "aat-workbench[similarity]" in caught.value.hint and "textfooler-cf" in caught.value.hint
    with pytest.raises(InputError, match="greedy has no check of similarity"):
        attack(
            tiny.TinyVictim(),
            [],
            find("greedy"),
            surface=tiny.synonyms,
            checks=Checks(SentenceEncoder(bag_of_words, 0.5)),
        )
    with pytest.raises(InputError, match="from -1 to 1"):
        one("great", {}, least=2.0)


@pytest.mark.parametrize("answer", [[[1.0]], [1.0, 2.0], [[math.nan], [1.0]], "text", None, [[1.0], [1.0, 2.0]]])
def test_an_encoder_that_answers_something_else_is_told(answer: Any):
    with pytest.raises(VictimError, match="sentence encoder answered 2 texts"):
        SentenceEncoder(lambda texts: answer).cosines("a", ["b"])
