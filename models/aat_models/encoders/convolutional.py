"""A convolutional encoder (Kim 2014)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aat_models.config import ModelConfig
from aat_models.encoders.base import mask_of, masked_max
from aat_models.encoders.sharing import Ids, numbered

__all__ = ["ConvolutionalEncoder"]


class ConvolutionalEncoder(nn.Module):
    """Filters of width 3, 4 and 5, maximum over the words, one dense layer."""

    WIDTHS = (3, 4, 5)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.filters = nn.ModuleList(
            nn.Conv1d(config.embedding, config.hidden, width, padding=width - 1) for width in self.WIDTHS
        )
        self.state_width = len(self.WIDTHS) * config.hidden
        self.dense = nn.Linear(self.state_width, config.latent)

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        return self.read(embedded, lengths)[0]

    def read(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        width = embedded.shape[1]
        mask = mask_of(lengths, width)
        inside = (embedded if mask is None else embedded * mask[..., None]).transpose(1, 2)  # (B, E, T)
        # Full padding, then cut to the windows that end inside the text: the same for any amount of padding.
        states = torch.cat([torch.relu(f(inside))[..., :width] for f in self.filters], dim=1).transpose(1, 2)
        return torch.tanh(self.dense(masked_max(states, mask))), states

    def encode_batch(self, ids: Ids, lengths: Ids, vectors: Callable[[Tensor], Tensor]) -> Tensor:
        """A window's response is a sum over its places of what the word there adds, which each distinct word is asked once."""
        distinct, texts = numbered(ids)
        found = F.pad(vectors(distinct), (0, 0, 1, 0))  # (1 + N, E): before a text stands a vector of zeros
        places = torch.from_numpy(texts) + 1
        mask = mask_of(torch.from_numpy(lengths), places.shape[1])
        layers = [layer for layer in self.filters if isinstance(layer, nn.Conv1d)]
        largest = torch.cat([masked_max(_sums(layer, found, places), mask) for layer in layers], dim=-1)
        bias = torch.cat([layer.bias for layer in layers if layer.bias is not None])
        return torch.tanh(self.dense(torch.relu(largest + bias)))


def _sums(layer: nn.Conv1d, found: Tensor, places: Tensor) -> Tensor:
    """Responses ``(B, T, H)``, bias aside, of one width's filters to the windows that end at each of ``places`` ``(B, T)``."""
    height, across, width = layer.weight.shape
    given = found @ layer.weight.permute(1, 2, 0).reshape(across, width * height)  # what a word adds at each place
    windows = F.pad(places, (width - 1, 0)).unfold(1, width, 1) * width + torch.arange(width)  # (B, T, W)
    rows = windows.flatten(0, 1).contiguous()
    return F.embedding_bag(rows, given.view(-1, height), mode="sum").view(*places.shape, height)
