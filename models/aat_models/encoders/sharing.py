"""Many texts read at once by a recurrent layer, each distinct beginning only once.

The candidates of an attack differ from one another at a few words. Up to there a recurrent layer is in the same state for
all of them, so the states of a batch form a tree: one node for each distinct prefix of its texts. It is read level by level, a
matrix product for all prefixes of one length; maximum and sum over the words so far go along, so that no states are kept
but a level's. With one word changed in each of K texts of n words, a tree has about half of the K · n nodes, and read
backwards, by a second layer, the other half.

Nothing is padded, and each distinct word is multiplied with the input weights once. Answers are those of the layer itself
but for rounding, whatever the texts have in common; where they have nothing in common, it costs the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SharesPrefixes", "backwards", "numbered", "pooled"]

Ids = NDArray[np.integer]


@runtime_checkable
class SharesPrefixes(Protocol):
    """An encoder that can use what the texts of a batch have in common."""

    def encode_batch(self, ids: Ids, lengths: Ids, vectors: Callable[[Tensor], Tensor]) -> Tensor:
        """The vectors ``(B, Z)`` of texts: ids ``(B, T)`` padded with 0, lengths ``(B,)``, all at least 1.

        ``vectors`` gives the word vectors ``(N, E)`` of distinct ids ``(N,)``. The answer is that of the encoder's
        ``forward`` but for rounding. No gradients: call it under ``torch.no_grad``.
        """
        ...


class Level(NamedTuple):
    """The distinct prefixes of one length in a batch of texts, N of them."""

    words: Tensor  # (N,) the last word of each
    parents: Tensor | None  # (N,) the prefix one word shorter; None where prefix k goes on from prefix k
    ended: Tensor  # the texts that have this length
    nodes: Tensor  # and which prefix each of them is


def numbered(ids: Ids) -> tuple[Tensor, Ids]:
    """The distinct ids of a batch, (N,), and the batch with the place of each among them."""
    there = np.zeros(int(ids.max()) + 1, np.bool_)
    there[ids] = True
    places = np.cumsum(there, dtype=np.int32) - 1
    return torch.from_numpy(np.flatnonzero(there)), places[ids]


def backwards(texts: Ids, lengths: Ids) -> Ids:
    """Texts (B, T) back to front, each within its own length; what lies behind it stays."""
    steps = np.arange(texts.shape[1])
    turned = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return np.take_along_axis(texts, turned, axis=1)


def levels(texts: Ids, lengths: Ids) -> Iterator[Level]:
    """The tree of the prefixes of texts (B, T), lengths (B,), from the shortest on."""
    texts = np.ascontiguousarray(texts)
    # Sorted as strings of bytes, texts that begin alike lie side by side: that is all the order is for.
    order = np.argsort(texts.view(f"V{texts.shape[1] * texts.itemsize}").ravel())
    texts, lengths = texts[order], lengths[order]
    steps = np.arange(texts.shape[1])
    differs = texts[1:] != texts[:-1]
    shared = np.zeros((len(texts), 1), np.intp)  # words that each text has in common with the one before
    shared[1:, 0] = np.where(differs.any(axis=1), differs.argmax(axis=1), texts.shape[1])
    new = (steps >= shared) & (steps < lengths[:, None])
    number = new.cumsum(axis=0) - 1  # (B, T): which prefix of its length a text begins with
    depth, row = np.nonzero(new.T)
    counts = new.sum(axis=0)
    starts = [0, *counts.cumsum().tolist()]
    parents = number[row, depth - 1]
    moved = np.bincount(depth, parents != np.arange(len(row)) - np.array(starts)[depth], len(steps))
    gathered = (moved > 0) | (np.diff(counts, prepend=0) != 0)
    by_length = np.argsort(lengths, kind="stable")
    ends = np.searchsorted(lengths[by_length], np.arange(len(steps) + 1), side="right").tolist()
    words, before = torch.from_numpy(texts[row, depth].astype(np.int64)), torch.from_numpy(parents)
    ended, nodes = torch.from_numpy(order[by_length]), torch.from_numpy(number[by_length, lengths[by_length] - 1])
    for t, (start, stop) in enumerate(pairwise(starts)):
        here = slice(ends[t], ends[t + 1])
        yield Level(words[start:stop], before[start:stop] if t and gathered[t] else None, ended[here], nodes[here])


def pooled(layer: nn.LSTM | nn.GRU, vectors: Tensor, texts: Ids, lengths: Ids) -> tuple[Tensor, Tensor]:
    """Maximum and mean of a layer's states over each text's words, (B, H) each.

    Args:
        layer: with one layer and one direction.
        vectors: (N, E) of the distinct words.
        texts: (B, T) places among them; what lies behind a text is not read, but must be the same in all of them.
        lengths: (B,), at least 1.
    """
    step = _lstm(layer) if isinstance(layer, nn.LSTM) else _gru(layer)
    given = _inputs(layer, vectors)
    tree = list(levels(texts, lengths))
    start = vectors.new_zeros(len(tree[0].words), layer.hidden_size)
    largest, total, state = start - 1, start, [start, start]  # no state is under −1
    found: list[tuple[Tensor, Tensor]] = []
    for level in tree:
        if level.parents is not None:
            largest, total, *state = (part.index_select(0, level.parents) for part in (largest, total, *state))
        hidden, *state = step(given.index_select(0, level.words), state)
        largest, total, state = torch.maximum(largest, hidden), total + hidden, [hidden, *state]
        if len(level.ended):
            found.append((largest.index_select(0, level.nodes), total.index_select(0, level.nodes)))
    order = torch.cat([level.ended for level in tree]).argsort()
    largest, total = (torch.cat(parts).index_select(0, order) for parts in zip(*found, strict=True))
    return largest, total / torch.from_numpy(lengths).to(total)[:, None]


_Step = Callable[[Tensor, list[Tensor]], tuple[Tensor, ...]]


def _inputs(layer: nn.LSTM | nn.GRU, vectors: Tensor) -> Tensor:
    """What each word adds to the gates, (N, 4H), for a GRU (N, 3H); its recurrent bias of the new state waits."""
    weights, _, bias, recurrent = layer.all_weights[0]
    once = slice(None) if isinstance(layer, nn.LSTM) else slice(2 * layer.hidden_size)
    bias = bias.clone()
    bias[once] += recurrent[once]
    return F.linear(vectors, weights, bias)


def _lstm(layer: nn.LSTM) -> _Step:
    recurrent, h = layer.all_weights[0][1].t().contiguous(), layer.hidden_size

    def step(given: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        """Overwrites ``given``."""
        hidden, cell = state
        gates = given.addmm_(hidden, recurrent)
        gates[:, : 2 * h].sigmoid_()
        enter, keep, new, leave = gates.chunk(4, dim=1)
        cell = (enter * new.tanh_()).addcmul_(keep, cell)
        return torch.tanh(cell).mul_(leave.sigmoid_()), cell

    return step


def _gru(layer: nn.GRU) -> _Step:
    _, weights, _, bias = layer.all_weights[0]
    recurrent, h = weights.t().contiguous(), layer.hidden_size

    def step(given: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        hidden = state[0]
        reset, keep = (given[:, : 2 * h] + hidden @ recurrent[:, : 2 * h]).sigmoid_().chunk(2, dim=1)
        new = torch.tanh(given[:, 2 * h :] + reset * torch.addmm(bias[2 * h :], hidden, recurrent[:, 2 * h :]))
        return (torch.lerp(new, hidden, keep),)

    return step
