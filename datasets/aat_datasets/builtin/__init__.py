"""Corpora that the package makes itself, so that a fresh machine without a network has texts to train on.

They are synthetic and say so. Each is generated in a second or so, the same on every machine.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from aat_datasets.builtin import support, support_zh
from aat_datasets.builtin.corpus import Corpus
from aat_datasets.errors import UnknownNameError

__all__ = ["SEED", "fingerprint", "labels", "names", "splits", "synonyms", "titles"]

SEED = 2024
"""Seed of the published corpus; another one gives another sample of the same grammar."""


_CORPORA = {corpus.name: corpus for corpus in (support.CORPUS, support_zh.CORPUS)}


def names() -> tuple[str, ...]:
    """The built-in corpora."""
    return tuple(_CORPORA)


def labels(name: str) -> list[str]:
    """The corpus' label names, in the order of their numbers. Raises UnknownNameError."""
    return _corpus(name).labels()


def titles(name: str) -> dict[str, str]:
    """Label name → what it means, in words. Raises UnknownNameError."""
    return _corpus(name).titles()


def splits(name: str, seed: int = SEED) -> dict[str, list[tuple[str, str, str]]]:
    """Split → rows of (text, label name, reply). Raises UnknownNameError.

    No text occurs twice, within a split or across them.
    """
    return _corpus(name).messages(seed)


def fingerprint(name: str, seed: int = SEED) -> str:
    """SHA-256 of all rows: it changes exactly when the corpus does. Raises UnknownNameError."""
    return hashlib.sha256(msgspec.json.encode(splits(name, seed))).hexdigest()


def synonyms(name: str) -> dict[str, list[str]]:
    """The corpus' hand-written table: word → at most 8 substitutes, best first. Raises UnknownNameError."""
    return {word: list(found) for word, found in _synonyms(_corpus(name).folder).items()}


@cache
def _synonyms(folder: Path) -> dict[str, list[str]]:
    """Read ``synonyms.txt``: a line is a group of words, each of which may stand for every other.

    A line ``word > a b`` goes one way only. A word in several lines gets the substitutes of all, in their order.
    """
    table: dict[str, list[str]] = {}
    for line in (folder / "synonyms.txt").read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0]
        left, arrow, right = text.partition(">")
        heads, group = left.split(), (right if arrow else left).split()
        for word in heads:
            found = table.setdefault(word, [])
            found.extend(other for other in group if other != word and other not in found)
    return {word: found[:8] for word, found in table.items() if found}


def _corpus(name: str) -> Corpus:
    if name not in _CORPORA:
        raise UnknownNameError("built-in corpus", name, names())
    return _CORPORA[name]
