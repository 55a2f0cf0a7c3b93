"""A bag of words: the mean of the word vectors and one dense layer (a deep averaging network, Iyyer et al. 2015)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aat_models.config import ModelConfig
from aat_models.encoders.base import mask_of, masked_mean

__all__ = ["BagOfWords"]


class BagOfWords(nn.Module):
    """Word order plays no part: the baseline that says how much of a task it needs."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.embedding, config.latent)

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        return torch.tanh(self.dense(masked_mean(embedded, mask_of(lengths, embedded.shape[1]))))
