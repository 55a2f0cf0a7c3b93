"""First-order proposals: the substitutes that raise the loss most, read off one gradient (HotFlip, Ebrahimi et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Vectors", "gains", "positions", "propose"]

Vectors = Callable[[Tensor], Tensor]  # ids (…) → vectors (…, E)


def gains(vectors: Vectors, ids: Tensor, candidates: Tensor, gradient: Tensor) -> Tensor:
    """First-order gain in loss of every substitute, ``(B, T, S)``, −inf where there is none.

    ``ids`` ``(B, T)``, ``candidates`` ``(B, T, S)``; ``gradient`` ``(B, T, E)`` is that of each text's loss by its word vectors.
    """
    with torch.no_grad():
        rises = torch.einsum("bte,btse->bts", gradient, vectors(candidates))
        gain = rises - (gradient * vectors(ids)).sum(-1, keepdim=True)
    return gain.masked_fill(candidates == 0, -torch.inf)


def positions(gain: Tensor, lengths: Tensor, rho: Tensor) -> Tensor:
    """The ``ceil(rho · n)`` words of each text with the largest gain, ``(B, T)`` boolean; ``rho`` ``(B,)``."""
    best = gain.amax(-1)  # (B, T)
    rank = best.argsort(dim=1, descending=True).argsort(dim=1)
    allowed = torch.ceil(rho * lengths).clamp_min(1)
    return (rank < allowed[:, None]) & torch.isfinite(best)


def propose(candidates: Tensor, ids: Tensor, gain: Tensor, chosen: Tensor) -> Tensor:
    """Ids ``(B, T)`` with each chosen word replaced by its substitute of largest gain, where that gain is positive."""
    best, which = gain.max(-1)
    replaced = candidates.gather(-1, which[..., None]).squeeze(-1)
    return torch.where(chosen & (best > 0), replaced, ids)
