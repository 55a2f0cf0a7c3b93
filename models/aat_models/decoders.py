"""Decoders: the fixed-length vector → text. One kind a class, one line in the table at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from aat_datasets.errors import UnknownNameError
from aat_models.config import ModelConfig
from aat_models.llama import Cache, Llama, Shape

__all__ = ["DECODERS", "Decoder", "GRUDecoder", "LSTMDecoder", "State", "TransformerDecoder", "build"]

State = Any  # a decoder's own; it is never changed, so that one may be gone on from several times

HEAD = 32  # width of an attention head, as near as the decoder's width allows


class Decoder(nn.Module):
    """What every decoder does: it starts from the vector, and sees it at every step (Cho et al. 2014)."""

    out: nn.Linear

    def begin(self, vector: Tensor) -> State:
        """The first state from vectors ``(B, Z)``."""
        raise NotImplementedError

    def states(self, vector: Tensor, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """What ``out`` makes logits of, ``(B, T, H)`` at each of ``ids`` ``(B, T)``, and the state after the last."""
        raise NotImplementedError

    def rows(self, state: State, chosen: Tensor) -> State:
        """The state of the texts at ``chosen`` ``(R,)``; one may come several times."""
        raise NotImplementedError

    def forward(self, vector: Tensor, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits ``(B, T, V)`` of the word after each of ``ids`` ``(B, T)``, and the state after the last."""
        states, after = self.states(vector, ids, self.begin(vector) if state is None else state)
        return self.out(states), after


class LSTMDecoder(Decoder):
    """An LSTM (Hochreiter & Schmidhuber 1997).

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
        hidden, cell = torch.tanh(self.start(vector)).chunk(2, dim=-1)
        return hidden[None].contiguous(), cell[None].contiguous()

    def states(self, vector: Tensor, ids: Tensor, state: State) -> tuple[Tensor, State]:
        return self.lstm(_beside(self.embedding(ids), vector), state)

    def rows(self, state: State, chosen: Tensor) -> State:
        hidden, cell = state
        return hidden[:, chosen], cell[:, chosen]


class GRUDecoder(Decoder):
    """A GRU (Cho et al. 2014). Arguments as for ``LSTMDecoder``."""

    def __init__(self, words: int, config: ModelConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, config.decoder_embedding, padding_idx=0)
        self.start = nn.Linear(config.latent, config.decoder_hidden)
        self.gru = nn.GRU(config.decoder_embedding + config.latent, config.decoder_hidden, batch_first=True)
        self.out = nn.Linear(config.decoder_hidden, words)

    def begin(self, vector: Tensor) -> State:
        return torch.tanh(self.start(vector))[None].contiguous()

    def states(self, vector: Tensor, ids: Tensor, state: State) -> tuple[Tensor, State]:
        return self.gru(_beside(self.embedding(ids), vector), state)

    def rows(self, state: State, chosen: Tensor) -> State:
        return state[:, chosen]


class TransformerDecoder(Decoder):
    """``model.layers`` blocks of ``aat_models.llama`` over the words so far, the vector added to each word's.

    Arguments as for ``LSTMDecoder``.
    """

    def __init__(self, words: int, config: ModelConfig) -> None:
        super().__init__()
        width = config.decoder_hidden + config.decoder_hidden % 2
        heads = next(n for n in range(max(1, width // HEAD), 0, -1) if width % n == 0 and width // n % 2 == 0)
        self.model = Llama(
            Shape(
                vocabulary=words, width=width, layers=config.layers, heads=heads, key_heads=heads, head=width // heads,
                inner=-(-width * 8 // 3 // 32) * 32, context=256,
            )
        )  # fmt: skip
        self.enter = nn.Linear(config.latent, width)
        self.out = nn.Linear(width, words)

    def begin(self, vector: Tensor) -> State:
        return _Grown(self.model.shape, len(vector), 0)

    def states(self, vector: Tensor, ids: Tensor, state: State) -> tuple[Tensor, State]:
        after = state.copy()
        return self.model.states(ids, after, added=self.enter(vector)[:, None]), after

    def rows(self, state: State, chosen: Tensor) -> State:
        after = state.copy()
        after.keep(chosen)
        return after


class _Grown(Cache):
    """A cache that is as long as what it holds, and shares it with its copies."""

    def copy(self) -> _Grown:
        other = object.__new__(_Grown)
        other.keys, other.values = list(self.keys), list(self.values)
        other.length, other.starts = self.length, self.starts
        return other

    def reserve(self, tokens: int) -> None:
        return

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        if self.length:
            keys = torch.cat([self.keys[layer], keys], dim=2)
            values = torch.cat([self.values[layer], values], dim=2)
        self.keys[layer], self.values[layer] = keys, values
        return keys, values


def _beside(embedded: Tensor, vector: Tensor) -> Tensor:
    """Word vectors ``(B, T, E)`` with the text's vector ``(B, Z)`` at each."""
    return torch.cat([embedded, vector[:, None].expand(len(embedded), embedded.shape[1], -1)], dim=-1)


DECODERS: dict[str, Callable[[int, ModelConfig], Decoder]] = {
    "lstm": LSTMDecoder,
    "gru": GRUDecoder,
    "transformer": TransformerDecoder,
}


def build(words: int, config: ModelConfig) -> Decoder:
    """The decoder a config names, over ``words`` output words. Raises UnknownNameError."""
    if config.decoder not in DECODERS:
        raise UnknownNameError("decoder", config.decoder, DECODERS)
    return DECODERS[config.decoder](words, config)
