"""From a config to what a training reads, on the built-in corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aat_datasets import catalog
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.pieces import JOIN
from aat_datasets.preprocess import Pipeline
from aat_datasets.vocab import EOS
from aat_models.config import Config, apply
from aat_models.data import prepare, surface_of

SETTINGS = {"data.dataset": "support", "surface.source": "dataset", "data.limit": 400}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AAT_DATA", str(tmp_path_factory.mktemp("data")))
        patch.delenv("AAT_MIRROR", raising=False)
        yield tmp_path_factory.mktemp("encoded")


def test_encoded_texts_are_the_preprocessed_words(home: Path) -> None:
    data = prepare(apply(Config(), SETTINGS), home)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 400, "dev": 1024, "test": 1024}
    rows, texts, labels, _ = catalog.open_dataset("support").columns("test")
    pipeline = Pipeline(Config().data.preprocess)
    for place in (0, 17, 1023):
        assert [data.table.word(i) for i in data.splits["test"].text(place)] == pipeline.words(texts[place])
        assert data.splits["test"].labels[place] == labels[place]
        assert data.splits["test"].rows[place] == rows[place]
    assert data.table.size < len(data.table)  # test words that train lacks are numbered behind the trained ones


def test_a_second_preparation_reads_the_cache_and_agrees(home: Path) -> None:
    one, two = (prepare(apply(Config(), SETTINGS), home) for _ in range(2))
    assert one.table.words() == two.table.words()
    assert isinstance(two.splits["train"].ids, np.memmap)
    assert one.lexicon.hash == two.lexicon.hash
    other = prepare(apply(Config(seed=1), SETTINGS), home)
    assert other.splits["train"].rows.tolist() != one.splits["train"].rows.tolist()


def test_the_surface_holds_the_lexicons_synonyms_and_misspellings(home: Path) -> None:
    data = prepare(apply(Config(), SETTINGS), home)
    surface = surface_of(data, Config())
    number = int(data.table.intern(["refund"])[0])
    words = [data.table.word(int(i)) for i in surface.candidates[number] if i]
    assert set(data.lexicon.substitutes("refund")) <= set(words)
    assert len(words) > len(data.lexicon.substitutes("refund"))
    assert surface_of(data, apply(Config(), {"surface.characters": 0})).candidates[number, 8:].sum() == 0


def test_replies_are_encoded_only_for_a_decoder_and_refused_where_there_are_none(home: Path, tmp_path: Path) -> None:
    with_reply = prepare(apply(Config(), SETTINGS | {"model.decoder": "lstm"}), home)
    assert with_reply.output is not None
    assert with_reply.splits["dev"].has_targets
    first = " ".join(with_reply.output.word(i) for i in with_reply.splits["test"].target(0))
    _, _, _, targets = catalog.open_dataset("support").columns("test")
    assert Pipeline(["normalise", "tokenise"]).apply(targets[0] or "").split()[0] in first
    file = tmp_path / "plain.csv"
    file.write_text("text,label\n" + "".join(f"row {i} says {'yes' if i % 2 else 'no'},{i % 2}\n" for i in range(60)))
    catalog.add("plain", [file], replace=True)
    settings = {"data.dataset": "plain", "model.decoder": "lstm", "surface.source": "none"}
    with pytest.raises(DataError, match="no output texts"):
        prepare(apply(Config(), settings), home)


def test_output_texts_in_pieces_say_the_same_words_with_fewer_numbers(home: Path) -> None:
    settings = SETTINGS | {"model.decoder": "lstm"}
    whole = prepare(apply(Config(), settings), home)
    cut = prepare(apply(Config(), settings | {"data.output_pieces": 200}), home)
    assert whole.output is not None and cut.output is not None
    assert EOS < cut.output.size <= 200 + EOS + 1 < whole.output.size
    for row in range(50):
        words = [whole.output.word(i) for i in whole.splits["train"].target(row)]
        pieces = " ".join(cut.output.word(i) for i in cut.splits["train"].target(row))
        assert pieces.replace(f" {JOIN}", "").split() == words
    assert len(cut.splits["train"].target_ids) > len(whole.splits["train"].target_ids)


def test_an_unknown_dataset_offers_the_nearest(home: Path) -> None:
    with pytest.raises(UnknownNameError, match="support"):
        prepare(apply(Config(), {"data.dataset": "suport"}), home)


def test_encoding_in_pieces_gives_what_encoding_at_once_gives(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SETTINGS | {"model.decoder": "lstm"}
    whole = prepare(apply(Config(), settings), home / "whole")
    chunks = catalog.Dataset.chunks
    monkeypatch.setattr(catalog.Dataset, "chunks", lambda dataset, split: chunks(dataset, split, 97))
    pieces = prepare(apply(Config(), settings), home / "pieces")
    assert pieces.table.words() == whole.table.words()
    for name, split in whole.splits.items():
        for array in split.ARRAYS:
            assert np.array_equal(getattr(split, array), getattr(pieces.splits[name], array)), (name, array)


def test_a_training_leaves_out_repeated_texts_and_keeps_every_held_out_one(home: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        rows = [f"{'Row' if i % 2 else 'row'} {i // 2},{i // 2 % 2}" for i in range(40)]
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,label", *rows]))
    catalog.add("twice", [tmp_path / "train.csv", tmp_path / "test.csv"], text="text", label="label", replace=True)
    settings = {"data.dataset": "twice", "surface.source": "none", "data.preprocess": ["lowercase", "deduplicate"]}
    data = prepare(apply(Config(), settings), home)
    texts = [text.lower() for text in catalog.open_dataset("twice").columns("train")[1]]
    assert data.splits["train"].rows.tolist() == [at for at, text in enumerate(texts) if texts.index(text) == at]
    assert len(data.splits["test"]) == 40
