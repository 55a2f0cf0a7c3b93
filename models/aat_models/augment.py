"""Further datasets whose train rows join a training's own: adversarial examples, as an attack saved them.

An entry of ``data.augment`` is a dataset's name, or ``NAME@FINGERPRINT``: a run's own config holds the second, so that
going on with the run, or running its config again, trains on the very same rows or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aat_datasets import catalog, shelf
from aat_datasets.catalog import Dataset
from aat_datasets.errors import DataError

__all__ = ["Rows", "additions", "fingerprints", "pinned"]

_DIGITS = 16  # of a fingerprint, in a config


class Rows(NamedTuple):
    """Texts with their labels, as the training's dataset numbers them (None: no label), and output texts."""

    texts: list[str]
    labels: list[int | None]
    targets: list[str | None]


def pinned(entries: Sequence[str], dataset: Dataset) -> list[str]:
    """The entries with the fingerprint of what they name now. Raises as ``additions``, reading no rows."""
    opened = [_open(entry) for entry in entries]
    for added in opened:
        _check(added, dataset)
    return [f"{added.name}@{added.fingerprint[:_DIGITS]}" for added in opened]


def fingerprints(entries: Sequence[str]) -> list[str]:
    """The whole fingerprints of what the entries name. Raises UnknownNameError, DataError."""
    return [_open(entry).fingerprint for entry in entries]


def additions(entries: Sequence[str], dataset: Dataset) -> Rows:
    """The train rows of the entries, in their order, with labels matched by name.

    Raises UnknownNameError; DataError for a dataset that changed since it was pinned, has no train split or a label
    ``dataset`` does not know, or was made from texts that ``dataset`` is to be evaluated on.
    """
    found = Rows([], [], [])
    for entry in entries:
        added = _open(entry)
        _check(added, dataset)
        number = {at: dataset.labels.index(label) for at, label in enumerate(added.labels)}
        _, texts, labels, targets = added.columns("train")
        found.texts.extend(texts)
        found.labels.extend(None if label is None else number[label] for label in labels)
        found.targets.extend(targets)
    return found


def _open(entry: str) -> Dataset:
    name, _, fingerprint = entry.partition("@")
    found = catalog.open_dataset(name)
    if not found.fingerprint.startswith(fingerprint):
        raise DataError(
            f"data.augment: the dataset {name} is not the one this run was begun with",
            f"its fingerprint is {found.fingerprint[:_DIGITS]}, that one's was {fingerprint}",
        )
    return found


def _check(added: Dataset, dataset: Dataset) -> None:
    where = f"data.augment: the dataset {added.name}"
    if "train" not in added.splits:
        raise DataError(f"{where} has no train split", "its splits: " + ", ".join(added.splits))
    unknown = [label for label in added.labels if label not in dataset.labels]
    if unknown:
        shown = ", ".join(map(repr, unknown[:5]))
        raise DataError(
            f"{where} has the labels {shown}, which {dataset.name} has not", "labels: " + ", ".join(dataset.labels[:12])
        )
    origin, _, split = catalog.card(added.name).origin.partition(":")
    if origin == shelf.root(dataset.name) and split != "train":
        # Training on edited dev or test texts would teach their answers.
        raise DataError(
            f"{where} was made from the {split} split of {dataset.name}, which this training is measured on",
            "attack with --split train to make examples to train on",
        )
