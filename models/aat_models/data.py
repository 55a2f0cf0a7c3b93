"""From a config to what a training reads: encoded splits, vocabularies, label names, and the attack surface."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from aat_datasets import batching, catalog, lexicon
from aat_datasets.batching import EncodedSplit
from aat_datasets.catalog import Dataset
from aat_datasets.errors import DataError
from aat_datasets.lexicon import Lexicon
from aat_datasets.preprocess import Pipeline
from aat_datasets.vocab import EOS, WordTable
from aat_models.adversaries.surface import SurfaceTensor
from aat_models.augment import Rows, additions, fingerprints
from aat_models.config import Config

__all__ = ["TrainingData", "prepare", "surface_of", "target_steps"]

_OUTPUT_WORDS = 20_000
_VERSION = 1  # of the cache's content; raised whenever the same config would encode differently


class TrainingData(NamedTuple):
    """``splits`` ``train`` and, where the dataset has them, ``dev`` and ``test``; ``output`` numbers the target words."""

    splits: dict[str, EncodedSplit]
    labels: list[str]
    table: WordTable
    output: WordTable | None
    lexicon: Lexicon


def prepare(config: Config, cache: Path) -> TrainingData:
    """The training data of a config, encoded once and kept in ``cache``.

    Raises DataError or UnknownNameError: no such dataset, an empty split, a decoder but rows without output texts, or
    augmenting rows that do not fit.
    """
    dataset = catalog.open_dataset(config.data.dataset)
    wants_output = config.model.decoder != "none"
    pipeline = Pipeline(config.data.preprocess)
    splits, lists = batching.cached(
        cache, _key(config, dataset, wants_output), lambda: _encode(config, dataset, pipeline, wants_output)
    )
    if not len(splits["train"]):
        raise DataError(f"dataset {dataset.name}: the train split has no rows")
    trained, rest = lists["words"], lists["later"]
    table = WordTable.of(trained)
    table.intern(rest)
    output = WordTable.of(lists["output"]) if wants_output else None
    return TrainingData(splits, dataset.labels, table, output, _lexicon(config, dataset, splits["train"], table))


def target_steps(config: Config) -> list[str]:
    """The preprocessing of output texts: as the input's they become words, but they keep their case."""
    return ["normalise", "segment" if "segment" in config.data.preprocess else "tokenise"]


def surface_of(data: TrainingData, config: Config) -> SurfaceTensor:
    """The surface over the data's words. Substitutes are numbered in its table."""
    limits = (config.surface.synonyms, config.surface.characters)
    return SurfaceTensor(data.table, data.lexicon.substitutes, lexicon.character_variants, limits)


def _key(config: Config, dataset: Dataset, wants_output: bool) -> str:
    data = msgspec.to_builtins(config.data)
    augment = fingerprints(data.pop("augment"))  # what is in a dataset counts, not what it is called
    seed = config.seed if config.data.limit else 0
    parts = [_VERSION, dataset.name, dataset.fingerprint, data, seed, wants_output, target_steps(config), *augment]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


def _encode(
    config: Config, dataset: Dataset, pipeline: Pipeline, wants_output: bool
) -> tuple[dict[str, EncodedSplit], dict[str, list[str]]]:
    targets_pipeline = Pipeline(target_steps(config))
    texts: dict[str, list[str]] = {}
    outputs: dict[str, list[str]] = {}
    rest: dict[str, tuple[list[int], list[int]]] = {}
    for split in ("train", "dev", "test"):
        if split not in dataset.splits:
            continue
        rows, raw, labels, targets = dataset.columns(split)
        keep = range(len(rows))
        if split == "train" and 0 < config.data.limit < len(rows):
            keep = sorted(np.random.default_rng(config.seed).permutation(len(rows))[: config.data.limit].tolist())
        more = additions(config.data.augment, dataset) if split == "train" else Rows([], [], [])
        texts[split] = pipeline.run([*(raw[i] for i in keep), *more.texts])[0]
        known = [*(labels[i] for i in keep), *more.labels]
        rest[split] = (
            [*(rows[i] for i in keep), *[-1] * len(more.texts)],
            [-1 if label is None else label for label in known],
        )
        if wants_output:
            wanted = [text for text in (*(targets[i] for i in keep), *more.targets) if text]
            if len(wanted) < len(known):
                missing = f"{len(known) - len(wanted)} of {len(known)} rows of {split} have no output texts"
                raise DataError(f"dataset {dataset.name}: {missing}", "train without a decoder: model.decoder = none")
            outputs[split] = targets_pipeline.run(wanted)[0]
    table = WordTable.train(texts["train"], config.data.vocabulary, config.data.min_count)
    output = WordTable.train(outputs["train"], _OUTPUT_WORDS) if wants_output else None
    splits: dict[str, EncodedSplit] = {}
    for split, (rows, labels) in rest.items():
        arrays = [
            *table.encode(texts[split], config.data.max_words),
            np.array(labels, np.int32),
            np.array(rows, np.int64),
        ]
        if output is not None:
            ids, offsets = output.encode(outputs[split], config.data.max_words)
            arrays += [np.where(ids < output.size, ids, 1).astype(np.int32), offsets]
        splits[split] = EncodedSplit(*arrays)
    words = table.words()
    lists = {"words": words[EOS + 1 : table.size], "later": words[table.size :]}
    lists["output"] = output.words()[EOS + 1 : output.size] if output is not None else []
    return splits, lists


def _lexicon(config: Config, dataset: Dataset, train: EncodedSplit, table: WordTable) -> Lexicon:
    source = config.surface.source
    if source == "none" or not config.surface.synonyms:
        return Lexicon.empty()
    words = table.words()
    texts = [[words[number] for number in train.text(row)] for row in range(min(len(train), 50_000))]
    labels = [None if label < 0 else int(label) for label in train.labels[: len(texts)]]
    chosen = lexicon.choose(source, dataset.name, texts, labels, language=dataset.info.language)
    return chosen.capped(config.surface.synonyms).restrict(words)
