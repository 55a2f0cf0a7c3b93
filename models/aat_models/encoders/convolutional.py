"""A convolutional encoder (Kim 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aat_models.config import ModelConfig
from aat_models.encoders.base import mask_of, masked_max

__all__ = ["ConvolutionalEncoder"]


class ConvolutionalEncoder(nn.Module):
    """Filters of width 3, 4 and 5, maximum over the words, one dense layer."""

    WIDTHS = (3, 4, 5)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.filters = nn.ModuleList(
            nn.Conv1d(config.embedding, config.hidden, width, padding=width - 1) for width in self.WIDTHS
        )
        self.dense = nn.Linear(len(self.WIDTHS) * config.hidden, config.latent)

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        width = embedded.shape[1]
        mask = mask_of(lengths, width)
        inside = (embedded if mask is None else embedded * mask[..., None]).transpose(1, 2)  # (B, E, T)
        # Full padding, then cut to the windows that end inside the text: the same for any amount of padding.
        states = torch.cat([torch.relu(f(inside))[..., :width] for f in self.filters], dim=1).transpose(1, 2)
        return torch.tanh(self.dense(masked_max(states, mask)))
