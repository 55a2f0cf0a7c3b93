"""Word vectors that can spell: a vector per known word plus the mean of its hashed character n-grams.

A word outside the vocabulary has only its n-grams, so a typo lands near the word it came from, and a synonym never
seen in training still differs from every other one (subwords as in Bojanowski et al. 2017, fastText).
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from aat_datasets.chinese import has_han
from aat_datasets.vocab import PAD, UNK, WordTable

__all__ = ["NgramTable", "StepVectors", "WordEmbedding", "ngrams"]

WIDTH = 24  # n-grams kept of a word; longer words keep the first ones
LENGTHS = (2, 3, 4)


def ngrams(word: str, buckets: int) -> list[int]:
    """Buckets (1 … ``buckets`` − 1) of the word's character n-grams, at most WIDTH, shortest first.

    A word with Chinese characters, most of which have two, also has each character by itself: with two swapped or one
    replaced it would share little or nothing with the word it came from.
    """
    marked = f"<{word[: WIDTH + 2]}>"
    found: list[int] = []
    if has_han(word):
        found += [
            zlib.crc32(character.encode("utf-8", "surrogatepass")) % (buckets - 1) + 1
            for character in word[: WIDTH // 2]
        ]
    for n in LENGTHS:
        found += [
            zlib.crc32(marked[at : at + n].encode("utf-8", "surrogatepass")) % (buckets - 1) + 1
            for at in range(len(marked) - n + 1)
        ]
    return found[:WIDTH]


class NgramTable:
    """n-gram buckets of every word of a table, ``(words, WIDTH)`` int64 padded with 0, grown as words are added."""

    def __init__(self, table: WordTable, buckets: int) -> None:
        self.table = table
        self.buckets = buckets
        self._rows: NDArray[np.int64] = np.zeros((0, WIDTH), dtype=np.int64)
        self._filled = 0
        self._copy = torch.empty(0, WIDTH, dtype=torch.int64, device="cpu")  # on the device asked for last

    def __deepcopy__(self, memo: dict[int, object]) -> NgramTable:
        return self  # a cache over the shared table, not a part of the weights

    def rows(self, device: torch.device) -> Tensor:
        """The buckets of all words numbered so far."""
        wanted = len(self.table)
        if wanted > self._filled:
            if wanted > len(self._rows):
                grown = np.zeros((max(wanted, 2 * len(self._rows)), WIDTH), dtype=np.int64)
                grown[: self._filled] = self._rows[: self._filled]
                self._rows = grown
            for number in range(max(self._filled, UNK + 1), wanted):
                found = ngrams(self.table.word(number), self.buckets)
                self._rows[number, : len(found)] = found
            self._filled = wanted
        if device.type == "cpu":
            return torch.from_numpy(self._rows[:wanted])
        if self._copy.device != device or len(self._copy) != wanted:
            self._copy = torch.from_numpy(self._rows[:wanted]).to(device)
        return self._copy


class WordEmbedding(nn.Module):
    """Ids → vectors.

    Args:
        table: numbers words; ids at or above ``table.size`` share the unknown word's vector.
        width: of a vector.
        characters: whether n-grams are added.
        buckets: rows of the n-gram table.
    """

    def __init__(self, table: WordTable, width: int, characters: bool, buckets: int) -> None:
        super().__init__()
        self.known = table.size
        self.words = nn.Embedding(table.size, width, padding_idx=PAD)
        nn.init.normal_(self.words.weight, std=0.1)
        with torch.no_grad():
            self.words.weight[PAD] = 0
        self.ngrams = NgramTable(table, buckets) if characters else None
        if characters:
            self.characters = nn.Embedding(buckets, width, padding_idx=0)
            nn.init.normal_(self.characters.weight, std=0.3)

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors of ids of any shape: ``(…)`` → ``(…, E)``. Each distinct word is made once."""
        if self.ngrams is None:
            return self.vectors(ids)
        distinct, place = torch.unique(ids, return_inverse=True)
        return F.embedding(place, self.vectors(distinct))

    def vectors(self, distinct: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Vectors of ids ``(N,)`` → ``(N, E)``; without n-grams, of any shape.

        ``hidden`` ``(N,)`` boolean: words whose own vector is replaced by the unknown word's, leaving their n-grams.
        """
        known = torch.where(distinct < self.known, distinct, UNK)
        if hidden is not None:
            known = torch.where(hidden & (distinct > PAD), UNK, known)
        words = self.words(known)
        if self.ngrams is None:
            return words
        rows = self.ngrams.rows(distinct.device)[distinct]
        return words + F.embedding_bag(rows, self.characters.weight, mode="mean", padding_idx=0)


class StepVectors:
    """The vectors of one training step's words, made once and shared by every pass of the step.

    Passes look ids up in a detached copy and take their losses backward into it; :meth:`backward` then carries the
    collected gradient into the tables, once. The gradient is the same as without the detour, and the dense tables, the
    largest tensors of the model, are touched once a step however many passes an adversary makes.

    Args:
        embedding: the model's.
        ids: every id any pass of the step may look up, of any shape.
        hide: share of the words that show only their n-grams in this step, so that n-grams learn to stand alone.
    """

    def __init__(self, embedding: WordEmbedding, ids: Tensor, hide: float = 0.0) -> None:
        self.distinct = torch.unique(ids)
        hides = hide and embedding.ngrams is not None
        self._hidden = torch.rand(self.distinct.shape, device=ids.device) < hide if hides else None
        self._graph = embedding.vectors(self.distinct, self._hidden)
        self.leaf = self._graph.detach().requires_grad_()

    def __call__(self, ids: Tensor) -> Tensor:
        """``(…)`` → ``(…, E)``."""
        return F.embedding(torch.searchsorted(self.distinct, ids.contiguous()), self.leaf)

    def through(self, embedding: WordEmbedding, ids: Tensor) -> Tensor:
        """The vectors another table has for ids ``(…)``, the same words hidden: ``(…, E)``."""
        return F.embedding(
            torch.searchsorted(self.distinct, ids.contiguous()), embedding.vectors(self.distinct, self._hidden)
        )

    def backward(self) -> None:
        """Carries what the passes collected into the embedding's tables."""
        if self.leaf.grad is not None and self._graph.requires_grad:
            self._graph.backward(self.leaf.grad)
