"""A text is read with the turns before it: as it is encoded for training, so it is asked later."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aat_datasets.adding import add
from aat_datasets.catalog import open_dataset
from aat_datasets.errors import DataError
from aat_models import language_data
from aat_models.config import Config, apply, identity
from aat_models.data import prepare
from aat_models.language_model import LanguageModel
from aat_models.language_training import LanguageTraining
from aat_models.predictor import Predictor
from aat_models.sampling import Sampling
from aat_models.training import Training
from aat_models.turns import TURN, joined

SMALL = {
    "data.dataset": "talk", "train.threads": 1, "train.epochs": 0.05, "train.decoder_epochs": 0.05, "model.embedding": 8,
    "model.hidden": 8, "model.latent": 8, "model.buckets": 100, "model.decoder": "lstm", "model.decoder_hidden": 8,
    "model.decoder_embedding": 8, "train.stages": ["encoder", "decoder"], "surface.source": "none",
}  # fmt: skip
LLAMA = {
    "data.dataset": "talk", "train.threads": 1, "model.encoder": "llama", "language.width": 8, "language.heads": 2,
    "language.layers": 1, "language.steps": 1, "language.context": 200,
}  # fmt: skip
TURNS = ["Hello there, {}!", "good day {}", "how is {}", "fine thank you", "so long then"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("talk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AAT_DATA", str(folder / "data"))
        patch.delenv("AAT_MIRROR", raising=False)
        path = folder / "talk.jsonl"
        lines = [{"dialog": [turn.format(n) for turn in TURNS], "act": [1, 2, 1, 2, 1]} for n in range(60)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        add("talk", [path])
        add("plain", [_plain(folder)])
        yield folder


def _plain(folder: Path) -> Path:
    path = folder / "plain.csv"
    path.write_text("text,label\n" + "".join(f"a text {n},{'ab'[n % 2]}\n" for n in range(40)))
    return path


def test_turns_are_joined_as_long_as_there_is_room() -> None:
    assert joined(["a b", "c"], "d e", 20) == f"a b {TURN} c {TURN} d e"
    assert joined(["a b", "c"], "d e", 6) == f"c {TURN} d e"
    assert joined(["a b", "c"], "d e", 3) == joined([], "d e", 9) == "d e"


def test_a_model_with_a_vector_is_asked_as_it_was_trained(home: Path) -> None:
    config = apply(Config(run="talk"), {**SMALL, "data.history": 2})
    data = prepare(config, home / "cache")
    training = Training(config, data)
    list(training.events())
    (home / "checkpoint").mkdir()
    training.save(home / "checkpoint")
    predictor = Predictor.load(home / "checkpoint")
    for one in open_dataset("talk").examples("test"):
        words = predictor.words_in(one.text, one.history)
        split = data.splits["test"]
        at = split.rows.tolist().index(one.row)
        assert [data.table.word(number) for number in split.text(at)] == words
        assert words.count(TURN) == min(2, len(one.history))
    before = ["hello there , 7 !", "good day 7"]
    alone, told = predictor.vectors(["how is 7"]), predictor.vectors(["how is 7"], [before])
    assert not np.allclose(alone, told)
    assert np.allclose(told, predictor.vectors(["how is 7"], [["of no matter", *before]]))
    several = list(predictor.generate_many(["how is 7"] * 2, Sampling(max_tokens=3), [[], before]))
    for place, history in ((0, ()), (1, before)):
        single = list(predictor.generate("how is 7", Sampling(max_tokens=3), history))
        assert [token.logprob for at, token in several if at == place] == pytest.approx([t.logprob for t in single])


def test_a_language_model_is_asked_as_it_was_trained(home: Path) -> None:
    config = apply(Config(run="talk"), {**LLAMA, "data.history": 3})
    data = language_data.prepare(config, home / "cache")
    split, tokens = data.splits["test"], data.tokenizer
    training = LanguageTraining(config, data)
    list(training.events())
    (home / "llama").mkdir()
    training.save(home / "llama")
    model = LanguageModel.load(home / "llama")
    for one in open_dataset("talk").examples("test"):
        ids = split.text(split.rows.tolist().index(one.row)).tolist()
        asked = tokens.turns([*one.history[-3:], one.text])
        assert ids[: len(asked)] == asked and tokens.decode(ids[len(asked) :]) == one.target
        assert model.prompt(one.text, one.history) == asked
    alone = language_data.prepare(apply(config, {"data.history": 0}), home / "cache")
    assert len(alone.splits["train"].ids) < len(data.splits["train"].ids)


def test_where_there_are_no_turns_that_is_said(home: Path) -> None:
    for settings in ({**SMALL, "model.decoder": "none", "train.stages": ["encoder"]}, LLAMA):
        config = apply(Config(), {**settings, "data.dataset": "plain", "data.history": 1})
        with pytest.raises(DataError, match="plain: no turns before its texts are known"):
            (language_data.prepare if "language.steps" in settings else prepare)(config, home / "cache")


def test_what_was_hashed_before_turns_were_read_has_the_same_hash() -> None:
    assert "history" not in identity(Config())["data"]
    assert identity(apply(Config(), {"data.history": 1}))["data"]["history"] == 1
