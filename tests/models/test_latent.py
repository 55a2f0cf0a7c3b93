"""Ways through the fixed-length vector: their ends, the direction that hurts, what is nearest, and what is written there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toy import config, data, texts, trained

from aat_datasets.errors import InputError
from aat_datasets.vocab import BOS, EOS
from aat_models.latent import Index, against, between, tell
from aat_models.predictor import Predictor
from aat_models.sampling import Sampling
from aat_models.teacher_forcing import entropy


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A model that classifies and replies."""
    torch.set_num_threads(1)
    folder: Path = tmp_path_factory.mktemp("checkpoint")
    settings = config(
        train__epochs=3.0,
        train__lr=0.02,
        train__decoder_epochs=4.0,
        model__decoder="lstm",
        train__stages=["encoder", "decoder"],
    )
    return trained(folder, settings, data(replies=True))


GOOD, BAD = "the film was great and lovely", "the film was awful and nasty"


def test_a_way_between_two_texts_begins_and_ends_at_them_and_changes_its_mind_once(predictor: Predictor) -> None:
    way = between(predictor, GOOD, BAD, 11)
    ends = predictor.vectors([GOOD, BAD])
    torch.testing.assert_close(way.vectors[[0, -1]], ends)
    points = tell(predictor, way, Sampling(max_tokens=5))
    assert [point.at for point in points] == [step / 10 for step in range(11)]
    labels = [int(np.argmax(point.probabilities)) for point in points]
    assert labels[0] == 1 and labels[-1] == 0 and labels == sorted(labels, reverse=True)
    np.testing.assert_allclose(
        [points[0].probabilities, points[-1].probabilities], predictor.predict([GOOD, BAD]), atol=1e-5
    )
    written = [
        "".join(token.text for token in predictor.generate(text, Sampling(max_tokens=5))) for text in (GOOD, BAD)
    ]
    assert [points[0].text, points[-1].text] == [text.strip() for text in written]
    assert points[0].text == "thank you" and points[-1].text == "sorry for that"
    assert points[0].distance == 0 < points[5].distance < points[10].distance


def test_the_direction_that_hurts_raises_the_loss_and_the_other_lowers_it(predictor: Predictor) -> None:
    way = against(predictor, GOOD, [-0.5, 0.0, 0.1, 0.5, 1.0])
    points = tell(predictor, way, Sampling(max_tokens=5))
    right = [point.probabilities[1] for point in points]
    assert right == sorted(right, reverse=True) and right[0] > right[1] > right[-1]
    assert [point.distance for point in points] == pytest.approx([0.5, 0.0, 0.1, 0.5, 1.0], abs=1e-5)


def test_without_a_label_head_the_reply_becomes_less_likely(predictor: Predictor) -> None:
    head, predictor.model.head = predictor.model.head, None
    try:
        way = against(predictor, GOOD, [0.0, 0.1, 0.3])
        points = tell(predictor, way, Sampling(max_tokens=5))
    finally:
        predictor.model.head = head
    assert points[0].probabilities == [] and points[0].text == "thank you"
    decoder, output = predictor.model.decoder, predictor.output
    assert decoder is not None and output is not None
    ids = torch.tensor([[BOS, *output.intern(["thank", "you"]).tolist(), EOS]])
    with torch.no_grad():
        losses = [float(entropy(decoder(vector[None], ids[:, :-1])[0].double(), ids[:, 1:])) for vector in way.vectors]
    assert losses[0] < losses[1] < losses[2]


def test_the_nearest_texts_are_those_a_plain_search_finds_equal_ones_once(predictor: Predictor) -> None:
    found, labels = texts(300, 7)
    found, labels = [GOOD, GOOD, *found], [1, 1, *labels]
    index = Index(predictor, found, [("bad", "good")[label] for label in labels])
    near = index.nearest(predictor.vectors([GOOD, BAD]), 4)
    vectors = predictor.vectors(found)
    wanted = torch.nn.functional.cosine_similarity(vectors, predictor.vectors([GOOD]))
    assert near[0][0].text == GOOD and near[0][0].similarity == pytest.approx(1, abs=1e-4)
    assert len({one.text for one in near[0]}) == 4
    assert [one.similarity for one in near[0]] == sorted((one.similarity for one in near[0]), reverse=True)
    others = sorted({text: float(value) for text, value in zip(found, wanted, strict=True)}.values(), reverse=True)[:4]
    assert [one.similarity for one in near[0]] == pytest.approx(others, abs=2e-3)
    assert all(one.label == "bad" for one in near[1])


def test_a_way_of_one_step_is_refused(predictor: Predictor) -> None:
    with pytest.raises(InputError, match="at least 2 steps"):
        between(predictor, GOOD, BAD, 1)
