"""Where published recipes take their synonyms from. Opened at the start of an attack; DataError says what is missing."""

from __future__ import annotations

import functools
import os

from aat_datasets.chinese import has_han
from aat_datasets.errors import DataError
from aat_datasets.sources import data_root
from aat_models.attacks.transforms import Surface
from aat_models.attacks.wordnet import open_wordnet

__all__ = ["counterfitted", "wordnet"]


def counterfitted() -> Surface:
    """Up to 8 neighbours in counter-fitted vectors, nearest first: the table of Jia et al. 2019."""
    return _counterfitted(*_places())


def wordnet() -> Surface:
    """The words that share a synset with a word; those of Chinese words where the table is there."""
    return _bilingual(*_places())


def _places() -> tuple[str, str]:
    """Where tables are looked for: what is opened is kept for these."""
    return os.environ.get("AAT_MIRROR", ""), str(data_root())


@functools.lru_cache(2)
def _bilingual(mirror: str, data: str) -> Surface:
    from aat_datasets.lexicon import Lexicon

    english = open_wordnet()
    try:
        chinese = Lexicon.from_chinese_wordnet()
    except DataError:  # the texts may well be English; of Chinese ones the attack says that it knows no word
        return english
    return lambda word: chinese.substitutes(word) if has_han(word) else english(word)


@functools.lru_cache(2)
def _counterfitted(mirror: str, data: str) -> Surface:
    from aat_datasets.lexicon import Lexicon

    lexicon = Lexicon.from_counterfitted()

    def substitutes(word: str) -> tuple[str, ...]:
        # The table is lower-case; a victim that keeps capitals still has synonyms for such words.
        return lexicon.substitutes(word) or lexicon.substitutes(word.lower())

    return substitutes
