"""The best evaluation of a stage, and when a stage ends early because nothing better comes (Prechelt 1998)."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

__all__ = ["Best"]


class Best:
    """The best evaluation of the stage at work, and how many came since without a higher score.

    A score that only equals the best one makes its weights the best, being the longer trained, but does not count as an
    improvement: a score that stands still ends the stage too.

    Args:
        patience: evaluations without improvement that end the stage; 0: none does, and no weights are held.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.begin()

    def begin(self) -> None:
        """A new stage: nothing was evaluated yet."""
        self.score = -math.inf
        self.step = 0
        self.waited = 0
        self.metrics: dict[str, float] = {}
        self.weights: dict[str, Tensor] = {}

    def take(self, score: float, step: int, metrics: dict[str, float], weights: dict[str, Tensor]) -> bool:
        """Counts one evaluation; returns whether its weights are the best so far. They are copied where they are needed."""
        self.waited = 0 if score > self.score else self.waited + 1
        if score < self.score:
            return False
        self.score, self.step, self.metrics = score, step, metrics
        if self.patience:
            self.weights = {name: tensor.clone() for name, tensor in weights.items()}
        return True

    @property
    def over(self) -> bool:
        """Whether the stage has waited long enough."""
        return 0 < self.patience <= self.waited

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a resumed training needs: tensors by name, and plain values."""
        score = None if math.isinf(self.score) else self.score
        return self.weights, {"score": score, "step": self.step, "waited": self.waited, "metrics": self.metrics}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        self.weights = tensors
        self.score = -math.inf if values["score"] is None else values["score"]
        self.step, self.waited, self.metrics = values["step"], values["waited"], values["metrics"]
