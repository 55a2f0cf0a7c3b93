"""From a config to what a training reads: encoded splits, vocabularies, label names, and the attack surface."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np

from aat_datasets import batching, catalog, lexicon
from aat_datasets.batching import EncodedSplit
from aat_datasets.catalog import Dataset
from aat_datasets.errors import DataError
from aat_datasets.lexicon import Lexicon
from aat_datasets.pieces import Pieces
from aat_datasets.preprocess import Pipeline
from aat_datasets.vocab import EOS, UNK, WordTable
from aat_models.adversaries.surface import SurfaceTensor
from aat_models.augment import Rows, additions, fingerprints
from aat_models.config import Config
from aat_models.turns import joined

__all__ = ["TrainingData", "encoded_splits", "prepare", "surface_of", "target_steps"]

_OUTPUT_WORDS = 20_000
_VERSION = 2  # of the cache's content; raised whenever the same config would encode differently


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
    require_history(config, dataset)
    splits, lists = encoded_splits(config, dataset, cache)
    if not len(splits["train"]):
        raise DataError(f"dataset {dataset.name}: the train split has no rows")
    trained, rest = lists["words"], lists["later"]
    table = WordTable.of(trained)
    table.intern(rest)
    output = WordTable.of(lists["output"]) if wants_output else None
    return TrainingData(splits, dataset.labels, table, output, _lexicon(config, dataset, splits["train"], table))


def require_history(config: Config, dataset: Dataset) -> None:
    """Raises DataError where turns before a text are wanted and the dataset has none."""
    if config.data.history and not dataset.has_history:
        raise DataError(f"dataset {dataset.name}: no turns before its texts are known", "train with data.history = 0")


def encoded_splits(
    config: Config, dataset: Dataset, cache: Path
) -> tuple[dict[str, EncodedSplit], dict[str, list[str]]]:
    """The dataset's splits as numbers, memory-mapped from ``cache``, and the word lists that say what they stand for.

    They are made piece by piece where they are not there: a dataset may be larger than memory.
    """
    wants_output = config.model.decoder != "none"
    pipeline = Pipeline(config.data.preprocess)
    return batching.cached(
        cache, _key(config, dataset, wants_output), lambda work: _encode(config, dataset, pipeline, wants_output, work)
    )


def target_steps(config: Config) -> list[str]:
    """The preprocessing of output texts: as the input's they become words, but they keep their case."""
    return ["normalise", "segment" if "segment" in config.data.preprocess else "tokenise"]


def surface_of(data: TrainingData, config: Config) -> SurfaceTensor:
    """The surface over the data's words. Substitutes are numbered in its table."""
    limits = (config.surface.synonyms, config.surface.characters)
    return SurfaceTensor(data.table, data.lexicon.substitutes, lexicon.character_variants, limits)


def _key(config: Config, dataset: Dataset, wants_output: bool) -> str:
    data = msgspec.to_builtins(config.data)
    if not (wants_output and data["output_pieces"]):
        del data["output_pieces"]  # it changes nothing then
    augment = fingerprints(data.pop("augment"))  # what is in a dataset counts, not what it is called
    if not data["history"]:
        del data["history"]  # what was encoded before there was this key is as it would be now
    seed = config.seed if config.data.limit else 0
    parts = [_VERSION, dataset.name, dataset.fingerprint, data, seed, wants_output, target_steps(config), *augment]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


class _Turns(NamedTuple):
    """The turns before each text, and how many words all may have together."""

    before: list[tuple[str, ...]]
    most: int


class _Piece(NamedTuple):
    """Some texts of a split: their words joined by single spaces, label indices, table rows, output words."""

    words: list[str]
    labels: list[int]
    rows: list[int]
    outputs: list[str]


def _encode(
    config: Config, dataset: Dataset, pipeline: Pipeline, wants_output: bool, work: Path
) -> tuple[list[str], dict[str, list[str]]]:
    """Write the encoded splits into ``work``.

    Cleaned texts wait on disk until the vocabulary is known: a dataset may be larger than memory.
    """
    names = [split for split in ("train", "dev", "test") if split in dataset.splits]
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for split in names:
        with (work / f"{split}.pieces").open("wb") as file:
            for piece in _pieces(config, dataset, split, pipeline, wants_output):
                for text, count in zip((piece.words, piece.outputs), counts, strict=True):
                    if split == "train":
                        for line in text:
                            count.update(line.split())
                _write(file, piece)
    table = WordTable.counted(counts[0], config.data.vocabulary, config.data.min_count)
    output, pieces = _output(config, counts[1]) if wants_output else (None, None)
    for split in names:
        writer = batching.SplitWriter(work, split)
        for piece in _read(work / f"{split}.pieces"):
            if pieces is not None:
                piece = piece._replace(outputs=[pieces.text(text) for text in piece.outputs])
            writer.append(_encoded(piece, table, output, config.data.max_words))
        writer.close()
        (work / f"{split}.pieces").unlink()
    words = table.words()
    lists = {"words": words[EOS + 1 : table.size], "later": words[table.size :]}
    lists["output"] = output.words()[EOS + 1 : output.size] if output is not None else []
    return names, lists


def _output(config: Config, counts: Counter[str]) -> tuple[WordTable, Pieces | None]:
    """What a decoder writes with: numbered words, or numbered pieces and what cuts words into them."""
    if not config.data.output_pieces:
        return WordTable.counted(counts, _OUTPUT_WORDS), None
    pieces = Pieces.learn(counts, config.data.output_pieces)
    return WordTable.counted(pieces.counts(counts), config.data.output_pieces), pieces


def _encoded(piece: _Piece, table: WordTable, output: WordTable | None, max_words: int) -> EncodedSplit:
    arrays = [*table.encode(piece.words, max_words), np.array(piece.labels, np.int32), np.array(piece.rows, np.int64)]
    if output is not None:
        ids, offsets = output.encode(piece.outputs, max_words)
        arrays += [np.where(ids < output.size, ids, UNK).astype(np.int32), offsets]
    return EncodedSplit(*arrays)


def _pieces(config: Config, dataset: Dataset, split: str, pipeline: Pipeline, wants_output: bool) -> Iterator[_Piece]:
    """The cleaned texts of a split, piece by piece; of ``train`` those that ``data.limit`` draws, then what joins."""
    total = dataset.splits[split]
    drawn = None
    if split == "train" and 0 < config.data.limit < total:
        drawn = np.zeros(total, dtype=bool)
        drawn[np.random.default_rng(config.seed).permutation(total)[: config.data.limit]] = True
    seen: set[bytes] | None = set() if split == "train" and pipeline.deduplicates else None
    outputs = Pipeline(target_steps(config)) if wants_output else None
    missing = 0
    for rows, texts, labels, targets in dataset.chunks(split):
        keep = range(len(rows)) if drawn is None else np.flatnonzero(drawn[rows[0] : rows[-1] + 1]).tolist()
        part = Rows([texts[i] for i in keep], [labels[i] for i in keep], [targets[i] for i in keep])
        missing += sum(1 for target in part.targets if not target)
        before = dataset.histories(split, rows[0], rows[-1] + 1, config.data.history)
        told = _Turns([before[i] for i in keep], config.data.max_words) if config.data.history else None
        yield _clean(part, [rows[i] for i in keep], pipeline, None if missing else outputs, seen, told)
    if split == "train":
        more = additions(config.data.augment, dataset)
        missing += sum(1 for target in more.targets if not target)
        yield _clean(more, [-1] * len(more.texts), pipeline, None if missing else outputs, seen)
    if wants_output and missing:
        known = min(total, config.data.limit or total) if split == "train" else total
        raise DataError(
            f"dataset {dataset.name}: {missing} of {known} rows of {split} have no output texts",
            "train without a decoder: model.decoder = none",
        )


def _clean(
    part: Rows, rows: list[int], pipeline: Pipeline, outputs: Pipeline | None, seen: set[bytes] | None,
    told: _Turns | None = None,
) -> _Piece:  # fmt: skip
    texts = [" ".join(text.split()) for text in pipeline.run(part.texts)[0]]
    if told is not None:
        every = iter(pipeline.run([turn for turns in told.before for turn in turns])[0])
        before = [[" ".join(next(every).split()) for _ in turns] for turns in told.before]
        texts = [joined(turns, text, told.most) for turns, text in zip(before, texts, strict=True)]
    keep = range(len(texts)) if seen is None else [i for i, text in enumerate(texts) if _new(text, seen)]
    wanted = outputs.run([part.targets[i] or "" for i in keep])[0] if outputs is not None else []
    labels = [-1 if (label := part.labels[i]) is None else label for i in keep]
    return _Piece([texts[i] for i in keep], labels, [rows[i] for i in keep], wanted)


def _new(text: str, seen: set[bytes]) -> bool:
    """Whether a text is the first of its kind; remembered by a digest, whatever its length."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
    before = len(seen)
    seen.add(digest)
    return len(seen) > before


def _write(file: BinaryIO, piece: _Piece) -> None:
    # A text may hold what UTF-8 has no bytes for: a lone surrogate. It goes and comes back as what it is.
    texts = [[text.encode("utf-8", "surrogatepass") for text in part] for part in (piece.words, piece.outputs)]
    content = msgspec.msgpack.encode((*texts, piece.labels, piece.rows))
    file.write(len(content).to_bytes(8, "little") + content)


def _read(path: Path) -> Iterator[_Piece]:
    with path.open("rb") as file:
        while head := file.read(8):
            content = file.read(int.from_bytes(head, "little"))
            words, outputs, labels, rows = msgspec.msgpack.decode(content)
            texts = [[text.decode("utf-8", "surrogatepass") for text in part] for part in (words, outputs)]
            yield _Piece(texts[0], labels, rows, texts[1])


def _lexicon(config: Config, dataset: Dataset, train: EncodedSplit, table: WordTable) -> Lexicon:
    source = config.surface.source
    if source == "none" or not config.surface.synonyms:
        return Lexicon.empty()
    words = table.words()
    texts = [[words[number] for number in train.text(row)] for row in range(min(len(train), 50_000))]
    labels = [None if label < 0 else int(label) for label in train.labels[: len(texts)]]
    chosen = lexicon.choose(source, dataset.name, texts, labels, language=dataset.info.language)
    return chosen.capped(config.surface.synonyms).restrict(words)
