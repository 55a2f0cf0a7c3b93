"""WordNet's synonyms: the Open English WordNet table of ``AAT_MIRROR``, else NLTK's WordNet where its data is present.

Both hold the single words that share a synset with a word or with its base form. The table was made from WordNet and
opens in a tenth of a second; NLTK takes ten.
"""

from __future__ import annotations

import functools
import gzip
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from aat_datasets import lexical
from aat_models.attacks.transforms import Surface

__all__ = ["base_forms", "open_wordnet", "table_synonyms"]

_TABLE = "lexical/oewn2024_synonyms.tsv.gz"
_ENDINGS = {
    "n": ("s:", "ses:s", "ves:f", "xes:x", "zes:z", "ches:ch", "shes:sh", "men:man", "ies:y"),
    "v": ("s:", "ies:y", "ied:y", "es:e", "es:", "ed:e", "ed:", "ing:e", "ing:"),
    "a": ("er:", "est:", "er:e", "est:e"),
}

Table = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Part of speech → word → synonyms."""


def base_forms(word: str, part: str) -> Iterator[str]:
    """The word and what WordNet's rules of detachment make of it, and -ied; irregular forms are not known."""
    yield word
    for ending, _, base in (rule.partition(":") for rule in _ENDINGS.get(part, ())):
        if word.endswith(ending) and len(word) > len(ending):
            yield word[: -len(ending)] + base


def table_synonyms(table: Table) -> Surface:
    """The synonyms of a word in ``table``, those of its base forms included, each once, for any part of speech."""

    def synonyms(word: str) -> tuple[str, ...]:
        lower = word.lower()
        forms = {(part, form) for part in table for form in base_forms(lower, part) if form in table[part]}
        found = dict.fromkeys(
            other
            for part, form in sorted(forms, key=lambda entry: (entry[1] != lower, entry))
            for other in (form, *table[part][form])
        )
        return tuple(other for other in found if other != lower)

    return functools.lru_cache(65_536)(synonyms)


def open_wordnet() -> Surface:
    """WordNet as a surface. Raises DataError where neither the table nor NLTK's data is there."""
    return _open(os.environ.get("AAT_MIRROR", ""))


@functools.lru_cache(2)
def _open(mirror: str) -> Surface:
    path = Path(mirror) / _TABLE
    if mirror and path.is_file():
        return table_synonyms(_read(path))
    return _from_nltk()


def _read(path: Path) -> Table:
    table: dict[str, dict[str, tuple[str, ...]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        next(lines)  # the header
        for line in lines:
            lemma, part, synonyms = line.rstrip("\n").split("\t")
            table.setdefault(part, {})[lemma] = tuple(synonyms.split(","))
    return table


def _from_nltk() -> Surface:
    wordnet = lexical.nltk_wordnet()

    def synonyms(word: str) -> tuple[str, ...]:
        lower = word.lower()
        found = [synset for synset in wordnet.synsets(lower) if synset is not None]
        names = [name for synset in found for name in synset.lemma_names()]
        return tuple(dict.fromkeys(name for name in names if "_" not in name and name.lower() != lower))

    return functools.lru_cache(65_536)(synonyms)
