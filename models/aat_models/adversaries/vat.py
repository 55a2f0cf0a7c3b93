"""VAT: the direction in which the answer changes fastest, found without the label (Miyato et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor

from aat_models.adversaries import threat
from aat_models.adversaries.ball import BallAdversary
from aat_models.adversaries.base import Batch, Clean, Setting, consistency
from aat_models.text_model import TextModel

__all__ = ["VirtualAdversarialTraining"]


class VirtualAdversarialTraining(BallAdversary):
    """One power iteration from a random direction, then divergence from the clean answer with weight 1, as published."""

    PROBE = 1e-2  # length of the finite-difference step, relative to the text's norm

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.cost = 9.0

    def shift(self, model: TextModel, batch: Batch, clean: Clean) -> Tensor:
        length = threat.norm(clean.embedded)
        there = (batch.ids > 0)[..., None]
        probe = threat.ascend(torch.randn_like(clean.embedded) * there, self.PROBE * length)
        moved = (clean.embedded + probe).requires_grad_()
        loss, _ = consistency(clean.logits, model.classify(moved, batch.lengths, clean.dropout), batch.labels, 0.0)
        (gradient,) = torch.autograd.grad(loss, moved)
        return threat.ascend(gradient, self.config.epsilon * length)

    def loss(self, clean: Clean, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        divergence, entropy = consistency(clean.logits, logits, batch.labels, 0.0)
        return divergence, entropy
