"""Words and their numbers: a trained vocabulary that keeps numbering words it has never seen.

Ids below ``size`` belong to the vocabulary that a model has vectors for. Every other word gets an id of its own on
first sight, so that a character-aware embedding can tell two unseen words apart, and an attack can pass any word as
a number. Those later ids live as long as the table; they are never written to a checkpoint.
"""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aat_datasets.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["BOS", "EOS", "PAD", "UNK", "WordTable"]

PAD, UNK, BOS, EOS = 0, 1, 2, 3
_SPECIAL = ["[PAD]", "[UNK]", "[BOS]", "[EOS]"]


class WordTable:
    """Word ↔ id, for words separated by single spaces.

    Args:
        tokenizer: a word-level ``tokenizers.Tokenizer`` whose first ids are PAD, UNK, BOS, EOS.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.size: int = tokenizer.get_vocab_size()
        self._ids: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
        self._words: list[str] = sorted(self._ids, key=self._ids.__getitem__)

    @classmethod
    def train(cls, texts: Iterable[str], limit: int = 30_000, min_count: int = 1) -> WordTable:
        """The ``limit`` most frequent words that occur at least ``min_count`` times; ties in alphabetical order."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text.split())
        return cls.counted(counts, limit, min_count)

    @classmethod
    def counted(cls, counts: Counter[str], limit: int = 30_000, min_count: int = 1) -> WordTable:
        """As ``train``, from words that were counted already."""
        known = ((word, count) for word, count in counts.items() if count >= min_count and word not in _SPECIAL)
        ranked = heapq.nsmallest(limit, known, key=lambda entry: (-entry[1], entry[0]))
        return cls.of([word for word, _ in ranked])

    @classmethod
    def of(cls, words: Sequence[str]) -> WordTable:
        """A table of the given words in the given order, after the special ones."""
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import WhitespaceSplit

        vocabulary = {word: number for number, word in enumerate([*_SPECIAL, *words])}
        tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=_SPECIAL[UNK]))
        tokenizer.pre_tokenizer = WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
        return cls(tokenizer)

    def __len__(self) -> int:
        """The number of ids given out, trained or not."""
        return len(self._words)

    @property
    def fingerprint(self) -> str:
        """sha256 of the trained words in their order."""
        return hashlib.sha256("\n".join(self._words[: self.size]).encode("utf-8", "surrogatepass")).hexdigest()

    def word(self, number: int) -> str:
        return self._words[number]

    def words(self) -> list[str]:
        """All words numbered so far, by id."""
        return list(self._words)

    def intern(self, words: Sequence[str]) -> NDArray[np.int32]:
        """Ids ``(len(words),)``; a word seen for the first time gets the next free one."""
        ids = self._ids
        numbers = np.empty(len(words), dtype=np.int32)
        for place, word in enumerate(words):
            number = ids.get(word)
            if number is None:
                number = len(self._words)
                ids[word] = number
                self._words.append(word)
            numbers[place] = number
        return numbers

    def encode(self, texts: Sequence[str], max_words: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Many texts at once: flat ids, and offsets ``(len(texts) + 1,)``; text ``i`` is ``ids[offsets[i]:offsets[i + 1]]``.

        Texts are cut after ``max_words`` words; an empty text becomes the single id UNK, so that every text has a length.
        Words are looked up one by one: the batches of ``tokenizers`` give the same ids at a third of the speed, as
        each text then passes through an object of its own.
        """
        flat = array("i")
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        number = self._ids.__getitem__
        for place, text in enumerate(texts):
            words = text.split()[:max_words]
            start = len(flat)
            try:
                flat.extend(map(number, words))
            except KeyError:  # a word seen for the first time
                del flat[start:]
                flat.extend(self.intern(words).tolist())
            if not words:
                flat.append(UNK)
            offsets[place + 1] = len(flat)
        return np.frombuffer(flat, dtype=np.int32) if len(flat) else np.empty(0, dtype=np.int32), offsets

    def save(self, path: Path) -> None:
        """The trained words as a ``tokenizers`` file."""
        self.tokenizer.save(str(path))

    @classmethod
    def load(cls, path: Path) -> WordTable:
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except Exception as error:  # tokenizers raises bare Exception
            raise CheckpointError(f"{path}: not a tokenizer: {error}") from None
