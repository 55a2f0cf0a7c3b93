"""Chinese words by jieba: its dictionary, and its hidden Markov model for what is not in it.

jieba is asked for a table of its own, never for its default one: that would keep a cache under a fixed name in a folder
that all users of a machine share, and speak on stderr. The table is read from the package once a process, in a second.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

from aat_datasets.errors import DataError

__all__ = ["available", "chinese_words", "word_counts"]

_LONGEST = 1024  # characters without a blank; jieba's cost grows with their square where it knows no word
_PIECES = re.compile(f".{{1,{_LONGEST}}}", re.DOTALL)


def chinese_words(text: str) -> Iterator[str]:
    """The words of a text without blanks; every punctuation mark is one.

    A run of more than 1,024 characters is cut there first. Raises DataError where jieba is not installed.
    """
    tokenizer = _tokenizer()
    for piece in _PIECES.findall(text):
        yield from tokenizer.cut(piece)


def word_counts() -> dict[str, int]:
    """The words of jieba's dictionary and how often it saw them. Raises DataError where jieba is not installed."""
    table: dict[str, int] = _tokenizer().FREQ
    return {word: count for word, count in table.items() if count}


def available() -> bool:
    """Whether jieba is installed."""
    from importlib.util import find_spec

    return find_spec("jieba") is not None


@cache
def _tokenizer() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its patterns hold escapes that Python has come to warn about
            import jieba  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise DataError("Chinese text needs jieba to find its words", 'pip install "aat-workbench[zh]"') from None
    tokenizer: Any = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer
