"""Convex hulls of substitutes: a word's vector replaced by a weighted mean of its own and its substitutes' (Dong et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from aat_models.embeddings import StepVectors

__all__ = ["corners", "extent"]


def corners(ids: Tensor, candidates: Tensor) -> Tensor:
    """The ids whose vectors span each word's hull, itself first: ``(…)`` and ``(…, S)`` → ``(…, 1 + S)``."""
    return torch.cat([ids[..., None], candidates], dim=-1)


def extent(vectors: StepVectors, ids: Tensor, substitutes: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean squared distance between the distinct words of ``ids`` and their substitutes: how large hulls and boxes are.

    ``substitutes`` gives those of words ``(D,)``: ``(D, S)``, 0 where there is none.
    """
    words = torch.unique(ids)
    near = substitutes(words)
    there = near > 0
    if not bool(there.any()):
        return vectors.leaf.new_zeros(())
    return (vectors(words[:, None].expand_as(near)[there]) - vectors(near[there])).square().sum(-1).mean()
