"""Integrated gradients: what the paper promises of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toy import config, data, trained

from aat_models.attribution import integrated_gradients
from aat_models.predictor import Predictor

TEXT = "the story was awful and the cast was great"


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder: Path = tmp_path_factory.mktemp("checkpoint")
    return trained(folder, config(train__epochs=3.0, train__lr=0.02), data())


@pytest.mark.parametrize("label", [0, 1])
def test_the_scores_add_up_to_what_the_text_changed(predictor: Predictor, label: int) -> None:
    words, scores = integrated_gradients(predictor, TEXT, label, steps=200)
    assert words == predictor.words(TEXT)
    ids = torch.from_numpy(predictor.intern(words).astype(np.int64))[None]
    vectors = predictor.model.embedding(ids).detach()
    lengths = torch.tensor([len(words)])
    with torch.no_grad():
        at, nothing = (
            torch.log_softmax(predictor.model.classify(x, lengths), -1)[0, label].item()
            for x in (vectors, torch.zeros_like(vectors))
        )
    assert sum(scores) == pytest.approx(at - nothing, abs=0.01)
    assert abs(at - nothing) > 0.05  # else the sum would say nothing


def test_the_predicted_class_is_the_one_that_is_explained(predictor: Predictor) -> None:
    probabilities = predictor.predict([TEXT])[0]
    chosen = int(probabilities.argmax())
    assert integrated_gradients(predictor, TEXT) == integrated_gradients(predictor, TEXT, chosen)
    assert integrated_gradients(predictor, TEXT) != integrated_gradients(predictor, TEXT, 1 - chosen)


def test_an_empty_text_has_as_many_scores_as_words(predictor: Predictor) -> None:
    words, scores = integrated_gradients(predictor, "")
    assert len(scores) == len(words) == len(predictor.words(""))
