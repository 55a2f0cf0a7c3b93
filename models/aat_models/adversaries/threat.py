"""Geometry of perturbations of embedded texts, apart from the methods that use it. All over ``(B, T, E)``."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ascend", "clip", "norm", "project", "random_start", "spread"]


def norm(embedded: Tensor) -> Tensor:
    """Length of each text's whole perturbation or embedding, ``(B, 1, 1)``."""
    return embedded.flatten(1).norm(dim=1)[:, None, None]


def spread(embedded: Tensor) -> Tensor:
    """Root mean square of the coordinates of each text's words, padding aside, ``(B, 1, 1)``."""
    words = (embedded != 0).any(-1).sum(1).clamp_min(1) * embedded.shape[-1]
    return norm(embedded) / words.sqrt()[:, None, None]


def ascend(gradient: Tensor, length: Tensor | float) -> Tensor:
    """The step of the given length ``(B, 1, 1)`` along each text's gradient: the worst one in an L2 ball, to first order."""
    return gradient * (length / norm(gradient).clamp_min(1e-12))


def project(shift: Tensor, radius: Tensor) -> Tensor:
    """The nearest perturbation inside each text's L2 ball; ``radius`` ``(B, 1, 1)``."""
    return shift * (radius / norm(shift).clamp_min(1e-12)).clamp_max(1.0)


def clip(shift: Tensor, width: Tensor) -> Tensor:
    """The nearest perturbation inside each text's box; ``width`` ``(B, 1, 1)`` is that of half a side."""
    return shift.clamp(-width, width)


def random_start(embedded: Tensor, radius: Tensor) -> Tensor:
    """A perturbation drawn uniformly from the sphere, then shrunk uniformly; zero where the text is padding."""
    direction = torch.randn_like(embedded) * (embedded != 0).any(-1, keepdim=True)
    return ascend(direction, radius * torch.rand(len(embedded), 1, 1, device=embedded.device))
