"""Decoders: the fixed-length vector → text. One kind a class, one line in the table at the end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aat_datasets.errors import InputError, UnknownNameError
from aat_models.attention import CrossAttention, GlobalAttention, Memory, Watched
from aat_models.config import ModelConfig
from aat_models.llama import Cache, Llama, Shape

__all__ = ["DECODERS", "Decoder", "GRUDecoder", "LSTMDecoder", "State", "TransformerDecoder", "build"]

State = Any  # a decoder's own; it is never changed, so that one may be gone on from several times

HEAD = 32  # width of an attention head, as near as the decoder's width allows


class Decoder(nn.Module):
    """What every decoder does: it starts from the vector, and sees it at every step (Cho et al. 2014).

    With ``model.attention`` it looks at the encoder's states too, given as a memory where it begins; they are then a part
    of its state. Without a memory such a decoder does not begin.
    """

    out: nn.Linear
    attends = False

    def begin(self, vector: Tensor, memory: Memory | None = None) -> State:
        """The first state from vectors ``(B, Z)``, and the encoder's states where it attends to them.

        Raises InputError where it does and there are none.
        """
        raise NotImplementedError

    def states(self, vector: Tensor, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """What ``out`` makes logits of, ``(B, T, H)`` at each of ``ids`` ``(B, T)``, and the state after the last."""
        raise NotImplementedError

    def rows(self, state: State, chosen: Tensor) -> State:
        """The state of the texts at ``chosen`` ``(R,)``; one may come several times."""
        raise NotImplementedError

    def forward(
        self, vector: Tensor, ids: Tensor, state: State | None = None, memory: Memory | None = None
    ) -> tuple[Tensor, State]:
        """Logits ``(B, T, V)`` of the word after each of ``ids`` ``(B, T)``, and the state after the last."""
        states, after = self.states(vector, ids, self.begin(vector, memory) if state is None else state)
        return self.out(states), after

    def needed(self, memory: Memory | None) -> Memory:
        """The memory. Raises InputError where there is none."""
        if memory is None:
            raise InputError(
                "this decoder attends to the encoder's states: a vector alone does not say what it writes",
                "give it a text, or train one with model.attention = false",
            )
        return memory


class RecurrentDecoder(Decoder):
    """A recurrent layer, and attention after it where the config asks for it (Luong et al. 2015).

    Args:
        words: size of the output vocabulary.
        config: of the model.
        layer: ``torch.nn.LSTM`` or ``torch.nn.GRU``.
        parts: how many tensors make up the layer's state.
        reads: width of the encoder's states.
    """

    def __init__(
        self, words: int, config: ModelConfig, layer: type[nn.LSTM] | type[nn.GRU], parts: int, reads: int
    ) -> None:
        super().__init__()
        hidden = config.decoder_hidden
        self.embedding = nn.Embedding(words, config.decoder_embedding, padding_idx=0)
        self.start = nn.Linear(config.latent, parts * hidden)
        self._layer = layer.__name__.lower()  # also the weights' name in a checkpoint
        self.add_module(self._layer, layer(config.decoder_embedding + config.latent, hidden, batch_first=True))
        self.attention = GlobalAttention(hidden, reads, config.decoder_dropout) if config.attention else None
        self.attends = config.attention
        self.parts = parts
        self.dropout = config.decoder_dropout
        self.out = nn.Linear(hidden, words)

    def begin(self, vector: Tensor, memory: Memory | None = None) -> State:
        first = [part[None].contiguous() for part in torch.tanh(self.start(vector)).chunk(self.parts, dim=-1)]
        watched = self.attention.ready(self.needed(memory)) if self.attention is not None else None
        return _Running(first, watched)

    def states(self, vector: Tensor, ids: Tensor, state: State) -> tuple[Tensor, State]:
        embedded = F.dropout(self.embedding(ids), self.dropout, self.training)
        before = tuple(state.parts) if self.parts > 1 else state.parts[0]
        states, after = self.get_submodule(self._layer)(_beside(embedded, vector), before)
        if self.attention is not None:
            states = self.attention(states, state.watched)
        states = F.dropout(states, self.dropout, self.training)
        return states, _Running(list(after) if self.parts > 1 else [after], state.watched)

    def rows(self, state: State, chosen: Tensor) -> State:
        watched = None if state.watched is None else state.watched.rows(chosen)
        return _Running([part[:, chosen] for part in state.parts], watched)


class _Running(NamedTuple):
    """A recurrent layer's state, tensors ``(1, B, H)``, and what it attends to."""

    parts: list[Tensor]
    watched: Watched | None


class LSTMDecoder(RecurrentDecoder):
    """An LSTM (Hochreiter & Schmidhuber 1997). Arguments as for ``RecurrentDecoder``."""

    def __init__(self, words: int, config: ModelConfig, reads: int = 0) -> None:
        super().__init__(words, config, nn.LSTM, 2, reads)


class GRUDecoder(RecurrentDecoder):
    """A GRU (Cho et al. 2014). Arguments as for ``RecurrentDecoder``."""

    def __init__(self, words: int, config: ModelConfig, reads: int = 0) -> None:
        super().__init__(words, config, nn.GRU, 1, reads)


class TransformerDecoder(Decoder):
    """``model.layers`` blocks of ``aat_models.llama`` over the words so far, the vector added to each word's.

    With attention each block looks at the encoder's states between its own attention and its network, as in Vaswani et al.
    2017. Arguments as for ``RecurrentDecoder``.
    """

    def __init__(self, words: int, config: ModelConfig, reads: int = 0) -> None:
        super().__init__()
        width = config.decoder_hidden + config.decoder_hidden % 2
        heads = next(n for n in range(max(1, width // HEAD), 0, -1) if width % n == 0 and width // n % 2 == 0)
        self.model = Llama(
            Shape(
                vocabulary=words, width=width, layers=config.layers, heads=heads, key_heads=heads, head=width // heads,
                inner=-(-width * 8 // 3 // 32) * 32, context=256, dropout=config.decoder_dropout,
            )
        )  # fmt: skip
        self.enter = nn.Linear(config.latent, width)
        self.attends = config.attention
        looks = config.layers if config.attention else 0
        self.attention = nn.ModuleList(
            CrossAttention(width, reads, heads, config.decoder_dropout) for _ in range(looks)
        )
        self.out = nn.Linear(width, words)

    def begin(self, vector: Tensor, memory: Memory | None = None) -> State:
        state = _Grown(self.model.shape, len(vector), 0)
        if self.attends:
            given = self.needed(memory)
            state.watched = [look.ready(given) for look in self._looks()]
        return state

    def states(self, vector: Tensor, ids: Tensor, state: State) -> tuple[Tensor, State]:
        after = state.copy()
        looks = [partial(look, watched=seen) for look, seen in zip(self._looks(), after.watched, strict=True)]
        return self.model.states(ids, after, added=self.enter(vector)[:, None], looks=looks), after

    def rows(self, state: State, chosen: Tensor) -> State:
        after = state.copy()
        after.keep(chosen)
        return after

    def _looks(self) -> list[CrossAttention]:
        return list(self.attention)  # pyright: ignore[reportReturnType]


class _Grown(Cache):
    """A cache that is as long as what it holds, and shares it with its copies.

    Attributes:
        watched: what each block attends to in the text that was read; empty without attention.
    """

    def __init__(self, shape: Shape, batch: int, room: int) -> None:
        super().__init__(shape, batch, room)
        self.watched: list[Watched] = []

    def copy(self) -> _Grown:
        other = object.__new__(_Grown)
        other.keys, other.values = list(self.keys), list(self.values)
        other.length, other.starts, other.watched = self.length, self.starts, self.watched
        return other

    def keep(self, rows: Tensor) -> None:
        super().keep(rows)
        self.watched = [one.rows(rows) for one in self.watched]

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


DECODERS: dict[str, Callable[[int, ModelConfig, int], Decoder]] = {
    "lstm": LSTMDecoder,
    "gru": GRUDecoder,
    "transformer": TransformerDecoder,
}


def build(words: int, config: ModelConfig, reads: int = 0) -> Decoder:
    """The decoder a config names, over ``words`` output words; ``reads`` is the width of the encoder's states.

    Raises UnknownNameError.
    """
    if config.decoder not in DECODERS:
        raise UnknownNameError("decoder", config.decoder, DECODERS)
    return DECODERS[config.decoder](words, config, reads)
