"""Numbering words, encoding splits, and an order of batches that can be taken up anywhere."""

from __future__ import annotations

import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aat_datasets.batching import BucketSampler, EncodedSplit, SplitWriter, cached, pad
from aat_datasets.errors import CheckpointError
from aat_datasets.vocab import PAD, UNK, WordTable

TEXTS = ["the film was good", "the plot was bad", "good good film", ""]


def test_frequent_words_come_first_and_rare_ones_stay_out() -> None:
    table = WordTable.train(TEXTS, limit=3)
    assert table.words()[4:] == ["good", "film", "the"]
    assert WordTable.train(TEXTS, min_count=2).words()[4:] == ["good", "film", "the", "was"]
    assert table.size == len(table) == 7


def test_unseen_words_get_numbers_of_their_own_that_last() -> None:
    table = WordTable.train(TEXTS)
    first = table.intern(["zebra", "good", "quartz"])
    assert first[0] >= table.size and first[2] == first[0] + 1
    assert first.tolist() == table.intern(["zebra", "good", "quartz"]).tolist()
    assert [table.word(i) for i in first] == ["zebra", "good", "quartz"]
    assert first[1] < table.size


def test_a_saved_table_numbers_the_same(tmp_path: Path) -> None:
    table = WordTable.train(TEXTS)
    table.intern(["later"])
    table.save(tmp_path / "t.json")
    again = WordTable.load(tmp_path / "t.json")
    assert again.words() == table.words()[: table.size]
    assert again.fingerprint == table.fingerprint
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(CheckpointError, match="not a tokenizer"):
        WordTable.load(tmp_path / "t.json")


words = st.text(st.characters(blacklist_categories=("Cs", "Z", "Cc", "Cf")), min_size=1, max_size=8)


@given(st.lists(st.lists(words, max_size=6), min_size=1, max_size=8), st.integers(1, 5))
def test_encoding_loses_nothing_but_what_is_cut(texts: list[list[str]], limit: int) -> None:
    lines = [" ".join(text) for text in texts]
    table = WordTable.train(lines[: len(lines) // 2])
    ids, offsets = table.encode(lines, limit)
    for row, line in enumerate(lines):
        back = [table.word(i) for i in ids[offsets[row] : offsets[row + 1]]]
        assert back == (line.split()[:limit] or [table.word(UNK)])


def split(lengths: list[int]) -> EncodedSplit:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return EncodedSplit(
        np.arange(offsets[-1], dtype=np.int32), offsets, np.zeros(len(lengths), np.int32), np.arange(len(lengths))
    )


def test_pad() -> None:
    block, lengths = pad([np.array([5, 6], np.int32), np.array([7], np.int32)])
    assert block.tolist() == [[5, 6], [7, PAD]]
    assert lengths.tolist() == [2, 1]


def test_an_epoch_holds_every_text_once_in_another_order_each_time() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 1000)
    sampler = BucketSampler(lengths, 32, seed=7)
    assert len(sampler) == 32
    one, two = sampler.order(0), sampler.order(1)
    for order in (one, two):
        assert sorted(np.concatenate(order).tolist()) == list(range(1000))
    assert [b.tolist() for b in one] != [b.tolist() for b in two]
    assert [b.tolist() for b in one] == [b.tolist() for b in BucketSampler(lengths, 32, seed=7).order(0)]


def test_buckets_leave_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 10_000)

    def waste(batches: list[np.ndarray]) -> float:
        return sum(len(b) * lengths[b].max() for b in batches) / lengths.sum() - 1

    plain = np.array_split(np.random.default_rng(1).permutation(10_000), 313)
    assert waste(BucketSampler(lengths, 32, seed=0).order(0)) < 0.05 < 0.5 < waste(plain)


def sampler(repeats: int) -> BucketSampler:
    made = BucketSampler(np.arange(1, 101) % 9 + 1, 16, 3)
    made.repeats = repeats
    return made


def test_repeated_batches_come_in_a_row_and_in_the_same_order() -> None:
    once = [b.tolist() for b in islice(sampler(1), 20)]
    assert [b.tolist() for b in islice(sampler(3), 60)] == [batch for batch in once for _ in range(3)]


@given(st.integers(0, 70), st.integers(1, 3))
def test_a_sampler_goes_on_where_its_state_was_taken(steps: int, repeats: int) -> None:
    whole = [b.tolist() for b in islice(sampler(repeats), 90)]
    first, second = sampler(repeats), sampler(repeats)
    for _ in islice(first, steps):
        pass
    second.restore(first.state())
    assert [b.tolist() for b in islice(second, 90 - steps)] == whole[steps:]


def test_the_cache_makes_once_maps_memory_and_never_shows_a_half(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()

    def make(work: Path) -> tuple[list[str], dict[str, list[str]]]:
        calls["made"] += 1
        split([3, 1, 4]).save(work, "train")
        return ["train"], {"words": ["a", "b"]}

    for _ in range(2):
        splits, lists = cached(tmp_path / "cache", "key", make)
    assert calls["made"] == 1
    assert lists == {"words": ["a", "b"]}
    assert isinstance(splits["train"].ids, np.memmap)
    assert splits["train"].text(2).tolist() == [4, 5, 6, 7]
    assert splits["train"].lengths.tolist() == [3, 1, 4]
    assert not splits["train"].has_targets

    def fails(work: Path) -> tuple[list[str], dict[str, list[str]]]:
        split([3]).save(work, "train")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        cached(tmp_path / "cache", "other", fails)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["key"]


@given(st.lists(st.lists(st.integers(1, 9), max_size=4), max_size=4))
def test_a_split_written_in_pieces_is_the_whole(pieces: list[list[int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = SplitWriter(Path(folder), "train")
        for lengths in pieces:
            writer.append(split(lengths))
        writer.close()
        written = EncodedSplit.load(Path(folder), "train")
        lengths = [length for piece in pieces for length in piece]
        assert written.lengths.tolist() == lengths
        wanted = [split(piece).text(i).tolist() for piece in pieces for i in range(len(piece))]
        assert [written.text(i).tolist() for i in range(len(lengths))] == wanted
        assert len(written.target_offsets) == len(lengths) + 1 and not written.has_targets


def test_ids_are_those_of_the_tokenizer() -> None:
    table = WordTable.train(["the film was good", "[UNK] and [PAD] are words"])
    texts = ["the film was bad", "", "good [UNK] unseen the"]
    ids, offsets = table.encode(texts, 100)
    for at, encoding in enumerate(table.tokenizer.encode_batch(texts, add_special_tokens=False)):
        mine = ids[offsets[at] : offsets[at + 1]]
        assert np.where(mine < table.size, mine, UNK).tolist() == (encoding.ids or [UNK])
