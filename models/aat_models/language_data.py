"""Texts for a language model: encoded once, kept in the cache, drawn in windows or as dialogues.

Texts without an output text are one stream, two line ends after each, and a step reads windows of it. A text with an output text
is a dialogue of its own: ``[BOS] [USER] text [ASSISTANT] output [EOS]``, of which the output is learnt; the turns before the
text, where they are read too, stand before it in turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aat_datasets import batching, catalog
from aat_datasets.batching import BucketSampler, EncodedSplit, pad
from aat_datasets.catalog import Dataset
from aat_datasets.errors import DataError
from aat_datasets.subwords import ASSISTANT, EOS, TextTokenizer
from aat_models.config import Config
from aat_models.data import require_history
from aat_models.sampler import Sampler

__all__ = [
    "BETWEEN",
    "IGNORED",
    "Dialogues",
    "LanguageData",
    "Source",
    "Stream",
    "WindowSampler",
    "prepare",
    "source_of",
]

BETWEEN = "\n\n"  # after each text of a stream
IGNORED = -100  # no answer is wanted here
_VERSION = 1  # of the cache's content


class LanguageData(NamedTuple):
    """``splits`` ``train`` and, where the dataset has them, ``dev`` and ``test``."""

    splits: dict[str, EncodedSplit]
    tokenizer: TextTokenizer


def prepare(config: Config, cache: Path) -> LanguageData:
    """The texts of a config's dataset as token ids, encoded once and kept in ``cache``.

    Raises DataError or UnknownNameError: no such dataset, an empty split, or output texts in some rows only.
    """
    dataset = catalog.open_dataset(config.data.dataset)
    require_history(config, dataset)
    key = _key(config, dataset)
    splits, lists = batching.cached(cache, key, lambda work: _encode(config, dataset, work))
    if not len(splits["train"]):
        raise DataError(f"dataset {dataset.name}: the train split has no rows")
    return LanguageData(splits, TextTokenizer.of(lists["tokenizer"][0]))


def _key(config: Config, dataset: Dataset) -> str:
    language, seed = config.language, config.seed if config.data.limit else 0
    pieces = language.vocabulary if language.tokenizer == "bpe" else 0
    parts = [
        "language",
        _VERSION,
        dataset.name,
        dataset.fingerprint,
        config.data.limit,
        seed,
        language.tokenizer,
        pieces,
        *([config.data.history] if config.data.history else []),
    ]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


def _encode(config: Config, dataset: Dataset, work: Path) -> tuple[list[str], dict[str, list[str]]]:
    names = [split for split in ("train", "dev", "test") if split in dataset.splits]
    answers = any(target for _, _, target, _ in _rows(config, dataset, "train"))
    texts = (part for _, text, target, _ in _rows(config, dataset, "train") for part in (text, target or "", BETWEEN))
    tokenizer = TextTokenizer.train(config.language.tokenizer, texts, config.language.vocabulary, dialogue=answers)
    for split in names:
        writer = batching.SplitWriter(work, split)
        for row, text, target, before in _rows(config, dataset, split):
            if answers and not target:
                raise DataError(f"dataset {dataset.name}: row {row} of {split} has no output text, others have")
            turns = [*before, text]
            ids = _dialogue(tokenizer, turns, target or "") if answers else tokenizer.encode(text + BETWEEN)
            writer.append(_one(ids, row))
        writer.close()
    return names, {"tokenizer": [tokenizer.tokenizer.to_str()]}


def _rows(config: Config, dataset: Dataset, split: str) -> Iterator[tuple[int, str, str | None, list[str]]]:
    """Row, text, output text and the turns before the text; of ``train`` those that ``data.limit`` draws."""
    total = dataset.splits[split]
    drawn = None
    if split == "train" and 0 < config.data.limit < total:
        drawn = np.zeros(total, dtype=bool)
        drawn[np.random.default_rng(config.seed).permutation(total)[: config.data.limit]] = True
    for rows, texts, _, targets in dataset.chunks(split):
        history = dataset.histories(split, rows[0], rows[-1] + 1, config.data.history)
        for row, text, target, before in zip(rows, texts, targets, history, strict=True):
            if drawn is None or drawn[row]:
                yield row, _whole(text), target, [_whole(turn) for turn in before]


def _whole(text: str) -> str:
    """A text without what UTF-8 has no bytes for: that cannot be a token."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _dialogue(tokenizer: TextTokenizer, turns: list[str], answer: str) -> list[int]:
    end = tokenizer.number(EOS)
    assert end is not None
    return [*tokenizer.turns(turns), *tokenizer.encode(_whole(answer)), end]


def _one(ids: list[int], row: int) -> EncodedSplit:
    numbers = np.array(ids, np.int32)
    return EncodedSplit(numbers, np.array([0, len(ids)]), np.array([-1], np.int32), np.array([row], np.int64))


# batches ------------------------------------------------------------------------------------------------------------


class Source(Protocol):
    """What a training reads and is evaluated on: places, and the batch at some of them."""

    def sampler(self, batch_size: int, seed: int) -> Sampler: ...

    def places(self, limit: int) -> NDArray[np.int64]:
        """The first places to evaluate at, those of like length together."""
        ...

    def batch(self, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Tokens as the model reads them and as it should answer: two ``(B, T)``; IGNORED where no answer counts."""
        ...


class WindowSampler:
    """Windows of a stream that do not overlap, shuffled; every epoch they begin at another place.

    Args:
        tokens: in the stream.
        context: tokens a window; its places are where windows begin.
        batch_size, seed: as for ``BucketSampler``.
    """

    def __init__(self, tokens: int, context: int, batch_size: int, seed: int) -> None:
        self.tokens, self.context, self.batch_size, self.seed = tokens, context, batch_size, seed
        self.repeats = 1
        self.epoch, self.position = 0, 0
        self._order: NDArray[np.int64] = np.zeros(0, np.int64)
        self._order_epoch = -1

    def __len__(self) -> int:
        return max(1, self._windows // self.batch_size)

    @property
    def _windows(self) -> int:
        """Whole windows an epoch, wherever it begins."""
        return max(1, (self.tokens - 1) // self.context - 1)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Where the windows of one epoch begin."""
        rng = np.random.default_rng([self.seed, epoch])
        room = self.tokens - 1 - self._windows * self.context
        start = int(rng.integers(0, max(1, min(room, self.context))))
        return start + rng.permutation(self._windows) * self.context

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        while True:
            if self._order_epoch != self.epoch:
                self._order, self._order_epoch = self.order(self.epoch), self.epoch
            batch = self._order[self.position * self.batch_size : (self.position + 1) * self.batch_size]
            self.position += 1
            if self.position >= len(self):
                self.epoch, self.position = self.epoch + 1, 0
            yield batch

    def state(self) -> dict[str, int]:
        return {"epoch": self.epoch, "position": self.position}

    def restore(self, state: dict[str, int]) -> None:
        self.epoch, self.position = state["epoch"], state["position"]


class Stream:
    """Running text: a place is a token, and what is read from there is a window of ``context`` tokens."""

    def __init__(self, split: EncodedSplit, context: int) -> None:
        self.ids = split.ids
        self.context = context

    def sampler(self, batch_size: int, seed: int) -> Sampler:
        return WindowSampler(len(self.ids), self.context, batch_size, seed)

    def places(self, limit: int) -> NDArray[np.int64]:
        return np.arange(0, max(1, len(self.ids) - 1), self.context, dtype=np.int64)[:limit]

    def batch(self, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        rows = [np.asarray(self.ids[place : place + self.context + 1]) for place in places]
        return _read_and_wanted(rows)


class Dialogues:
    """One text and its answer a place; only the answer counts. What is too long loses its beginning."""

    def __init__(self, split: EncodedSplit, context: int, answers: int) -> None:
        self.split = split
        self.context = context
        self.answers = answers  # the token that opens an answer

    def sampler(self, batch_size: int, seed: int) -> Sampler:
        return BucketSampler(self.split.lengths, batch_size, seed)

    def places(self, limit: int) -> NDArray[np.int64]:
        chosen = np.arange(min(limit, len(self.split)), dtype=np.int64)
        return chosen[np.argsort(self.split.lengths[chosen], kind="stable")]

    def batch(self, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        rows = [self.split.text(int(place))[-self.context - 1 :] for place in places]
        read, wanted = _read_and_wanted(rows)
        opened = (read == self.answers).long()
        last = opened.sum(1, keepdim=True)
        return read, wanted.masked_fill(opened.cumsum(1) < last, IGNORED)


def _read_and_wanted(rows: list[NDArray[Any]]) -> tuple[Tensor, Tensor]:
    block, lengths = pad([row.astype(np.int32) for row in rows])
    ids = torch.from_numpy(block.astype(np.int64))
    there = torch.arange(ids.shape[1] - 1)[None] < torch.from_numpy(lengths)[:, None] - 1
    return ids[:, :-1], ids[:, 1:].masked_fill(~there, IGNORED)


def source_of(split: EncodedSplit, tokenizer: TextTokenizer, context: int) -> Source:
    """How a split is read, by whether its texts have answers."""
    answers = tokenizer.number(ASSISTANT) if tokenizer.dialogue else None
    return Stream(split, context) if answers is None else Dialogues(split, context, answers)
