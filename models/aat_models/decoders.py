"""Decoders: the fixed-length vector → text."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aat_models.config import ModelConfig

__all__ = ["LSTMDecoder", "State"]

State = tuple[Tensor, Tensor]


class LSTMDecoder(nn.Module):
    """An LSTM that starts from the vector and sees it at every step (Cho et al. 2014).

    Args:
        words: size of the output vocabulary.
        config: of the model.
    """

    def __init__(self, words: int, config: ModelConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, config.decoder_embedding, padding_idx=0)
        self.start = nn.Linear(config.latent, 2 * config.decoder_hidden)
        self.lstm = nn.LSTM(config.decoder_embedding + config.latent, config.decoder_hidden, batch_first=True)
        self.out = nn.Linear(config.decoder_hidden, words)

    def begin(self, vector: Tensor) -> State:
        """The first state from vectors ``(B, Z)``."""
        hidden, cell = torch.tanh(self.start(vector)).chunk(2, dim=-1)
        return hidden[None].contiguous(), cell[None].contiguous()

    def forward(self, vector: Tensor, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits ``(B, T, V)`` of the word after each of ``ids`` ``(B, T)``, and the state after the last."""
        if state is None:
            state = self.begin(vector)
        seen = torch.cat([self.embedding(ids), vector[:, None].expand(-1, ids.shape[1], -1)], dim=-1)
        states, after = self.lstm(seen, state)
        return self.out(states), after
