"""A tiny labelled corpus and a config that trains on it in seconds, for the tests of the core."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aat_datasets.batching import EncodedSplit
from aat_datasets.lexicon import Lexicon
from aat_datasets.vocab import WordTable
from aat_models.config import Config, apply
from aat_models.data import TrainingData
from aat_models.predictor import Predictor
from aat_models.training import CheckpointDue, Training

GOOD = ["good", "fine", "great", "lovely", "superb"]
BAD = ["bad", "poor", "awful", "nasty", "horrid"]
FILL = ["the", "film", "plot", "was", "really", "quite", "a", "story", "with", "actors"]
SMALL = {
    "model.embedding": 12,
    "model.hidden": 10,
    "model.latent": 8,
    "model.buckets": 200,
    "train.batch_size": 16,
    "train.epochs": 2.0,
    "train.log_every": 5,
    "train.threads": 1,
}


def texts(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts of 4 to 9 words that hold two words of their class."""
    rng = np.random.default_rng(seed)
    found, labels = [], []
    for _ in range(count):
        label = int(rng.integers(2))
        words = [*rng.choice(FILL, rng.integers(2, 8)), *rng.choice(GOOD if label else BAD, 2)]
        rng.shuffle(words)
        found.append(" ".join(words))
        labels.append(label)
    return found, labels


def lexicon() -> Lexicon:
    """Every class word may become any other of its class, or one never seen in training."""
    table = {
        word: [other for other in [*group, f"{word}ish"] if other != word] for group in (GOOD, BAD) for word in group
    }
    return Lexicon(table, "toy")


def data(replies: bool = False) -> TrainingData:
    """200 training and 60 dev texts; with ``replies``, each has an output text that names its class."""
    parts = {"train": texts(200, 1), "dev": texts(60, 2), "test": texts(60, 3)}
    table = WordTable.train(parts["train"][0])
    output = WordTable.of(["thank", "you", "sorry", "for", "that"]) if replies else None
    splits = {}
    for name, (found, labels) in parts.items():
        arrays = [*table.encode(found, 64), np.array(labels, np.int32), np.arange(len(labels))]
        if output is not None:
            arrays += output.encode(["thank you" if label else "sorry for that" for label in labels], 64)
        splits[name] = EncodedSplit(*arrays)
    return TrainingData(splits, ["bad", "good"], table, output, lexicon())


def config(**settings: object) -> Config:
    return apply(Config(run="toy"), {**SMALL, **{key.replace("__", "."): value for key, value in settings.items()}})


def trained(folder: Path, chosen: Config, corpus: TrainingData) -> Predictor:
    """A model trained to its end, kept in an existing folder, and loaded from there."""
    training = Training(chosen, corpus)
    for event in training.events():
        if isinstance(event, CheckpointDue) and event.step == training.total:
            training.save(folder)
    return Predictor.load(folder)
