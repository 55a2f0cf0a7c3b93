"""The attack surface's words: for every word, the substitutes an adversary may put in its place.

A lexicon is data: closed, at most 8 substitutes a word, named by the hash of its table, saved with a run. It is made
from the counter-fitted neighbours of Jia et al. 2019 ("Certified robustness to adversarial word substitutions"), from
a built-in corpus' own table, from a user's file, or from the training texts alone. Words are compared as they are:
tables are lower-case, so texts are looked up after the preprocessing step ``lowercase``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets import builtin, lexical
from aat_datasets.chinese.wordnet import read_synonyms
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.neighbours import neighbours
from aat_datasets.typos import character_variants

__all__ = ["LIMIT", "SOURCES", "Lexicon", "character_variants", "choose"]

LIMIT = 8
"""Substitutes a word has at most."""

SOURCES = ("auto", "counterfitted", "wordnet-cmn", "dataset", "neighbours", "none")


class Lexicon:
    """Word → substitutes, closed and hashed.

    Args:
        table: word → substitutes, best first. The word itself, repetitions, empty strings, words with a space in them
            and all beyond the eighth are left out; words left with nothing are not in the lexicon.
        name: short name for lists: ``counterfitted``, ``support``, ``neighbours``.
        source: one line on where the table comes from.
    """

    def __init__(self, table: Mapping[str, Iterable[str]], name: str, source: str = "") -> None:
        self.name = name
        self.source = source
        cleaned: dict[str, tuple[str, ...]] = {}
        for word in sorted(table):
            found = tuple(dict.fromkeys(s for s in table[word] if s != word and len(s.split()) == 1))[:LIMIT]
            if found:
                cleaned[word] = found
        self._table = cleaned

    def substitutes(self, word: str) -> tuple[str, ...]:
        """At most 8 words for ``word``, best first, never the word itself; empty where there is none."""
        return self._table.get(word, ())

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the table in the order of its words: the identity of the surface."""
        return hashlib.sha256(msgspec.json.encode(list(self._table.items()))).hexdigest()

    @property
    def words(self) -> tuple[str, ...]:
        """The words that have substitutes, sorted."""
        return tuple(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, word: object) -> bool:
        return word in self._table

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lexicon) and self._table == other._table

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"Lexicon({self.name!r}, {len(self)} words, {self.hash[:12]})"

    def restrict(self, vocabulary: Collection[str]) -> Lexicon:
        """Only the words and substitutes that are in ``vocabulary``."""
        kept = frozenset(vocabulary)
        return Lexicon(
            {w: [s for s in found if s in kept] for w, found in self._table.items() if w in kept},
            self.name,
            self.source,
        )

    def capped(self, limit: int) -> Lexicon:
        """At most the first ``limit`` substitutes of every word."""
        return Lexicon({w: found[: max(limit, 0)] for w, found in self._table.items()}, self.name, self.source)

    def save(self, path: Path) -> None:
        """Write the table as JSON with its name, source and hash."""
        record = {"name": self.name, "source": self.source, "hash": self.hash, "table": self._table}
        path.write_bytes(msgspec.json.encode(record))

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        """The lexicon that ``save`` wrote. Raises DataError where the file is absent, damaged or altered."""
        try:
            record = msgspec.json.decode(path.read_bytes(), type=_Saved)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: not a lexicon: {error}") from None
        lexicon = cls(record.table, record.name, record.source)
        if lexicon.hash != record.hash:
            raise DataError(f"{path}: the table does not match its hash", "the file was changed after it was saved")
        return lexicon

    @classmethod
    def empty(cls) -> Lexicon:
        """No word has a substitute: the surface is character variants alone."""
        return cls({}, "none", "no synonyms")

    @classmethod
    def from_counterfitted(cls, mirror: Path | None = None) -> Lexicon:
        """The table of Jia et al. 2019, downloaded or from the folder ``mirror`` (else ``AAT_MIRROR``): 25,591 English words.

        Raises DataError where the file is absent or of another content.
        """
        table = msgspec.json.decode(lexical.read(lexical.needed("counterfitted", mirror)), type=dict[str, list[str]])
        return cls(table, "counterfitted", "counter-fitted neighbours, Jia et al. 2019")

    @classmethod
    def from_chinese_wordnet(cls, mirror: Path | None = None) -> Lexicon:
        """The Chinese Open Wordnet, downloaded or from the folder ``mirror`` (else ``AAT_MIRROR``): 40,285 words.

        Raises DataError where the file is absent or of another content.
        """
        return cls(
            read_synonyms(lexical.needed("wordnet-cmn", mirror)),
            "wordnet-cmn",
            "Chinese Open Wordnet, words of one synset",
        )

    @classmethod
    def from_builtin(cls, name: str) -> Lexicon:
        """A built-in corpus' own, hand-written table. Raises UnknownNameError."""
        return cls(builtin.synonyms(name), name, f"written for the built-in corpus {name}")

    @classmethod
    def from_tsv(cls, path: Path) -> Lexicon:
        """A user's table: a line holds a word, a tab, and its substitutes separated by tabs, commas or spaces.

        Lines that are empty or begin with ``#`` are skipped; a word on several lines gets all their substitutes.
        Raises DataError naming the line.
        """
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 at byte {error.start}", "save the file as UTF-8") from None
        table: dict[str, list[str]] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            head, tab, rest = line.partition("\t")
            found = rest.replace(",", " ").split()
            if not tab or not found or len(head.split()) != 1:
                raise DataError(f"{path}, line {number}: expected one word, a tab and its substitutes")
            table.setdefault(head.strip(), []).extend(found)
        return cls(table, path.stem, f"file {path.name}")

    @classmethod
    def from_neighbours(
        cls, texts: Sequence[Sequence[str]], labels: Sequence[int | None] | None = None, **settings: Any
    ) -> Lexicon:
        """Words that stand in the same contexts of the training texts; see ``neighbours`` for the settings.

        ``texts`` holds the words of every text; a text given as a string is split on spaces.
        """
        table = neighbours([_words(text) for text in texts], labels, **settings)
        return cls(table, "neighbours", "distributional neighbours in the training texts")


class _Saved(msgspec.Struct):
    name: str
    source: str
    hash: str
    table: dict[str, list[str]]


def choose(
    source: str,
    dataset: str,
    texts: Sequence[Sequence[str]] = (),
    labels: Sequence[int | None] | None = None,
    *,
    language: str | None = None,
    mirror: Path | None = None,
) -> Lexicon:
    """The lexicon for ``surface.source``.

    ``auto`` takes the first that is there: the counter-fitted table (English only) or the Chinese WordNet (Chinese only),
    the dataset's own, neighbours in its texts.

    Args:
        source: one of SOURCES.
        dataset: the dataset's name.
        texts: the words of every training text (a string is split on spaces); used by ``neighbours``.
        labels: the class of every text, or None.
        language: ``en``, ``zh``, …; None: English is assumed where the table knows most of the words.
        mirror: folder of raw files; None: ``AAT_MIRROR``.

    Raises:
        DataError: the source that was asked for is not there.
        UnknownNameError: no such source.
    """
    if source not in SOURCES:
        raise UnknownNameError("synonym source", source, SOURCES)
    if source == "none":
        return Lexicon.empty()
    if source == "counterfitted":
        return Lexicon.from_counterfitted(mirror)
    if source == "wordnet-cmn":
        return Lexicon.from_chinese_wordnet(mirror)
    if source == "dataset":
        if dataset not in builtin.names():
            raise DataError(f"dataset {dataset} has no synonym table of its own", "choose another surface.source")
        return Lexicon.from_builtin(dataset)
    if source == "auto":
        if language in (None, "en") and lexical.find("counterfitted", mirror) is not None:
            lexicon = Lexicon.from_counterfitted(mirror)
            if language == "en" or _covers(lexicon, texts):
                return lexicon
        if language == "zh" and lexical.find("wordnet-cmn", mirror) is not None:
            return Lexicon.from_chinese_wordnet(mirror)
        if dataset in builtin.names():
            return Lexicon.from_builtin(dataset)
    return Lexicon.from_neighbours(texts, labels)


def _covers(lexicon: Lexicon, texts: Sequence[Sequence[str]], share: float = 0.35) -> bool:
    """Whether the lexicon knows at least ``share`` of the running words of (a sample of) the texts.

    It has neighbours for 49 to 59 % of the words of English texts, 15 % of German ones, none of Chinese.
    """
    sample = texts[:: max(1, len(texts) // 2000)]
    words = [word.lower() for text in sample for word in _words(text) if any(c.isalpha() for c in word)]
    return not words or sum(word in lexicon for word in words) >= share * len(words)


def _words(text: Sequence[str]) -> Sequence[str]:
    return text.split() if isinstance(text, str) else text
