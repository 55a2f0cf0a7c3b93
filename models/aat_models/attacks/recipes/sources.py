"""Where published recipes take their synonyms from. Opened at the start of an attack; DataError says what is missing."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from aat_models.attacks.transforms import Surface
from aat_models.attacks.wordnet import open_wordnet

__all__ = ["counterfitted", "wordnet"]


def counterfitted() -> Surface:
    """Up to 8 neighbours in counter-fitted vectors, nearest first: the table of Jia et al. 2019 in ``AAT_MIRROR``."""
    return _counterfitted(os.environ.get("AAT_MIRROR", ""))


def wordnet() -> Surface:
    """The words that share a synset with a word."""
    return open_wordnet()


@functools.lru_cache(2)
def _counterfitted(mirror: str) -> Surface:
    from aat_datasets.lexicon import Lexicon

    lexicon = Lexicon.from_counterfitted(Path(mirror) if mirror else None)

    def substitutes(word: str) -> tuple[str, ...]:
        # The table is lower-case; a victim that keeps capitals still has synonyms for such words.
        return lexicon.substitutes(word) or lexicon.substitutes(word.lower())

    return substitutes
