"""The intervals of single words: what the encoder's first linear layer can see where a word may be any of its substitutes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_models.certification.intervals import Interval

__all__ = ["surface_intervals"]


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
    others = candidates.sort(dim=1, descending=True).values
    spanned = torch.cat([words[:, None], torch.where(others == 0, words[:, None], others)], dim=1)  # (D, 1 + S)
    distinct, place = torch.unique(spanned, return_inverse=True)
    seen = F.linear(vectors(distinct), weight)  # (N, P)
    least, largest = _ends(seen.detach(), place, (others > 0).sum(1))
    ends = Interval(seen.gather(0, least), seen.gather(0, largest))
    return ends.shrunk(seen[place[:, 0]], share)


def _ends(seen: Tensor, place: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of ``seen`` ``(N, P)`` that hold the least and the largest cell among those each row of ``place`` names.

    ``place`` ``(D, 1 + S)``, of which beside the first only ``counts`` ``(D,)`` are to be looked at. Column by column, for the
    words that have that many substitutes: several times faster than argmin and argmax over a block of all.
    """
    order = counts.argsort(descending=True)
    place, reaches = (
        place[order],
        (counts > torch.arange(place.shape[1] - 1, device=counts.device)[:, None]).sum(1).tolist(),
    )
    least = place[:, :1].int().repeat(1, seen.shape[1])  # (D, P)
    largest = least.clone()
    low = seen[place[:, 0]]
    high = low.clone()
    for column, reach in enumerate(reaches, start=1):
        rows = place[:reach, column]
        cells, rows = seen[rows], rows[:, None].int()
        least[:reach] = torch.where(cells < low[:reach], rows, least[:reach])
        low[:reach] = torch.minimum(cells, low[:reach])
        largest[:reach] = torch.where(cells > high[:reach], rows, largest[:reach])
        high[:reach] = torch.maximum(cells, high[:reach])
    back = order.argsort()
    return least[back].long(), largest[back].long()
