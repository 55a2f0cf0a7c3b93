"""A Transformer encoder, normalised before each block (Vaswani et al. 2017; Xiong et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aat_models.config import ModelConfig
from aat_models.encoders.base import mask_of, masked_max, masked_mean

__all__ = ["TransformerEncoder"]

HEAD = 32  # width of an attention head, as near as the model's width allows


class Block(nn.Module):
    """Attention over the text's words, then a two-layer network at each word, both residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = next(heads for heads in range(max(1, width // HEAD), 0, -1) if width % heads == 0)
        self.norm_attention = nn.LayerNorm(width)
        self.queries = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.norm_network = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        parts = self.queries(self.norm_attention(states)).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)  # (B, heads, T, d)
        seen = F.scaled_dot_product_attention(
            query, key, value, attn_mask=None if mask is None else mask[:, None, None]
        )
        states = states + self.join(seen.transpose(1, 2).flatten(2))
        return states + self.network(self.norm_network(states))


class TransformerEncoder(nn.Module):
    """``model.layers`` blocks over word vectors with sinusoidal positions, maximum and mean over the words, one dense layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.enter = nn.Linear(config.embedding, config.hidden)
        self.blocks = nn.ModuleList(Block(config.hidden) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.hidden)
        self.dense = nn.Linear(2 * config.hidden, config.latent)
        self.state_width = config.hidden

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        return self.read(embedded, lengths)[0]

    def read(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        mask = mask_of(lengths, embedded.shape[1])
        states = self.enter(embedded)
        states = states + positions(states.shape[1], states.shape[2], states.device).to(states)
        for block in self.blocks:
            states = block(states, mask)
        states = self.norm(states)
        pooled = torch.cat([masked_max(states, mask), masked_mean(states, mask)], dim=-1)  # (B, 2H)
        return torch.tanh(self.dense(pooled)), states


def positions(length: int, width: int, device: torch.device) -> Tensor:
    """Sinusoids ``(T, H)``, section 3.5 of Vaswani et al."""
    place = torch.arange(length, dtype=torch.float32, device=device)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32, device=device) * (-math.log(10_000.0) / width))
    angles = place * rate
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]
