"""Products with weights that no longer change, laid out for a CPU that writes text.

Measured on one thread with torch 2.13: a product of one row is up to twice as fast where the weights lie column by column, and
one of several rows where they were packed for oneDNN beforehand; docs/results/generation-speed.md has the figures.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Packed", "Product", "by_columns"]


class Packed:
    """A weight ``(O, I)`` that is packed once; a copy, as large as the weight itself."""

    def __init__(self) -> None:
        self._packed: Tensor | None = None
        self._version = -1

    def prepare(self, weight: Tensor, rows: int) -> None:
        """Packs the weight for products of about ``rows`` rows, where this machine and its type allow it."""
        there = torch.backends.mkldnn.is_available() and weight.device.type == "cpu" and weight.dtype == torch.float32
        if there and (self._packed is None or self._version != weight._version):
            with torch.no_grad():
                self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), rows)
            self._version = weight._version

    def times(self, states: Tensor, weight: Tensor) -> Tensor:
        """``(…, I)`` → ``(…, O)``; one row, or a weight that was not packed or has changed since, by the usual way."""
        if self._packed is None or states.numel() == states.shape[-1] or self._version != weight._version:
            return F.linear(states, weight)
        return torch.ops.mkldnn._linear_pointwise(states, self._packed, None, "none", [], "")


class Product(nn.Linear):
    """A linear layer without bias."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)
        self.packed: Packed | None = None

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight) if self.packed is None else self.packed.times(input, self.weight)

    def lay_out(self, rows: int) -> None:
        """Makes the product fast for texts that are written ``rows`` at a time; not for training."""
        if rows == 1:
            by_columns(self.weight)
            return
        self.packed = self.packed or Packed()
        self.packed.prepare(self.weight, rows)


def by_columns(weight: Tensor) -> None:
    """The same weight, its columns each in one piece of memory."""
    if weight.is_contiguous() and weight.dim() == 2:
        weight.data = weight.data.t().contiguous().t()
