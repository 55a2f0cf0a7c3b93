"""Synonyms of the Chinese Open Wordnet (Wang and Bond 2013): the words that share a synset, those of most synsets first."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from aat_datasets import lexical
from aat_datasets.errors import DataError

__all__ = ["read_synonyms"]


def read_synonyms(path: Path) -> dict[str, list[str]]:
    """Word → its synonyms, from the table, gzipped or not, of lines ``synset<TAB>cmn:lemma<TAB>word``.

    Those that share more synsets with the word go first, then those with fewer senses of their own. The table writes
    most adjectives and adverbs with the particle that follows them before a noun or a verb, ``好+的``, ``轻轻+地``: here
    they are without it, as they stand in a text. Raises DataError where the file cannot be read.
    """
    members: dict[str, dict[str, None]] = defaultdict(dict)  # synset → its words, in the order of the file
    senses: dict[str, list[str]] = defaultdict(list)
    try:
        lines = lexical.read(path).decode().split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a readable table of words: {error}") from None
    for line in lines:
        fields = line.rstrip("\r").split("\t")
        if line.startswith("#") or len(fields) < 3:
            continue
        word = fields[2].removesuffix("+的").removesuffix("+地").replace("+", "")
        if word and word not in members[fields[0]]:
            members[fields[0]][word] = None
            senses[word].append(fields[0])
    if not senses:
        raise DataError(f"{path}: not a readable table of words: no line has a synset, its kind and a word")
    table: dict[str, list[str]] = {}
    for word, synsets in senses.items():
        shared = Counter(other for synset in synsets for other in members[synset] if other != word)
        table[word] = sorted(shared, key=lambda other: (-shared[other], len(senses[other]), len(other), other))
    return {word: found for word, found in table.items() if found}
