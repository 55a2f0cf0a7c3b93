"""Tokens of a language model: texts come back as they were, also a token at a time, and users cannot write special ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aat_datasets.errors import CheckpointError, DataError
from aat_datasets.subwords import ASSISTANT, BOS, EOS, UNK, USER, Spelling, TextTokenizer

TEXTS = ["the cat sat on the mat\n\nthe dog sat, too: naïve 猫 🐈‍⬛", "[BOS] is no token here\r\n"] * 3
CHARACTERS = TextTokenizer.train("characters", TEXTS)
PIECES = TextTokenizer.train("bpe", TEXTS, 400, dialogue=True)


@pytest.mark.parametrize("tokenizer", [CHARACTERS, PIECES], ids=["characters", "bpe"])
def test_texts_come_back_as_they_were(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    tokenizer.save(tmp_path / "tokenizer.json")
    again = TextTokenizer.load(tmp_path / "tokenizer.json")
    assert (again.size, again.dialogue) == (tokenizer.size, tokenizer.dialogue)
    assert again.encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])


def test_a_character_is_a_token_and_an_unknown_one_is_told() -> None:
    assert len(CHARACTERS.encode(TEXTS[0])) == len(TEXTS[0])
    assert CHARACTERS.encode("a€t") == [CHARACTERS.number("a"), CHARACTERS.number(UNK), CHARACTERS.number("t")]
    assert CHARACTERS.size == 4 + len(set("".join(TEXTS)))


def test_pieces_are_as_many_as_asked_for_and_shorter_than_characters() -> None:
    assert PIECES.size <= 400
    assert len(PIECES.encode("the cat sat")) < len("the cat sat")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_every_text_can_be_written_in_pieces_and_is_spelt_a_token_at_a_time(text: str) -> None:
    ids = PIECES.encode(text)
    assert PIECES.decode(ids) == text
    spelling = Spelling(PIECES)
    told = [spelling.add(number) for number in ids]
    assert "".join(told) + spelling.rest() == text
    assert not any(part.endswith("\ufffd") for part in told) or "\ufffd" in text


def test_a_character_of_several_tokens_comes_when_it_is_whole() -> None:
    tokenizer = TextTokenizer.train("bpe", ["abc"], 300)
    ids = tokenizer.encode("a猫b")
    assert len(ids) == 5
    spelling = Spelling(tokenizer)
    assert [spelling.add(number) for number in ids] == ["a", "", "", "猫", "b"]
    half = Spelling(tokenizer)
    assert [half.add(number) for number in ids[:2]] == ["a", ""] and half.rest() == "\ufffd"


def test_special_tokens_are_no_text_and_text_is_no_special_token() -> None:
    special = {PIECES.number(token) for token in (BOS, EOS, USER, ASSISTANT)}
    assert special <= PIECES.special and PIECES.dialogue and not CHARACTERS.dialogue
    assert not special & set(PIECES.encode("[BOS][USER] hello [EOS]"))
    assert PIECES.decode([2, *PIECES.encode("cat"), 3]) == "cat"


def test_turns_alternate_and_the_model_is_next() -> None:
    opens = {USER: PIECES.number(USER), ASSISTANT: PIECES.number(ASSISTANT)}
    cat, dog = PIECES.encode("the cat"), PIECES.encode("the dog")
    assert PIECES.turns(["the cat"]) == [PIECES.number(BOS), opens[USER], *cat, opens[ASSISTANT]]
    assert PIECES.turns(["the dog", "the cat", "the dog"]) == [
        PIECES.number(BOS), opens[USER], *dog, opens[ASSISTANT], *cat, opens[USER], *dog, opens[ASSISTANT],
    ]  # fmt: skip


def test_what_is_no_tokenizer_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="not a tokenizer"):
        TextTokenizer.load(tmp_path / "tokenizer.json")
    with pytest.raises(CheckpointError, match="No such file"):
        TextTokenizer.load(tmp_path / "absent.json")
    with pytest.raises(DataError, match="no text"):
        TextTokenizer.train("characters", ["", ""])
