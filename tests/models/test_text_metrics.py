"""BLEU and chrF against their definitions, and BLEU against NLTK's."""

from __future__ import annotations

import random
from typing import Any

import pytest

from aat_models.text_metrics import bleu, chrf, words_of


def texts(seed: int, count: int) -> list[list[str]]:
    rng = random.Random(seed)
    return [[rng.choice("abc") for _ in range(rng.randint(4, 14))] for _ in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_bleu_is_nltks(seed: int) -> None:
    from nltk.translate import bleu_score

    theirs: Any = bleu_score
    written, wanted = texts(seed, 30), texts(seed + 100, 30)
    assert bleu(written, wanted) == pytest.approx(theirs.corpus_bleu([[text] for text in wanted], written))
    short = [text[:4] for text in written]
    assert bleu(short, wanted) == pytest.approx(theirs.corpus_bleu([[text] for text in wanted], short))


def test_bleu_at_its_ends() -> None:
    text = ["a", "b", "c", "d", "e"]
    assert bleu([text], [text]) == 1.0
    assert bleu([text], [["v", "w", "x", "y", "z"]]) == 0.0
    assert bleu([[]], [text]) == bleu([], []) == 0.0
    assert bleu([text[:4]], [text]) == pytest.approx(2.718281828 ** (1 - 5 / 4))


def test_chrf_by_hand() -> None:
    assert chrf(["a b"], ["ab"]) == chrf([""], [""]) == 1.0
    assert chrf(["xyz"], ["abc"]) == chrf(["abc"], [""]) == chrf([], []) == 0.0
    # runs of 1: 2 of 2 are wanted, 2 of 3 found; of 2: 1 of 1, 1 of 2; of 3: none, 0 of 1
    precision, recall = (1 + 1 + 0) / 3, (2 / 3 + 1 / 2 + 0) / 3
    assert chrf(["ab"], ["abc"]) == pytest.approx(5 * precision * recall / (4 * precision + recall))
    assert chrf(["ab", "x"], ["abc", "y"]) == pytest.approx(chrf(["ab"], ["abc"]) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_chrf_is_near_nltks_which_averages_otherwise(seed: int) -> None:
    from nltk.translate import chrf_score

    theirs: Any = chrf_score
    for own, other in zip(texts(seed, 10), texts(seed + 100, 10), strict=True):
        wanted = theirs.sentence_chrf("".join(other), "".join(own), beta=2.0)
        assert chrf(["".join(own)], ["".join(other)]) == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world.", "Hello , world ."),
        ("Costs 1,000.50 (about)!", "Costs 1,000.50 ( about ) !"),
        ("a well-known 3-year plan", "a well-known 3 - year plan"),
        ("McDonald's-Menü „so“ 5,5", "McDonald's-Menü „so“ 5,5"),
        ("&quot;x&quot; &amp; y", '" x " & y'),
        ("  ", ""),
    ],
)
def test_words_are_those_of_mteval_v13a(text: str, words: str) -> None:
    """By the rules of sacreBLEU's ``tokenizer_13a.py``."""
    assert words_of(text) == words.split()
