"""The intervals of single words: what the encoder's first linear layer can see where a word may be any of its substitutes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_models.certification.intervals import Interval

__all__ = ["surface_intervals"]

_CELLS = 2**24  # of the block that holds the substitutes of some words at once: 64 MiB


def surface_intervals(
    vectors: Callable[[Tensor], Tensor], words: Tensor, candidates: Tensor, weight: Tensor, share: float = 1.0
) -> Interval:
    """Least and largest of ``weight · v`` over the vectors v of a word and all its substitutes, cell by cell.

    The ends are taken behind the linear layer, over the substitutes themselves, and not in front of it over a box around
    them: the same for a box of one substitute, tighter for any other (as the first layers of Jia et al. and Huang et al.).

    Args:
        vectors: ids ``(…)`` → vectors ``(…, E)``.
        words: ``(D,)`` ids.
        candidates: their substitutes, ``(D, S)``, 0 where there is none.
        weight: ``(P, E)``.
        share: 1 is the whole surface, 0 the words as they are; between, every substitute's vector is moved toward its word's.

    Returns ``(D, P)``; gradients flow to the substitutes at the ends.
    """
    spanned = torch.cat([words[:, None], torch.where(candidates == 0, words[:, None], candidates)], dim=1)  # (D, 1 + S)
    distinct, place = torch.unique(spanned, return_inverse=True)
    seen = F.linear(vectors(distinct), weight)  # (N, P)
    least, largest = _ends(seen.detach(), place)
    ends = Interval(seen.gather(0, least), seen.gather(0, largest))
    return ends.shrunk(seen[place[:, 0]], share)


def _ends(seen: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of ``seen`` ``(N, P)`` that hold the least and the largest cell among those each row of ``place`` names."""
    several = (place != place[:, :1]).any(1).nonzero().flatten()
    least = place[:, :1].repeat(1, seen.shape[1])  # (D, P)
    largest = least.clone()
    for rows in several.split(max(1, _CELLS // (place.shape[1] * seen.shape[1]))):
        block = seen[place[rows]]  # (d, 1 + S, P)
        least[rows] = place[rows].gather(1, block.argmin(1))
        largest[rows] = place[rows].gather(1, block.argmax(1))
    return least, largest
