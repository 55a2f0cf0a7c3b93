"""The substitution table: where it comes from, what it promises, and the misspellings beside it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aat_datasets import lexical
from aat_datasets.chinese import has_han
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.lexicon import Lexicon, character_variants, choose

TABLE = {
    "refund": ["repayment", "refund", "reimbursement", "repayment", ""],
    "order": [],
    "late": ["delayed", "so late"],
}

MIRROR = os.environ.get("AAT_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="AAT_MIRROR names no folder of raw data")


def test_a_table_is_cleaned_and_closed() -> None:
    made = Lexicon(TABLE, "mine")
    assert made.substitutes("refund") == ("repayment", "reimbursement")
    assert made.substitutes("order") == ()
    assert made.substitutes("late") == ("delayed",)
    assert made.words == ("late", "refund")
    assert "order" not in made and "late" in made and len(made) == 2


def test_no_word_has_more_than_eight_substitutes() -> None:
    made = Lexicon({"w": [f"s{i}" for i in range(20)]}, "mine")
    assert made.substitutes("w") == tuple(f"s{i}" for i in range(8))
    assert made.capped(3).substitutes("w") == ("s0", "s1", "s2")
    assert len(made.capped(0)) == 0


def test_the_hash_names_the_content() -> None:
    made = Lexicon({"a": ["b"], "c": ["d", "e"]}, "one")
    assert made.hash == Lexicon({"c": ["d", "e"], "a": ["b"]}, "two", "elsewhere").hash
    assert made.hash != Lexicon({"a": ["b"], "c": ["e", "d"]}, "one").hash
    assert made.hash == "9ec251e75a40bd691e6814e92242045aaffe053f7f94839a0d79718b1d8919cb"


def test_restrict_keeps_the_vocabulary_only() -> None:
    made = Lexicon({"a": ["b", "c"], "b": ["a"], "d": ["a"]}, "mine").restrict({"a", "c", "b"})
    assert made.substitutes("a") == ("b", "c")
    assert made.substitutes("d") == ()
    assert Lexicon({"a": ["b"]}, "mine").restrict(["a"]).words == ()


def test_saved_and_loaded_again_it_is_the_same(tmp_path: Path) -> None:
    made = Lexicon({"größe": ["umfang"], "a": ["b"]}, "mine", "a test")
    made.save(tmp_path / "lexicon.json")
    again = Lexicon.load(tmp_path / "lexicon.json")
    assert again == made and again.hash == made.hash
    assert (again.name, again.source) == ("mine", "a test")


def test_a_table_that_was_altered_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.json"
    Lexicon({"a": ["b"]}, "mine").save(path)
    record = json.loads(path.read_text())
    record["table"]["a"] = ["c"]
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match="does not match its hash"):
        Lexicon.load(path)
    path.write_text("{")
    with pytest.raises(DataError, match="not a lexicon"):
        Lexicon.load(path)
    with pytest.raises(DataError, match="No such file"):
        Lexicon.load(tmp_path / "absent.json")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("\ufeff# mine\nlate\tdelayed, overdue\n\nlate\tslow\nbig\tlarge\thuge\n", encoding="utf-8")
    made = Lexicon.from_tsv(path)
    assert made.name == "own"
    assert made.substitutes("late") == ("delayed", "overdue", "slow")
    assert made.substitutes("big") == ("large", "huge")


@pytest.mark.parametrize("line", ["late delayed", "late\t", "too late\tdelayed", "\tdelayed"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "own.tsv"
    path.write_text(f"a\tb\n{line}\n")
    with pytest.raises(DataError, match="line 2"):
        Lexicon.from_tsv(path)


def _texts() -> tuple[list[list[str]], list[int]]:
    """Two classes; ``parcel`` and ``package`` stand in the same places, ``good`` and ``bad`` too, of opposite class."""
    texts: list[list[str]] = []
    labels: list[int] = []
    for i in range(400):
        noun = ("parcel", "package")[i % 2]
        label = (i // 2) % 2
        word = ("good", "bad")[label]
        texts.append(f"where is my {noun} today please it was {word} service from you".split())
        labels.append(label)
        texts.append(f"filler{i % 7} talks about weather{i % 5} in place{i % 3} with nobody{i % 11}".split())
        labels.append(label)
    return texts, labels


def test_neighbours_share_contexts_but_not_across_classes() -> None:
    texts, labels = _texts()
    blind = Lexicon.from_neighbours(texts, None)
    assert "package" in blind.substitutes("parcel") and "parcel" in blind.substitutes("package")
    assert "bad" in blind.substitutes("good")
    made = Lexicon.from_neighbours(texts, labels)
    assert "package" in made.substitutes("parcel")
    assert "bad" not in made.substitutes("good") and "good" not in made.substitutes("bad")


def test_neighbours_are_the_same_every_time_and_mutual() -> None:
    texts, labels = _texts()
    made = Lexicon.from_neighbours(texts, labels)
    assert made.hash == Lexicon.from_neighbours([" ".join(t) for t in texts], labels).hash
    assert all(w in made.substitutes(s) for w in made.words for s in made.substitutes(w))


def test_too_few_texts_have_no_neighbours() -> None:
    assert len(Lexicon.from_neighbours([], [])) == 0
    assert len(Lexicon.from_neighbours([["once"]], [0])) == 0


def test_choose_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    texts, labels = _texts()
    assert len(choose("none", "own", texts, labels)) == 0
    assert choose("neighbours", "own", texts, labels).name == "neighbours"
    assert choose("auto", "own", texts, labels).name == "neighbours"
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    with pytest.raises(DataError, match="counter-fitted") as caught:
        choose("counterfitted", "own")
    assert caught.value.hint and "data get counterfitted" in caught.value.hint and "AAT_MIRROR" in caught.value.hint
    with pytest.raises(DataError, match="no synonym table"):
        choose("dataset", "own")
    with pytest.raises(UnknownNameError, match="neighbours"):
        choose("neighbour", "own")
    monkeypatch.setenv("AAT_MIRROR", str(tmp_path))
    with pytest.raises(DataError, match="counter-fitted"):
        choose("counterfitted", "own")


@needs_mirror
def test_the_counterfitted_table_by_path_and_by_content(tmp_path: Path) -> None:
    made = Lexicon.from_counterfitted()
    assert len(made) == 25_591
    assert made.substitutes("movie")[0] == "film"
    assert Lexicon.from_counterfitted(Path(MIRROR or "")).hash == made.hash
    known = lexical.find("counterfitted")
    assert known is not None
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "b10af3dc").symlink_to(known)
    assert lexical.find("counterfitted", tmp_path) == tmp_path / "blobs" / "b10af3dc"


@needs_mirror
def test_auto_takes_the_table_of_the_language() -> None:
    english = ["the movie was a complete waste of time and money"] * 3
    german = ["ein mann geht mit seinem hund durch die verschneite stadt"] * 3
    assert choose("auto", "own", english).name == "counterfitted"
    assert choose("auto", "own", german).name == "neighbours"
    assert choose("auto", "own", german, language="en").name == "counterfitted"
    assert choose("auto", "own", english, language="zh").name == "wordnet-cmn"


def test_a_word_has_one_slip_of_every_kind() -> None:
    found = character_variants("refund")
    assert [len(v) for v in found] == [6, 5, 7, 6]
    assert sorted(found[0]) == sorted("refund")
    assert all(v[0] == "r" and v[-1] == "d" for v in found)
    assert character_variants("refund") == ("rfeund", "refnd", "refgund", "rwfund"), "must not change between versions"


@pytest.mark.parametrize("word", ["", "a", "it", "12", "12345", "...", "!!!", "$40", "n't", "'", "👍👍👍"])
def test_what_is_no_typed_word_has_no_variants(word: str) -> None:
    assert character_variants(word) == ()


def test_a_limit_is_kept() -> None:
    assert [len(character_variants("package", limit)) for limit in range(6)] == [0, 1, 2, 3, 4, 5]
    assert character_variants("package", 2) == character_variants("package")[:2]


@given(st.text(max_size=12))
def test_variants_keep_the_ends_and_are_new(word: str) -> None:
    found = character_variants(word)
    assert len(found) <= 4 and len(set(found)) == len(found) and word not in found
    for variant in found if not has_han(word) else ():
        assert variant[0] == word[0] and abs(len(variant) - len(word)) <= 1
        assert len(word) == 3 or variant[-1] == word[-1]


def test_no_slip_reads_as_another_common_word() -> None:
    assert "now" not in character_variants("not", 20) and "nor" not in character_variants("not", 20)
    assert "card" not in character_variants("cards", 20)


def test_thirty_thousand_words_take_little_processor_time() -> None:
    words = [f"{a}{b}{c}ing" for a in "abcdefghijklmnopqrst" for b in "bcdfghjklmnpqrstvwxyz" * 2 for c in "aeiou" * 8]
    character_variants.cache_clear()
    start = time.process_time()
    total = sum(len(character_variants(word)) for word in words)
    assert len(words) > 30_000 and total > len(words)
    assert time.process_time() - start < 10
