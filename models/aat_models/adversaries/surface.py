"""The attack surface as tensors: for every numbered word, the numbers of its substitutes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from aat_datasets.vocab import EOS, WordTable

__all__ = ["CHARACTERS", "SYNONYMS", "SurfaceTensor"]

SYNONYMS, CHARACTERS = 8, 4


class SurfaceTensor:
    """Substitutes of every word of a table.

    Args:
        table: the words; their substitutes are numbered in it.
        synonyms: word → synonyms.
        variants: word → character variants.
        limits: synonyms and character variants taken of each word.

    ``candidates`` ``(W, S)`` int64: columns below SYNONYMS are synonyms, the rest character variants; 0 where there is none.
    ``size`` counts all numbered words, substitutes included.
    """

    def __init__(
        self,
        table: WordTable,
        synonyms: Callable[[str], tuple[str, ...]],
        variants: Callable[[str], tuple[str, ...]],
        limits: tuple[int, int] = (SYNONYMS, CHARACTERS),
    ) -> None:
        words = len(table)
        block = np.zeros((words, SYNONYMS + CHARACTERS), dtype=np.int64)
        for number in range(EOS + 1, words):
            word = table.word(number)
            near = table.intern(synonyms(word)[: limits[0]])
            typed = table.intern(variants(word)[: limits[1]])
            block[number, : len(near)] = near
            block[number, SYNONYMS : SYNONYMS + len(typed)] = typed
        self.candidates = torch.from_numpy(block)
        self.size = len(table)

    def to(self, device: torch.device) -> SurfaceTensor:
        """Itself, its table moved to a device."""
        self.candidates = self.candidates.to(device)
        return self

    def of(self, ids: Tensor) -> Tensor:
        """Substitutes of ids ``(…)`` → ``(…, S)``."""
        return self.candidates[ids]
