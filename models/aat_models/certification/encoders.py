"""Bounds through each kind of encoder, the same arithmetic as its ``forward`` on intervals. One class a kind.

An encoder first multiplies each word's vector, by itself, with a matrix: ``weight``. Its bounds begin behind that, with
intervals of the products ``(B, T, P)``, and end at the vector ``(B, Z)``. Everything that follows a text is padding, which
:mod:`aat_models.encoders.base` keeps out of the vector, and out of its bounds in the same way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aat_datasets.errors import ConfigError
from aat_models.certification.intervals import Interval
from aat_models.config import BOUNDED
from aat_models.encoders.bag import BagOfWords
from aat_models.encoders.base import mask_of, masked_max, masked_mean, reverse
from aat_models.encoders.convolutional import ConvolutionalEncoder
from aat_models.encoders.recurrent import BiLSTM, Recurrent

__all__ = ["EncoderBounds", "bounds_of"]


class EncoderBounds(Protocol):
    """One encoder's bounds; ``weight`` ``(P, E)`` is what it multiplies every word's vector with."""

    @property
    def weight(self) -> Tensor: ...

    def vector(self, products: Interval, lengths: Tensor) -> Interval:
        """Intervals of the products ``(B, T, P)`` of texts of ``lengths`` ``(B,)`` → intervals of the vector ``(B, Z)``."""
        ...


class BagBounds:
    """The mean and the dense layer are both linear: they change places, and only tanh is left."""

    def __init__(self, encoder: BagOfWords) -> None:
        self.encoder = encoder

    @property
    def weight(self) -> Tensor:
        return self.encoder.dense.weight

    def vector(self, products: Interval, lengths: Tensor) -> Interval:
        mask, bias = mask_of(lengths, products.lower.shape[1]), self.encoder.dense.bias
        return products.monotone(lambda states: torch.tanh(masked_mean(states, mask) + bias))


class ConvolutionalBounds:
    """A filter's answer is the sum of what its columns say of the words under them, each bounded by itself."""

    def __init__(self, encoder: ConvolutionalEncoder) -> None:
        self.dense = encoder.dense
        self.filters = [f for f in encoder.filters if isinstance(f, nn.Conv1d)]

    @property
    def weight(self) -> Tensor:
        columns = [f.weight.permute(2, 0, 1).flatten(0, 1) for f in self.filters]  # (width · H, E) each
        return torch.cat(columns)

    def vector(self, products: Interval, lengths: Tensor) -> Interval:
        pooled = products.monotone(lambda states: self._pooled(states, lengths))
        return pooled.affine(self.dense.weight, self.dense.bias).monotone(torch.tanh)

    def _pooled(self, products: Tensor, lengths: Tensor) -> Tensor:
        """Sums, ReLU and maximum: none of them ever falls, so that each end goes through by itself."""
        mask = mask_of(lengths, products.shape[1])
        inside = products if mask is None else products * mask[..., None]
        widths = [f.kernel_size[0] for f in self.filters]
        columns = inside.split([f.out_channels for f in self.filters for _ in range(f.kernel_size[0])], dim=-1)
        states: list[Tensor] = []
        for f, end in zip(self.filters, itertools.accumulate(widths), strict=True):
            own = columns[end - f.kernel_size[0] : end]
            # The last column meets the word where the window ends, each one before it the word before.
            met = [_later(column, len(own) - 1 - k) for k, column in enumerate(own)]
            states.append(torch.relu(sum(met, f.get_parameter("bias"))))
        return masked_max(torch.cat(states, dim=-1), mask)


def _later(states: Tensor, steps: int) -> Tensor:
    """``(B, T, H)`` moved ``steps`` places on; nothing, 0, comes before it, and what passes the end is gone."""
    kept = states[:, : max(states.shape[1] - steps, 0)]
    return F.pad(kept, (0, 0, states.shape[1] - kept.shape[1], 0)) if steps else states


class RecurrentBounds:
    def __init__(self, encoder: Recurrent) -> None:
        self.encoder = encoder

    @property
    def weight(self) -> Tensor:
        return self.encoder.layer.get_parameter("weight_ih_l0")

    def vector(self, products: Interval, lengths: Tensor) -> Interval:
        mask = mask_of(lengths, products.lower.shape[1])
        states = _unrolled(self.encoder.layer, products)
        pooled = states.monotone(lambda s: torch.cat([masked_max(s, mask), masked_mean(s, mask)], dim=-1))
        dense = self.encoder.dense
        return pooled.affine(dense.weight, dense.bias).monotone(torch.tanh)


class BiLSTMBounds:
    def __init__(self, encoder: BiLSTM) -> None:
        self.encoder = encoder

    @property
    def weight(self) -> Tensor:
        return torch.cat(
            [layer.get_parameter("weight_ih_l0") for layer in (self.encoder.forwards, self.encoder.backwards)]
        )

    def vector(self, products: Interval, lengths: Tensor) -> Interval:
        mask = mask_of(lengths, products.lower.shape[1])
        half = products.lower.shape[-1] // 2
        ahead = _unrolled(self.encoder.forwards, products.monotone(lambda p: p[..., :half]))
        turned = products.monotone(lambda p: reverse(p[..., half:], lengths, mask))
        back = _unrolled(self.encoder.backwards, turned)
        lower, upper = (
            torch.cat([pool(end, mask) for pool in (masked_max, masked_mean) for end in ends], dim=-1)
            for ends in zip(ahead, back, strict=True)
        )
        dense, pooled = self.encoder.dense, Interval(lower, upper)
        return pooled.affine(dense.weight, dense.bias).monotone(torch.tanh)


def _unrolled(layer: nn.RNNBase, products: Interval) -> Interval:
    """Intervals of every state ``(B, T, H)`` from those of the input products ``(B, T, gates · H)``."""
    step = _lstm if isinstance(layer, nn.LSTM) else _gru
    weight, bias = layer.get_parameter("weight_hh_l0"), layer.get_parameter("bias_hh_l0")
    seen = products.monotone(lambda end: end + layer.get_parameter("bias_ih_l0"))
    start = products.lower.new_zeros(len(products.lower), layer.hidden_size)
    hidden = cell = Interval(start, start)
    found: list[Interval] = []
    for lower, upper in zip(seen.lower.unbind(1), seen.upper.unbind(1), strict=True):
        hidden, cell = step(Interval(lower, upper), hidden.affine(weight, bias), hidden, cell)
        found.append(hidden)
    return Interval(torch.stack([h.lower for h in found], 1), torch.stack([h.upper for h in found], 1))


def _lstm(seen: Interval, told: Interval, hidden: Interval, cell: Interval) -> tuple[Interval, Interval]:
    """c' = f · c + i · g and h' = o · tanh c'; the gates lie between 0 and 1. ``told`` is what h says to the gates."""
    enter, keep, new, leave = seen.plus(told).parts(4)
    kept = cell.gated(keep.monotone(torch.sigmoid))
    cell = kept.plus(new.monotone(torch.tanh).gated(enter.monotone(torch.sigmoid)))
    return cell.monotone(torch.tanh).gated(leave.monotone(torch.sigmoid)), cell


def _gru(seen: Interval, told: Interval, hidden: Interval, cell: Interval) -> tuple[Interval, Interval]:
    """n = tanh(x + r · (W h + b)) and h' = (1 − z) · n + z · h, which never falls with n or h and is linear in z."""
    (reset, keep, new), (told_reset, told_keep, told_new) = seen.parts(3), told.parts(3)
    keep = keep.plus(told_keep).monotone(torch.sigmoid)
    new = new.plus(told_new.gated(reset.plus(told_reset).monotone(torch.sigmoid))).monotone(torch.tanh)
    lows = [torch.lerp(new.lower, hidden.lower, z) for z in keep]
    tops = [torch.lerp(new.upper, hidden.upper, z) for z in keep]
    return Interval(torch.minimum(*lows), torch.maximum(*tops)), cell


_KINDS: dict[type[nn.Module], Callable[..., EncoderBounds]] = {
    BagOfWords: BagBounds,
    ConvolutionalEncoder: ConvolutionalBounds,
    Recurrent: RecurrentBounds,
    BiLSTM: BiLSTMBounds,
}


def bounds_of(encoder: nn.Module) -> EncoderBounds:
    """The bounds of an encoder. Raises ConfigError where none are known for its kind."""
    kind = _KINDS.get(type(encoder))
    if kind is None:
        raise ConfigError(
            f"model.encoder: {type(encoder).__name__} cannot be bounded", f"what can be: {', '.join(BOUNDED)}"
        )
    return kind(encoder)
