"""Interval arithmetic over tensors: what a value lies between, cell by cell (Gowal et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Interval"]


class Interval(NamedTuple):
    """``lower`` ≤ value ≤ ``upper``, two tensors of one shape."""

    lower: Tensor
    upper: Tensor

    def monotone(self, function: Callable[[Tensor], Tensor]) -> Interval:
        """Through a function that never falls: tanh, ReLU, pooling, cuts and joins of cells."""
        return Interval(function(self.lower), function(self.upper))

    def plus(self, other: Interval) -> Interval:
        return Interval(self.lower + other.lower, self.upper + other.upper)

    def parts(self, count: int) -> list[Interval]:
        """Equal parts of the last dimension."""
        return [Interval(*ends) for ends in zip(self.lower.chunk(count, -1), self.upper.chunk(count, -1), strict=True)]

    def affine(self, weight: Tensor, bias: Tensor | None = None) -> Interval:
        """``(…, I)`` through ``weight`` ``(O, I)`` → ``(…, O)``: the middle as it is, the radius by the weights' sizes."""
        middle = torch.nn.functional.linear((self.lower + self.upper) / 2, weight, bias)
        radius = torch.nn.functional.linear((self.upper - self.lower) / 2, weight.abs())
        return Interval(middle - radius, middle + radius)

    def gated(self, gate: Interval) -> Interval:
        """Times a value that is never negative: of the four corners two can be the least, two the largest."""
        return Interval(
            torch.minimum(gate.lower * self.lower, gate.upper * self.lower),
            torch.maximum(gate.lower * self.upper, gate.upper * self.upper),
        )

    def shrunk(self, centre: Tensor, share: float) -> Interval:
        """Both ends moved toward ``centre``, which lies inside: 1 leaves them, 0 leaves the point."""
        if share == 1:
            return self
        return Interval(torch.lerp(centre, self.lower, share), torch.lerp(centre, self.upper, share))
