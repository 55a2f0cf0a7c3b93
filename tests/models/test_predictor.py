"""A trained model in use: prediction, salience, generation settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy import config, data, trained

from aat_datasets.batching import pad
from aat_datasets.errors import ConfigError, InputError
from aat_datasets.vocab import EOS
from aat_models.predictor import Predictor
from aat_models.sampling import Sampling
from aat_models.spelling import spacing


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    torch.set_num_threads(1)
    folder: Path = tmp_path_factory.mktemp("checkpoint")
    return trained(folder, config(train__epochs=3.0, train__lr=0.02), data())


def test_texts_and_padded_ids_get_the_same_answer(predictor: Predictor) -> None:
    texts = ["the film was great and good", "awful", "", "quite unheardof words; but a nasty plot"]
    direct = predictor.predict(texts)
    ids, lengths = pad([predictor.intern(predictor.words(text)) for text in texts])
    np.testing.assert_allclose(predictor.score(ids, lengths), direct, atol=1e-6)
    np.testing.assert_allclose(direct.sum(1), 1, atol=1e-6)
    assert predictor.labels[direct[0].argmax()] == "good"
    assert predictor.labels[direct[1].argmax()] == "bad"
    assert predictor.score(ids[:0], lengths[:0]).shape == (0, 2)


def test_salience_points_at_the_word_that_carries_the_class(predictor: Predictor) -> None:
    words, scores = predictor.attribute("the story was awful")
    assert words[int(np.argmax(scores))] == "awful"
    _, against = predictor.attribute("the story was awful", label=1)
    assert against[3] < 0
    assert len(predictor.attribute("")[0]) == 1


def test_a_model_without_a_decoder_says_how_to_train_one(predictor: Predictor) -> None:
    with pytest.raises(InputError, match="no decoder") as caught:
        next(predictor.generate("hello"))
    assert "model.decoder=lstm" in caught.value.hint


def test_the_vector_has_the_configured_length(predictor: Predictor) -> None:
    assert predictor.vector("good film").shape == (8,)


WRONG = [
    {"temperature": 0}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.1}, {"min_p": -0.1}, {"min_p": 1.5}, {"typical": 0},
    {"repetition_penalty": 0}, {"beams": 0}, {"beams": 3, "greedy": False}, {"max_tokens": 0}, {"stop": ["x", ""]},
    {"seed": -1}, {"alternatives": -1},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_settings_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong)).replace("_", "-")):
        Sampling(**wrong).check()


def test_words_are_joined_as_people_write_them() -> None:
    words = ["i", "'m", "sorry", ",", "that", "is", "n't", "right", "(", "yet", ")", "."]
    text, before = "", ""
    for word in words:
        text += spacing(word, before) + word
        before = word
    assert text == "i'm sorry, that isn't right (yet)."
    assert EOS == 3
