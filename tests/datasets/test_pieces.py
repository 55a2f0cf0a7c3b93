"""Pieces of words: what they are cut into, and that spelling puts them together again."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aat_datasets.pieces import JOIN, Pieces
from aat_datasets.preprocess import Pipeline
from aat_datasets.vocab import WordTable
from aat_models.spelling import WordSpeller

COUNTS = Counter({"Haus": 40, "Hund": 40, "Häuser": 9, "Hundehaus": 3, "läuft": 20, ".": 60, "##": 2, "[UNK]": 1})


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return Pieces.learn(COUNTS, 60)


def spelled(text: str) -> str:
    """The text of words between blanks that its pieces make."""
    words: list[str] = []
    for piece in text.split():
        if piece.startswith(JOIN):
            words[-1] += piece[1:]
        else:
            words.append(piece)
    return " ".join(words)


def test_frequent_words_are_whole_and_rare_ones_are_cut(pieces: Pieces) -> None:
    assert pieces.text("Haus Hund .") == "Haus Hund ."
    assert pieces.text("Hundehund").count(JOIN) >= 1
    assert len(pieces.counts(COUNTS)) <= 60


@given(st.lists(st.sampled_from(sorted(COUNTS)), min_size=1, max_size=8))
def test_pieces_make_up_the_words_they_were_learnt_from(words: list[str]) -> None:
    assert spelled(Pieces.learn(COUNTS, 50).text(" ".join(words))) == " ".join(words)


@given(st.text("Haus.#ä", min_size=1, max_size=12))
def test_pieces_make_up_words_of_known_characters(word: str) -> None:
    known = Counter({"".join(two): 1 for two in itertools.product("Haus.#ä", repeat=2)})
    assert spelled(Pieces.learn(known, 40).text(word)) == word


def test_an_unseen_character_is_an_unknown_piece_and_a_lone_surrogate_no_error(pieces: Pieces) -> None:
    assert "[UNK]" in pieces.text("Ω")
    assert pieces.text("\ud800Haus")


def test_counts_are_those_of_the_pieces_in_the_texts(pieces: Pieces) -> None:
    counted = Counter(piece for word, count in COUNTS.items() for piece in pieces.text(word).split() * count)
    assert pieces.counts(COUNTS) == counted


def test_no_output_text_can_hold_the_joining_sign() -> None:
    assert JOIN not in Pipeline(["normalise"]).apply(f"a{JOIN}b")


def test_pieces_are_written_without_a_blank_and_quotes_as_people_write_them() -> None:
    table = WordTable.of(["Ein", "Hund", JOIN + "e", JOIN + "haus", ".", "``", "''", "Ja"])
    speller = WordSpeller(table)
    ids = table.intern(["Ein", "``", "Hund", JOIN + "e", JOIN + "haus", "''", "."])
    assert "".join(speller.add(int(number)) for number in ids) == 'Ein "Hundehaus".'
    assert speller.shown(int(table.intern([JOIN + "haus"])[0])) == "…haus"
