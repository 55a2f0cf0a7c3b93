"""Convex hulls of substitutes: a word's vector replaced by a weighted mean of its own and its substitutes' (Dong et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["corners"]


def corners(ids: Tensor, candidates: Tensor) -> Tensor:
    """The ids whose vectors span each word's hull, itself first: ``(…)`` and ``(…, S)`` → ``(…, 1 + S)``."""
    return torch.cat([ids[..., None], candidates], dim=-1)
