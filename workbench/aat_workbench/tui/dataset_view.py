"""What the Datasets pane reads, off the screen's thread: one thread, one open split, filters, counts, steps' effects.

Imports the readers (and with them DuckDB and NLTK) when the first dataset is opened, not before.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import msgspec

from aat_datasets.records import DatasetInfo, Example, Row
from aat_models.config import DataConfig

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset
    from aat_datasets.lexicon import Lexicon
    from aat_datasets.tables import Table

__all__ = ["ORDERS", "Filter", "Reader", "StepEffect", "Substitutes", "Summary", "detail_of"]

T = TypeVar("T")

ORDERS = ("row", "length", "-length", "label", "text")
TRACED = 20_000  # characters of a text that the steps are shown on
SHOWN = 3_000  # characters of a text that are shown
BINS = 8
LEXICON_TEXTS = 4_000  # looked through for neighbours where no table of synonyms is there


class Filter(msgspec.Struct, frozen=True):
    """Which rows, in which order. ``text`` is what a row contains; after a ``=`` it is an SQL condition."""

    text: str = ""
    label: str = ""
    order: str = "row"

    @property
    def any(self) -> bool:
        return bool(self.text or self.label)

    def arguments(self) -> dict[str, str | None]:
        """As ``Table.count`` takes them."""
        where = self.text.startswith("=")
        return {
            "where": self.text[1:].strip() or None if where else None,
            "contains": self.text or None if not where else None,
            "label": self.label or None,
        }


class Summary(msgspec.Struct, frozen=True):
    """A split's label counts, and its lengths in words as ``(low, high, texts)``."""

    labels: dict[str, int]
    lengths: list[tuple[int, int, int]]


class StepEffect(msgspec.Struct, frozen=True):
    """A preprocessing step, and the text after it."""

    step: str
    text: str
    changed: bool


class Substitutes(msgspec.Struct, frozen=True):
    """Synonyms of a text's words, by word in order of the text, and where they come from."""

    source: str
    words: dict[str, tuple[str, ...]]


class Reader:
    """Everything slow, in one thread of its own; the coroutines may be called from the app's loop only."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="datasets")
        # Looking for synonyms may take seconds: in a thread of its own it holds up no row.
        self._synonyms = ThreadPoolExecutor(max_workers=1, thread_name_prefix="synonyms")
        self._lexicon: tuple[str, Lexicon] | None = None  # and the dataset it was chosen for
        self.dataset: Dataset | None = None
        self.split = ""

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let what runs end by itself; nothing waits for it."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._synonyms.shutdown(wait=False, cancel_futures=True)

    async def listing(self) -> list[DatasetInfo]:
        def work() -> list[DatasetInfo]:
            from aat_datasets import catalog

            return catalog.listing()

        return await self._run(work)

    async def open(self, name: str, progress: Callable[[int, int, str], None]) -> Dataset:
        """Open a dataset, reading its raw files where that has not been done. ``progress`` is called on the loop."""
        loop = asyncio.get_running_loop()

        def report(done: int, total: int, message: str) -> None:
            loop.call_soon_threadsafe(progress, done, total, message)

        def work() -> Dataset:
            from aat_datasets import catalog

            return catalog.open_dataset(name, report)

        self.dataset = await self._run(work)
        self.split = next(iter(self.dataset.splits), "")
        return self.dataset

    async def count(self, chosen: Filter) -> int:
        table = self._table()
        return await self._run(lambda: table.count(**chosen.arguments()))

    async def window(self, start: int, stop: int, chosen: Filter) -> list[Row]:
        table = self._table()
        order = None if chosen.order == "row" else chosen.order
        return await self._run(lambda: table.window(start, stop, order=order, **chosen.arguments()))

    async def summary(self) -> Summary:
        table = self._table()
        return await self._run(lambda: Summary(table.label_counts(), table.length_histogram(BINS)))

    async def effects(self, text: str) -> list[StepEffect]:
        """What each step of the default pipeline does to the beginning of a text."""

        def work() -> list[StepEffect]:
            from aat_datasets.preprocess import Pipeline

            before = text[:TRACED]
            found: list[StepEffect] = []
            for step, after in Pipeline(DataConfig().preprocess).trace(before):
                found.append(StepEffect(step, after, after != before))
                before = after
            return found

        return await self._run(work)

    async def substitutes(self, text: str) -> Substitutes | None:
        """The words of a text (as the steps leave it) that have synonyms; None where no source has any for them."""
        dataset = self.dataset
        if dataset is None:
            return None

        def read() -> list[Example]:
            split = "train" if "train" in dataset.splits else next(iter(dataset.splits))
            return dataset.examples(split, LEXICON_TEXTS)

        known = self._lexicon is not None and self._lexicon[0] == dataset.name
        examples = [] if known else await self._run(read)

        def work() -> Substitutes | None:
            lexicon = self._choose(dataset, examples)
            if not len(lexicon):
                return None
            words = dict.fromkeys(text[:TRACED].split())
            found = {word: lexicon.substitutes(word) or lexicon.substitutes(word.lower()) for word in words}
            return Substitutes(lexicon.name, {word: others for word, others in found.items() if others})

        return await asyncio.get_running_loop().run_in_executor(self._synonyms, work)

    def _choose(self, dataset: Dataset, examples: list[Example]) -> Lexicon:
        """What ``surface.source = auto`` would take for this dataset, chosen once."""
        if self._lexicon is None or self._lexicon[0] != dataset.name:
            from aat_datasets import lexicon

            words = [example.text.lower().split() for example in examples]
            labels = [example.label for example in examples]
            found = lexicon.choose("auto", dataset.name, words, labels, language=dataset.info.language)
            self._lexicon = (dataset.name, found)
        return self._lexicon[1]

    def _table(self) -> Table:
        assert self.dataset is not None
        return self.dataset.table(self.split)


def detail_of(row: Row) -> str:
    """One line about a row: its words and characters."""
    words, characters = len(row.text.split()), len(row.text)
    return f"{words} word{'' if words == 1 else 's'} · {characters} characters"
