"""Words → the form they are counted under: Porter's stems, WordNet's lemmas. Both by NLTK."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

__all__ = ["lemmatise", "stem"]


def stem(text: str) -> str:
    """Every word by Porter's stemmer (NLTK): ``running`` → ``run``. Other than in NLTK capitals stay."""
    return " ".join(map(_stem, text.split()))


def lemmatise(text: str) -> str:
    """Every word by its shortest form in WordNet (NLTK): ``mice`` → ``mouse``, ``was`` → ``be``.

    Raises DataError where WordNet is not installed.
    """
    return " ".join(map(_lemma, text.split()))


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    stemmed = str(_stemmer().stem(word, to_lowercase=False))
    return stemmed or word


@cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer  # pyright: ignore[reportMissingTypeStubs]

    return PorterStemmer()


@lru_cache(maxsize=1 << 16)
def _lemma(word: str) -> str:
    if not word.isalpha():
        return word
    wordnet = _wordnet()
    lowered = word.lower()
    # Of the forms that each part of speech gives, the shortest: what the text means is not known here.
    forms = [found for part in "nvar" if (found := wordnet.morphy(lowered, part))]
    shortest = min(forms, key=len, default=lowered)
    return word if shortest == lowered else shortest


@cache
def _wordnet() -> Any:
    from aat_datasets import lexical

    return lexical.nltk_wordnet()
