"""TRADES: accuracy on clean texts, agreement inside the ball (Zhang et al. 2019)."""

from __future__ import annotations

from torch import Tensor

from aat_models.adversaries.ball import BallAdversary, climb
from aat_models.adversaries.base import Batch, Clean, Setting, consistency
from aat_models.text_model import TextModel

__all__ = ["Trades"]


class Trades(BallAdversary):
    """``steps`` ascent steps on the divergence from the clean answer, which is then trained down with weight ``beta``.

    Unlike the paper, the clean answer is held fixed in the second term, as for the other methods here.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.cost = 6.0 + 3.0 * self.config.steps

    def shift(self, model: TextModel, batch: Batch, clean: Clean) -> Tensor:
        return climb(model, batch, clean, self.config, to_label=False, steps=self.config.steps)

    def loss(self, clean: Clean, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        divergence, entropy = consistency(clean.logits, logits, batch.labels, 0.0)
        return self.config.beta * divergence, entropy
