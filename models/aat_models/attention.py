"""Attention over the states an encoder has for each word: what a decoder may look at beside the fixed-length vector.

Shapes: ``B`` texts, ``T`` words read, ``U`` words written, ``S`` width of an encoder's state, ``H`` width of a decoder's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["CrossAttention", "GlobalAttention", "Memory", "Source", "Watched"]


class Memory(NamedTuple):
    """Encoder states ``(B, T, S)``, and where there is a word: ``(B, T)``, None where every text fills the width."""

    states: Tensor
    mask: Tensor | None

    @staticmethod
    def side_by_side(memories: Sequence[Memory]) -> Memory:
        """One of several: shorter texts are padded, and masked there."""
        longest = max(one.states.shape[1] for one in memories)
        states = torch.cat([F.pad(one.states, (0, 0, 0, longest - one.states.shape[1])) for one in memories])
        if all(one.mask is None and one.states.shape[1] == longest for one in memories):
            return Memory(states, None)
        return Memory(states, torch.cat([F.pad(_there(one), (0, longest - one.states.shape[1])) for one in memories]))


def _there(memory: Memory) -> Tensor:
    if memory.mask is not None:
        return memory.mask
    return torch.ones(memory.states.shape[:2], dtype=torch.bool, device=memory.states.device)


class Source(NamedTuple):
    """What a decoder writes from: vectors ``(B, Z)``, and a memory where it attends to one."""

    vector: Tensor
    memory: Memory | None

    @staticmethod
    def side_by_side(sources: Sequence[Source]) -> Source:
        """One of several."""
        memories = [one.memory for one in sources if one.memory is not None]
        together = Memory.side_by_side(memories) if memories else None
        return Source(torch.cat([one.vector for one in sources]), together)


class Watched(NamedTuple):
    """A memory made ready to be looked at: keys and values, the texts first, and where there is a word (None: everywhere)."""

    keys: Tensor
    values: Tensor
    mask: Tensor | None

    def rows(self, chosen: Tensor) -> Watched:
        """That of the texts at ``chosen`` ``(R,)``; one may come several times."""
        mask = None if self.mask is None else self.mask.index_select(0, chosen)
        return Watched(self.keys.index_select(0, chosen), self.values.index_select(0, chosen), mask)


class GlobalAttention(nn.Module):
    """Global attention with the score *general*, and the attentional state (Luong, Pham & Manning 2015, section 3.1).

    Attention comes after the recurrent layer and nothing of it is fed back, so that teacher forcing stays one fused call.

    Args:
        width: of a decoder's state.
        reads: of an encoder's state.
        dropout: share of the encoder's cells dropped in training.
    """

    def __init__(self, width: int, reads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.score = nn.Linear(reads, width, bias=False)
        self.join = nn.Linear(width + reads, width, bias=False)
        self.dropout = dropout

    def ready(self, memory: Memory) -> Watched:
        """Keys ``(B, T, H)``, values ``(B, T, S)``."""
        states = F.dropout(memory.states, self.dropout, self.training)
        return Watched(self.score(states), states, memory.mask)

    def forward(self, states: Tensor, watched: Watched) -> Tensor:
        """Decoder states ``(B, U, H)`` → attentional states ``(B, U, H)``."""
        scores = states @ watched.keys.transpose(1, 2)  # (B, U, T)
        if watched.mask is not None:
            scores = scores.masked_fill(~watched.mask[:, None], -torch.inf)
        seen = torch.softmax(scores, -1) @ watched.values
        return torch.tanh(self.join(torch.cat([seen, states], dim=-1)))


class CrossAttention(nn.Module):
    """Scaled dot-product attention in several heads over another text's states, residual (Vaswani et al. 2017, section 3.2).

    Args:
        width, reads, dropout: as for ``GlobalAttention``.
        heads: they divide the width.
    """

    def __init__(self, width: int, reads: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.Parameter(torch.ones(width))
        self.ask = nn.Linear(width, width, bias=False)
        self.offer = nn.Linear(reads, 2 * width, bias=False)
        self.join = nn.Linear(width, width, bias=False)
        self.dropout = dropout

    def ready(self, memory: Memory) -> Watched:
        """Keys and values ``(B, heads, T, H / heads)``."""
        states = F.dropout(memory.states, self.dropout, self.training)
        keys, values = (self._split(part) for part in self.offer(states).chunk(2, dim=-1))
        return Watched(keys, values, memory.mask)

    def forward(self, states: Tensor, watched: Watched) -> Tensor:
        """Decoder states ``(B, U, H)`` → ``(B, U, H)``."""
        queries = self._split(self.ask(F.rms_norm(states, self.norm.shape, self.norm, 1e-5)))
        mask = None if watched.mask is None else watched.mask[:, None, None]
        seen = F.scaled_dot_product_attention(queries, watched.keys, watched.values, attn_mask=mask)
        return states + self.join(seen.transpose(1, 2).flatten(2))

    def _split(self, states: Tensor) -> Tensor:
        return states.unflatten(-1, (self.heads, -1)).transpose(1, 2)
