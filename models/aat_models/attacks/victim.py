"""Who is attacked: anything that turns words into class probabilities.

A victim is asked about arrays of word ids, never about strings, so that a candidate edit is one changed cell. Ids 0
and 1 mean the same for every victim: padding, and "a word I do not know".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aat_datasets.chinese import has_han, join_words
from aat_datasets.chinese.segmentation import available
from aat_datasets.errors import VictimError
from aat_datasets.preprocess import segment

__all__ = [
    "PAD",
    "UNK",
    "Batched",
    "FloatArray",
    "IntArray",
    "TextVictim",
    "Victim",
    "WhiteBox",
    "Writes",
    "batch_of",
    "checked",
    "score_texts",
]

PAD = 0
UNK = 1

_BATCH = 96  # of a victim that does not say

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.floating[Any]]


class Victim(Protocol):
    """What an attack needs of a model.

    ``words`` is the preprocessing: the words the model sees of a text. ``intern`` gives every word an id, stable for
    the victim's lifetime, ids of words never seen before included. ``score`` takes ids (N, T), padded with 0 on the
    right, and lengths (N,), all at least 1, and returns class probabilities (N, C).
    """

    @property
    def labels(self) -> list[str]: ...

    def words(self, text: str, /) -> list[str]: ...

    def intern(self, words: Sequence[str], /) -> IntArray: ...

    def score(self, ids: IntArray, lengths: NDArray[Any], /) -> FloatArray: ...


@runtime_checkable
class Batched(Victim, Protocol):
    """A victim that says how many texts a call of ``score`` is fastest with."""

    @property
    def best_batch(self) -> int: ...


@runtime_checkable
class Writes(Victim, Protocol):
    """A victim that writes: its answers are rows of ``numbers`` numbers, for the goals of ``aat_models.writing_goals``."""

    @property
    def numbers(self) -> int: ...


@runtime_checkable
class WhiteBox(Victim, Protocol):
    """A victim that also gives gradients, for attacks that know the model.

    ``gradients`` takes ids (N, T), lengths (N,), classes (N,) and candidate words (N, T, S) padded with 0. With L the
    cross-entropy of each text's class, it returns

    - (N, T): the L1 norm of L's gradient by each word's vector;
    - (N, T, S): the first-order change of L with each candidate in the word's place, the gradient times the difference
      of the two words' vectors; −inf where the candidate is 0.
    """

    def gradients(
        self, ids: IntArray, lengths: NDArray[Any], labels: NDArray[Any], candidates: IntArray, /
    ) -> tuple[FloatArray, FloatArray]: ...


class TextVictim:
    """A victim made from a function of texts: ``call(["a text", …]) -> (N, C)`` probabilities.

    Words are what white space separates; those of Chinese are found by jieba, where it is installed, and the function is
    shown the text without blanks between them. An unknown word is shown to the function as ``unknown``.

    Args:
        labels: class names; their number is checked against every answer.
        call: the function.
        unknown: what stands for id 1.

    Raises VictimError where the function answers with another shape, or not with probabilities.
    """

    def __init__(self, labels: Sequence[str], call: Callable[[list[str]], Any], unknown: str = "[UNK]") -> None:
        self.labels = list(labels)
        self._call = call
        self._table = ["", unknown]
        self._ids = {unknown: UNK}

    def words(self, text: str, /) -> list[str]:
        return segment(text).split() if has_han(text) and available() else text.split()

    def intern(self, words: Sequence[str], /) -> IntArray:
        ids = self._ids
        found: list[int] = []
        for word in words:
            known = ids.get(word)
            if known is None:
                known = ids[word] = len(self._table)
                self._table.append(word)
            found.append(known)
        return np.array(found, np.int32)

    def score(self, ids: IntArray, lengths: NDArray[Any], /) -> FloatArray:
        table = self._table
        rows: list[list[int]] = ids.tolist()
        texts = [
            join_words([table[i] for i in row[:length]]) for row, length in zip(rows, lengths.tolist(), strict=True)
        ]
        return checked(self._call(texts), len(texts), len(self.labels))


def batch_of(victim: Victim) -> int:
    """How many texts to ask a victim about at a time: what it says, else 96."""
    return victim.best_batch if isinstance(victim, Batched) else _BATCH


def checked(answer: Any, rows: int, classes: int) -> FloatArray:
    """A victim's answer as an array (rows, classes) of probabilities. Raises VictimError saying what does not fit.

    ``classes`` 0 accepts any number of them.
    """
    try:
        probabilities = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise VictimError(
            "the model's answer is not an array of numbers", "return one row of probabilities for each text"
        ) from None
    if probabilities.ndim != 2 or len(probabilities) != rows or (classes and probabilities.shape[1] != classes):
        wanted = f"({rows}, {classes})" if classes else f"({rows}, number of classes)"
        raise VictimError(f"the model answered with shape {probabilities.shape}, not {wanted}", "one row for each text")
    if not np.isfinite(probabilities).all() or (probabilities < -1e-6).any():
        raise VictimError("the model answered with negative or non-finite numbers", "return probabilities, not logits")
    if np.abs(probabilities.sum(axis=1) - 1).max(initial=0) > 1e-3:
        raise VictimError("the model's rows do not sum to 1", "return probabilities, not logits: apply softmax first")
    return probabilities


def score_texts(victim: Victim, texts: Sequence[str], batch: int = 256) -> FloatArray:
    """Probabilities (N, C) of whole texts, in batches of similar length. A text without words is one unknown word."""
    ids = [victim.intern(words) if (words := victim.words(text)) else np.array([UNK], np.int32) for text in texts]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    found = np.zeros((len(ids), len(victim.labels)))
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        lengths = np.array([len(ids[i]) for i in rows])
        block = np.zeros((len(rows), int(lengths.max())), np.int32)
        for k, i in enumerate(rows):
            block[k, : len(ids[i])] = ids[i]
        found[rows] = victim.score(block, lengths)
    return found
