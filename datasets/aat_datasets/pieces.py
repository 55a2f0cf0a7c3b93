"""Pieces of words, learnt from texts: what a decoder writes rare words with (byte-pair encoding, Sennrich et al. 2016).

A piece that goes on with a word begins with ``JOIN``. That sign becomes another under NFKC, which every output text passes, so
that no text holds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["JOIN", "Pieces"]

JOIN = "\uffed"
_CONTINUED = "##"  # the mark of tokenizers; what stands where is known without it
_UNKNOWN = "[UNK]"
_LINE = 1000  # words


class Pieces:
    """Word → pieces.

    Args:
        tokenizer: with a BPE model, for words between blanks.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, str] = {}

    @classmethod
    def learn(cls, counts: Counter[str], size: int) -> Pieces:
        """At most ``size`` pieces, characters included, from words and how often each occurs."""
        from tokenizers import Tokenizer
        from tokenizers.models import BPE
        from tokenizers.pre_tokenizers import WhitespaceSplit
        from tokenizers.trainers import BpeTrainer

        tokenizer = Tokenizer(BPE(unk_token=_UNKNOWN, continuing_subword_prefix=_CONTINUED))
        tokenizer.pre_tokenizer = WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
        trainer = BpeTrainer(
            vocab_size=size, special_tokens=[_UNKNOWN], continuing_subword_prefix=_CONTINUED, show_progress=False
        )
        tokenizer.train_from_iterator(_lines(counts), trainer)
        return cls(tokenizer)

    def text(self, words: str) -> str:
        """A text of words between blanks as one of pieces."""
        return " ".join(self._known.get(word) or self._split(word) for word in words.split())

    def counts(self, words: Counter[str]) -> Counter[str]:
        """How often each piece occurs in words that are counted."""
        found: Counter[str] = Counter()
        for word, count in words.items():
            for piece in self.text(word).split():
                found[piece] += count
        return found

    def _split(self, word: str) -> str:
        first, *others = self._tokenizer.encode(word.encode("utf-8", "replace").decode("utf-8")).tokens
        pieces = [first, *(_joined(piece) for piece in others)]
        self._known[word] = " ".join(pieces)
        return self._known[word]


def _joined(piece: str) -> str:
    return piece if piece == _UNKNOWN else JOIN + piece.removeprefix(_CONTINUED)


def _lines(counts: Counter[str]) -> Iterator[str]:
    for word, count in counts.items():
        word = word.encode("utf-8", "replace").decode("utf-8")
        for done in range(0, count, _LINE):
            yield " ".join([word] * min(_LINE, count - done))
