"""Tokens as people read them: words with blanks where they belong, or the pieces of a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

from aat_datasets.chinese import has_han
from aat_datasets.pieces import JOIN
from aat_datasets.subwords import Spelling, TextTokenizer
from aat_datasets.vocab import EOS, WordTable

__all__ = ["END", "TokenSpeller", "WordSpeller", "spacing"]

END = "⏎"  # stands for the end of a text among alternatives

_QUOTES = {"``": '"', "''": '"'}  # as NLTK's rules write them
_CLOSING = set(".,!?;:)]}%…’”。、，！？；：）》」")
_OPENING = set("([{“$£#（《「。，！？；：、")


class WordSpeller:
    """One text of words, or of their pieces.

    Args:
        table: numbers the words.
    """

    def __init__(self, table: WordTable) -> None:
        self._table = table
        self._previous = ""

    def add(self, number: int) -> str:
        word = self._table.word(number)
        if word[0] == JOIN:
            text = self._previous = word[1:]
            return text
        text = spacing(word, self._previous) + _QUOTES.get(word, word)
        self._previous = word
        return text

    def rest(self) -> str:
        return ""

    def shown(self, number: int) -> str:
        word = self._table.word(number)
        return END if number == EOS else "…" + word[1:] if word[0] == JOIN else word


class TokenSpeller:
    """One text that goes on after the tokens ``before``.

    Args:
        ends: tokens that end a text.
    """

    def __init__(self, tokenizer: TextTokenizer, before: Sequence[int], ends: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._spelling = Spelling(tokenizer, before)
        self._ends = ends

    def add(self, number: int) -> str:
        return self._spelling.add(number)

    def rest(self) -> str:
        return self._spelling.rest()

    def shown(self, number: int) -> str:
        if number in self._ends:
            return END
        return self._tokenizer.decode([number]) or str(self._tokenizer.tokenizer.id_to_token(number))


def spacing(word: str, previous: str) -> str:
    """What stands between two words of an output text: a space, or nothing at its start and around punctuation.

    Nothing beside a Chinese word either.
    """
    if (
        not previous
        or has_han(word[0] + previous[-1])
        or word[0] in _CLOSING
        or word in ("''", "n't", "'s", "'re", "'ve", "'ll", "'d", "'m")
        or previous[-1] in _OPENING
        or previous == "``"
    ):
        return ""
    return " "
