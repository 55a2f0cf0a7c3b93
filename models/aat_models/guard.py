"""Watches every step for a loss or gradient that is not a number, and keeps hold of the batch it came of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aat_datasets.batching import EncodedSplit
from aat_datasets.errors import NotFiniteError, TrainingError
from aat_datasets.vocab import WordTable

__all__ = ["HINT", "Guard", "words_of"]

HINT = "lower train.lr or adversary.beta; the last checkpoint is kept"


class _Seen(NamedTuple):
    step: int
    stage: str
    places: NDArray[np.int64]
    figures: dict[str, Tensor]


class Guard:
    """Checks a step's figures: at once on a CPU; on a GPU, which would have to be waited for, when asked to.

    Args:
        describe: says what the text at a place of the training split is, as plain values.
    """

    def __init__(self, describe: Callable[[int], dict[str, Any]]) -> None:
        self._describe = describe
        self._seen: list[_Seen] = []
        self._last: _Seen | None = None

    def check(self, step: int, stage: str, places: NDArray[np.int64], figures: Mapping[str, Tensor]) -> None:
        """One step: its texts' places in the split, and its named figures, each one number.

        Raises NotFiniteError.
        """
        self._seen.append(_Seen(step, stage, places, dict(figures)))
        if all(value.device.type == "cpu" for value in figures.values()):
            self.settle()

    def settle(self) -> None:
        """Checks what waits. To be called before anything is recorded or saved. Raises NotFiniteError."""
        seen, self._seen = self._seen, []
        for one in seen:
            figures = {name: float(value) for name, value in one.figures.items()}
            wrong = [name for name, value in figures.items() if not math.isfinite(value)]
            if wrong:
                what = "the gradient" if wrong == ["gradient"] else "the loss" if "loss" in wrong else wrong[0]
                raise self._error(one, f"step {one.step}: {what} is not a finite number")
            self._last = one

    def evaluated(self, step: int, split: str, metrics: Mapping[str, float]) -> None:
        """Figures on held-out texts.

        Raises NotFiniteError with the last batch trained on, whose update made the weights overflow; TrainingError where
        none was.
        """
        wrong = [name for name, value in metrics.items() if not math.isfinite(value)]
        if wrong:
            message = f"step {step}: {wrong[0]} on {split} is not a finite number"
            raise self._error(self._last, message) if self._last is not None else TrainingError(message, HINT)

    def _error(self, one: _Seen, message: str) -> NotFiniteError:
        figures = {name: float(value) for name, value in one.figures.items()}
        batch = {
            "step": one.step,
            "stage": one.stage,
            # JSON has no word for these
            "figures": {name: value if math.isfinite(value) else str(value) for name, value in figures.items()},
            "examples": [self._describe(int(place)) for place in one.places],
        }
        return NotFiniteError(message, HINT, batch)


def words_of(split: EncodedSplit, table: WordTable) -> Callable[[int], dict[str, Any]]:
    """Describes texts of words: place in the split, row in the dataset's table (−1: it joined from another), ids, text."""

    def describe(place: int) -> dict[str, Any]:
        ids = split.text(place).tolist()
        return {
            "place": place,
            "row": int(split.rows[place]),
            "label": int(split.labels[place]),
            "ids": ids,
            "text": " ".join(table.word(number) for number in ids),
        }

    return describe
