"""What every encoder shares: masks, pooling, reversal.

Every encoder maps embedded words ``(B, T, E)`` with their lengths ``(B,)`` to the vector ``(B, Z)``, which does not depend
on how far a text is padded. Where all texts of a batch have one length, and batches are made so, nothing is masked.
Those that have a state for each word give them too, for a decoder that attends to them: see ``HasStates``.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["HasStates", "mask_of", "masked_max", "masked_mean", "reverse"]


@runtime_checkable
class HasStates(Protocol):
    """An encoder with a state for each word; ``state_width`` is how wide one is."""

    state_width: int

    def read(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The vector ``(B, Z)`` that ``forward`` gives, and the states ``(B, T, S)`` in the words' order.

        What stands at padding is nobody's state.
        """
        ...


def mask_of(lengths: Tensor, width: int) -> Tensor | None:
    """``(B, T)``, true where there is a word; ``None`` where every text fills the width.

    On a GPU there always is a mask: to look would make the host wait.
    """
    if lengths.device.type == "cpu" and bool((lengths == width).all()):
        return None
    return torch.arange(width, device=lengths.device)[None] < lengths[:, None]


def masked_max(states: Tensor, mask: Tensor | None) -> Tensor:
    """Maximum over a text's words: ``(B, T, H)`` → ``(B, H)``."""
    if mask is not None:
        states = states.masked_fill(~mask[..., None], torch.finfo(states.dtype).min)
    return states.amax(dim=1)


def masked_mean(states: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over a text's words: ``(B, T, H)`` → ``(B, H)``."""
    if mask is None:
        return states.mean(dim=1)
    return (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def reverse(states: Tensor, lengths: Tensor, mask: Tensor | None) -> Tensor:
    """Each text back to front within its own length; padding stays behind it."""
    if mask is None:
        return states.flip(1)
    steps = torch.arange(states.shape[1], device=states.device)[None]
    order = torch.where(mask, lengths[:, None] - 1 - steps, steps)
    rows = (order + torch.arange(0, order.numel(), states.shape[1], device=states.device)[:, None]).flatten()
    return states.flatten(0, 1).index_select(0, rows).view_as(states)  # whole rows: several times faster than gather
