"""Attacks on Chinese texts: edits that make sense there, recipes that say where they do not apply."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from aat_datasets.chinese import has_han
from aat_datasets.chinese.characters import KEPT, homophones, lookalikes
from aat_datasets.errors import InputError
from aat_datasets.records import Example
from aat_datasets.typos import character_variants
from aat_models.attacks import RECIPES, TextVictim, attack, check_language, find
from aat_models.attacks.constraints import SamePart, content_words
from aat_models.attacks.recipes import sources
from aat_models.attacks.transforms import delete, insert, lookalike, misspellings, substitute, swap
from aat_models.spelling import spacing

TEXT = "酒店的服务员非常热情,房间干净"
WORDS = ["酒店", "的", "服务员", "非常", "热情", ",", "房间", "干净"]


def counting(texts: list[str]) -> np.ndarray:
    """Positive where 热情 and 干净 are spelt out in a text without blanks."""
    assert not any(" " in text for text in texts), texts
    good = np.array([("热情" in text) + ("干净" in text) for text in texts])
    return np.stack([[0.9, 0.4, 0.1], [0.1, 0.6, 0.9]], 1)[good]


@pytest.fixture
def victim() -> TextVictim:
    return TextVictim(["negative", "positive"], counting)


def test_a_function_of_texts_sees_running_text_and_is_attacked_word_by_word(victim: TextVictim) -> None:
    pytest.importorskip("jieba")
    assert victim.words(TEXT) == WORDS
    [result] = attack(victim, [Example(row=0, text=TEXT, label=1)], find("greedy"), surface=character_variants)
    assert result.status == "success" and {edit.source for edit in result.edits} == {"热情", "干净"}
    assert result.text == " ".join(WORDS), "position i of an edit is the i-th word"


@pytest.mark.parametrize("seed", range(20))
def test_character_edits_are_chinese(seed: int) -> None:
    rng = random.Random(seed)
    for word in ("酒店", "服务员", "不错", "好"):
        made = {kind: kind(word, rng) for kind in (swap, substitute, insert, delete, lookalike)}
        for other in made.values():
            assert other is None or (has_han(other) and not any(c.isascii() for c in other)), (word, other)
            assert other is None or [c for c in other if c in KEPT and c in word] == [c for c in word if c in KEPT]
    word, other = "服务员", substitute("服务员", rng)
    [(old, new)] = [(a, b) for a, b in zip(word, other or "", strict=True) if a != b]
    assert new in homophones(old)
    [(old, new)] = [(a, b) for a, b in zip(word, lookalike(word, rng) or "", strict=True) if a != b]
    assert new in lookalikes(old)


def test_nothing_turns_a_text_into_its_opposite() -> None:
    assert delete("不错", random.Random(0)) == "不" and swap("不错", random.Random(0)) is None
    assert not {"错", "错不"} & set(misspellings("不错", random.Random(0)))


def test_pruthi_finds_slips_in_words_of_two_characters(victim: TextVictim) -> None:
    pytest.importorskip("jieba")
    [result] = attack(victim, [Example(row=0, text="房间很干净", label=1)], find("pruthi"))
    assert result.status == "success" and [edit.source for edit in result.edits] == ["干净"]
    [result] = attack(victim, [Example(row=0, text=TEXT, label=1)], find("pruthi-2"))
    assert result.status == "success" and len(result.edits) <= 2
    assert {"情热", "热热情", "惹情"} & set(misspellings("热情", random.Random(0)))


@pytest.mark.parametrize("name", ["deepwordbug", "pruthi", "pruthi-2"])
def test_character_recipes_apply(name: str, victim: TextVictim) -> None:
    assert check_language(RECIPES[name], [WORDS]) == []


def test_recipes_with_english_synonyms_say_so(victim: TextVictim, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("textfooler-cf", "a2t-cf", "textbugger-cf"):
        recipe = find(name)
        words = lambda word: ("movie",) if word == "film" else ()  # noqa: E731
        monkeypatch.setitem(recipe.__dict__, "words", lambda words=words: words)
        assert check_language(recipe, [["a", "film", "of", "好"]]) == [], "an English text that quotes a character"
        if recipe.spells:
            assert check_language(recipe, [WORDS]) == [
                "textbugger-cf: its synonyms are English; Chinese words have its character edits alone"
            ]
        else:
            with pytest.raises(InputError, match=f"{name} does not apply to Chinese"):
                check_language(recipe, [WORDS])


def test_pwws_takes_the_chinese_wordnet(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    if not Path(os.environ.get("AAT_MIRROR") or "-").is_dir():
        pytest.skip("AAT_MIRROR names no folder of raw files")
    words = sources.wordnet()
    assert "宾馆" in words("酒店") and "movie" in words("film")
    assert check_language(find("pwws"), [WORDS]) == ["pwws: parts of speech are not checked in Chinese"]


def test_parts_of_speech_are_not_asked_of_an_english_tagger() -> None:
    class Refusing:
        def tags(self, words: object) -> list[str]:
            raise AssertionError("asked")

    mask = SamePart(Refusing()).allows(WORDS, WORDS, 0, ["宾馆", "旅馆"])  # pyright: ignore[reportArgumentType]
    assert mask.tolist() == [True, True]


def test_function_words_stay() -> None:
    assert content_words(WORDS).tolist() == [True, False, True, True, True, False, True, True]


def test_written_chinese_has_no_spaces() -> None:
    said = ["请", "稍", "等", "，", "我们", "查", "一下", "iPhone", "15", "。"]
    text = "".join(spacing(word, before) + word for word, before in zip(said, ["", *said], strict=False))
    assert text == "请稍等，我们查一下iPhone 15。"
