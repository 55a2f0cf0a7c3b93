"""Recurrent encoders: LSTM, GRU, and an LSTM in both directions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from aat_models.config import ModelConfig
from aat_models.encoders.base import mask_of, masked_max, masked_mean, reverse
from aat_models.encoders.sharing import Ids, backwards, numbered, pooled

__all__ = ["BiLSTM", "Recurrent", "gru", "lstm"]


def states_of(layer: nn.LSTM | nn.GRU, embedded: Tensor) -> Tensor:
    """What a layer says of every word, ``(B, T, E)`` → ``(B, T, H)``; a gradient can be taken whether it trains or not."""
    if embedded.is_cuda:
        layer.training = True  # cuDNN goes back through no other; the layer has no dropout that would switch on
        given, kept = layer.all_weights[0][:2]
        if given.untyped_storage().data_ptr() != kept.untyped_storage().data_ptr():
            layer.flatten_parameters()  # a copy's weights lie apart
    return layer(embedded)[0]


class Recurrent(nn.Module):
    """One recurrent layer read from left to right, maximum and mean over the words, one dense layer.

    Args:
        config: of the model.
        layer: ``torch.nn.LSTM`` or ``torch.nn.GRU``.
    """

    def __init__(self, config: ModelConfig, layer: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.layer = layer(config.embedding, config.hidden, batch_first=True)
        self.dense = nn.Linear(2 * config.hidden, config.latent)
        self.state_width = config.hidden

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        return self.read(embedded, lengths)[0]

    def read(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        mask = mask_of(lengths, embedded.shape[1])
        states = states_of(self.layer, embedded)  # (B, T, H); what follows a text cannot reach back into it
        parts = torch.cat([masked_max(states, mask), masked_mean(states, mask)], dim=-1)  # (B, 2H)
        return torch.tanh(self.dense(parts)), states

    def encode_batch(self, ids: Ids, lengths: Ids, vectors: Callable[[Tensor], Tensor]) -> Tensor:
        distinct, texts = numbered(ids)
        return torch.tanh(self.dense(torch.cat(pooled(self.layer, vectors(distinct), texts, lengths), dim=-1)))


def lstm(config: ModelConfig) -> Recurrent:
    """Hochreiter & Schmidhuber 1997."""
    return Recurrent(config, nn.LSTM)


def gru(config: ModelConfig) -> Recurrent:
    """Cho et al. 2014."""
    return Recurrent(config, nn.GRU)


class BiLSTM(nn.Module):
    """One LSTM a direction, maximum and mean over the words, one dense layer (InferSent, Conneau et al. 2017).

    Two plain LSTMs instead of ``bidirectional=True`` on packed sequences: the backward one reads each text reversed
    within its length. The result is the same, and the fused kernel without packing trains twice as fast on a CPU.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.forwards = nn.LSTM(config.embedding, config.hidden, batch_first=True)
        self.backwards = nn.LSTM(config.embedding, config.hidden, batch_first=True)
        self.dense = nn.Linear(4 * config.hidden, config.latent)
        self.state_width = 2 * config.hidden

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        mask = mask_of(lengths, embedded.shape[1])
        return self._pooled(*self._ways(embedded, lengths, mask), mask)

    def read(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        mask = mask_of(lengths, embedded.shape[1])
        ahead, back = self._ways(embedded, lengths, mask)
        return self._pooled(ahead, back, mask), torch.cat([ahead, reverse(back, lengths, mask)], dim=-1)

    def _ways(self, embedded: Tensor, lengths: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """States of both directions, ``(B, T, H)`` each; the second stays reversed: pooling asks for no order."""
        return states_of(self.forwards, embedded), states_of(self.backwards, reverse(embedded, lengths, mask))

    def _pooled(self, ahead: Tensor, back: Tensor, mask: Tensor | None) -> Tensor:
        parts = [masked_max(ahead, mask), masked_max(back, mask), masked_mean(ahead, mask), masked_mean(back, mask)]
        return torch.tanh(self.dense(torch.cat(parts, dim=-1)))

    def encode_batch(self, ids: Ids, lengths: Ids, vectors: Callable[[Tensor], Tensor]) -> Tensor:
        distinct, texts = numbered(ids)
        found = vectors(distinct)
        ahead = pooled(self.forwards, found, texts, lengths)
        back = pooled(self.backwards, found, backwards(texts, lengths), lengths)
        return torch.tanh(self.dense(torch.cat([ahead[0], back[0], ahead[1], back[1]], dim=-1)))
