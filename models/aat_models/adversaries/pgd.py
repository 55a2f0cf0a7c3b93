"""PGD: several projected ascent steps on the word vectors (Madry et al. 2018)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries.ball import BallAdversary, climb
from aat_models.adversaries.base import Batch, Clean, Setting
from aat_models.text_model import TextModel

__all__ = ["ProjectedGradientDescent"]


class ProjectedGradientDescent(BallAdversary):
    """Cross-entropy on the clean vectors plus cross-entropy at the point that ``steps`` ascent steps reach."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.cost = 6.0 + 3.0 * self.config.steps

    def shift(self, model: TextModel, batch: Batch, clean: Clean) -> Tensor:
        return climb(model, batch, clean, self.config, to_label=True, steps=self.config.steps)

    def loss(self, clean: Clean, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        entropy = F.cross_entropy(logits, batch.labels)
        return entropy, entropy
