"""FGM: one gradient step on the word vectors (Miyato, Dai & Goodfellow 2017)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries import threat
from aat_models.adversaries.ball import BallAdversary
from aat_models.adversaries.base import Batch, Clean
from aat_models.text_model import TextModel

__all__ = ["FastGradientMethod"]


class FastGradientMethod(BallAdversary):
    """Cross-entropy on the clean vectors plus cross-entropy on the vectors moved along the gradient.

    The clean pass has that gradient already, so the step costs two passes.
    """

    def shift(self, model: TextModel, batch: Batch, clean: Clean) -> Tensor:
        return threat.ascend(clean.gradient, self.config.epsilon * threat.norm(clean.embedded))

    def loss(self, clean: Clean, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        entropy = F.cross_entropy(logits, batch.labels)
        return entropy, entropy
