"""Noise on the word vectors and agreement with the clean answer (R3F, Aghajanyan et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from aat_models.adversaries import threat
from aat_models.adversaries.ball import BallAdversary
from aat_models.adversaries.base import Batch, Clean
from aat_models.text_model import TextModel

__all__ = ["NoiseAdversary"]


class NoiseAdversary(BallAdversary):
    """Gaussian noise of length ``epsilon`` times the text's norm: the ball's own control, nothing is searched."""

    def shift(self, model: TextModel, batch: Batch, clean: Clean) -> Tensor:
        there = (batch.ids > 0)[..., None]
        return threat.ascend(
            torch.randn_like(clean.embedded) * there, self.config.epsilon * threat.norm(clean.embedded)
        )
