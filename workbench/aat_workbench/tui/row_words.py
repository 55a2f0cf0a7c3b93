"""What becomes of a row's text on its way into a model: each step's effect, its words' numbers, what may replace them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from aat_datasets.errors import DataError

from .data_job import DataJob

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset
    from aat_datasets.lexicon import Lexicon
    from aat_datasets.vocab import WordTable

__all__ = ["TRACED", "Numbers", "RowWords", "StepEffect", "Substitutes"]

TRACED = 20_000  # characters of a text that the steps are shown on
NUMBERED = 10_000  # texts that a vocabulary is made from while there is no run to take it from
LEXICON_TEXTS = 4_000  # looked through for neighbours where no table of synonyms is there
PARTING = 2.0  # seconds
PARTS = 20  # places of a split that a sample is taken from


class StepEffect(msgspec.Struct, frozen=True):
    """A preprocessing step, and the text after it."""

    step: str
    text: str
    changed: bool


class Numbers(msgspec.Struct, frozen=True):
    """A text's words with their ids; ``None`` where the vocabulary, told by ``source``, has not got the word."""

    source: str
    words: list[tuple[str, int | None]]


class Substitutes(msgspec.Struct, frozen=True):
    """What an attack may put for a text's words, in the order of the text: synonyms and misspellings.

    ``source`` is where the synonyms come from.
    """

    source: str
    words: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]


class _Run(Protocol):
    def __call__(self, work: Callable[[], Any], /) -> Awaitable[Any]: ...


class RowWords:
    """Answers for the dataset that is open.

    Args:
        read: runs what reads rows in the thread that may.

    Attributes: ``dataset``, and ``run`` (the folder of runs and the name of one), whose vocabulary is taken.
    """

    def __init__(self, read: _Run) -> None:
        self._read = read
        # Making a vocabulary or looking for synonyms may take seconds: in a thread of its own it holds up no row.
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="words")
        self.dataset: Dataset | None = None
        self.run: tuple[Path, str] | None = None
        self._choosing: tuple[Dataset, asyncio.Task[Lexicon]] | None = None
        self._table: tuple[object, str, WordTable] | None = None  # with what it was made for, and its source

    async def close(self) -> None:
        """Let what runs end; a process that looks for synonyms is seen off."""
        if self._choosing is not None:
            self._choosing[1].cancel()
            await asyncio.wait([self._choosing[1]], timeout=PARTING)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _think(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def effects(self, text: str) -> list[StepEffect]:
        """What each step of the dataset's default pipeline does to the beginning of a text."""
        steps = self._steps()

        def work() -> list[StepEffect]:
            from aat_datasets.preprocess import Pipeline

            before = text[:TRACED]
            found: list[StepEffect] = []
            for step, after in Pipeline(steps).trace(before):
                found.append(StepEffect(step, after, after != before))
                before = after
            return found

        return await self._think(work)

    def _steps(self) -> tuple[str, ...]:
        from aat_datasets.preprocess import normal_steps

        return normal_steps(self.dataset.info.language if self.dataset is not None else "en")

    # Numbers

    async def numbers(self, text: str) -> Numbers | None:
        """The ids of a text's words, in the vocabulary of the run that is selected, else in one of the train texts."""
        dataset = self.dataset
        if dataset is None:
            return None
        run = self.run
        checkpoint = await self._think(lambda: _checkpoint(*run)) if run and run[1] else None
        key = checkpoint or dataset.fingerprint
        if self._table is None or self._table[0] != key:
            if run is not None and checkpoint is not None:
                self._table = await self._think(lambda: (key, f"run {run[1]}", _load(checkpoint)))
            else:
                texts, _ = await self._read(lambda: _sample(dataset, NUMBERED))
                self._table = await self._think(
                    lambda: (key, f"{len(texts)} train texts", _count(texts, self._steps()))
                )
        assert self._table is not None
        _, source, table = self._table
        return await self._think(lambda: _numbers(source, table, text))

    # Substitutes

    async def substitutes(self, text: str) -> Substitutes | None:
        """The words of a text (as the steps leave it) that can be replaced; None where no word can."""
        dataset = self.dataset
        if dataset is None:
            return None
        if self._choosing is None or self._choosing[0] is not dataset:
            if self._choosing is not None:
                self._choosing[1].cancel()
            self._choosing = (dataset, asyncio.create_task(self._choose(dataset)))
        # Whoever asked may be gone before it is chosen; the next one finds it.
        lexicon = await asyncio.shield(self._choosing[1])
        return await self._think(lambda: _substitutes(lexicon, text))

    async def _choose(self, dataset: Dataset) -> Lexicon:
        """What ``surface.source = auto`` would take for this dataset."""
        found = await self._think(lambda: _table_of(dataset))
        if len(found):
            return found
        from aat_datasets.lexicon import Lexicon

        texts, labels = await self._read(lambda: _sample(dataset, LEXICON_TEXTS))
        try:
            told = await DataJob("neighbours", dataset.name, texts=texts, labels=labels).run()
        except DataError:
            return Lexicon.empty()  # words without synonyms still have misspellings
        return Lexicon(told["table"], told["name"])


def _checkpoint(root: Path, run: str) -> Path | None:
    """A run's best checkpoint, where it has one; of a run of another host only the name is here."""
    from ..runs import RunFolder

    folder = RunFolder(root / run)
    path = folder.best() or folder.latest()
    return path if path is not None and (path / "tokenizer.json").is_file() else None


def _load(checkpoint: Path) -> WordTable:
    from aat_datasets.vocab import WordTable

    return WordTable.load(checkpoint / "tokenizer.json")


def _count(texts: Sequence[str], steps: Sequence[str]) -> WordTable:
    """The vocabulary that a training with the default config would make of these texts."""
    from aat_datasets.preprocess import Pipeline
    from aat_datasets.vocab import WordTable
    from aat_models.config import DataConfig

    default = DataConfig()
    return WordTable.train(Pipeline(steps).run(texts)[0], default.vocabulary, default.min_count)


def _numbers(source: str, table: WordTable, text: str) -> Numbers:
    words = text[:TRACED].split()
    ids = (table.tokenizer.token_to_id(word) for word in words)
    return Numbers(source, list(zip(words, ids, strict=True)))


def _substitutes(lexicon: Lexicon, text: str) -> Substitutes | None:
    from aat_datasets.lexicon import character_variants
    from aat_models.config import SurfaceConfig

    limits = SurfaceConfig()
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for word in dict.fromkeys(text[:TRACED].split()):
        synonyms = lexicon.substitutes(word) or lexicon.substitutes(word.lower())
        variants = character_variants(word, limits.characters)
        if synonyms or variants:
            found[word] = (synonyms[: limits.synonyms], variants)
    return Substitutes(lexicon.name if len(lexicon) else "no synonyms", found) if found else None


def _table_of(dataset: Dataset) -> Lexicon:
    """The table of synonyms there is for a dataset; empty where its texts have to tell."""
    from aat_datasets import lexicon

    return lexicon.choose("auto", dataset.name, language=dataset.info.language)


def _sample(dataset: Dataset, limit: int) -> tuple[list[str], list[int | None]]:
    """Texts and labels of the train split: all of a small one, of a large one what lies at twenty places."""
    split = "train" if "train" in dataset.splits else next(iter(dataset.splits))
    total = dataset.splits[split]
    if total <= limit:
        spans = [(0, total)]
    else:
        spans = [(part * total // PARTS, part * total // PARTS + limit // PARTS) for part in range(PARTS)]
    where = " OR ".join(f"row BETWEEN {start} AND {stop - 1}" for start, stop in spans)
    label = "code" if dataset.labels else "NULL"
    found = dataset.table(split).query(f"SELECT left(text, {TRACED}), {label} FROM texts WHERE {where} ORDER BY row")
    return [text for text, _ in found], [code for _, code in found]
