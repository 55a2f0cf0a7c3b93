"""Texts that are nearly the same: MinHash over character pieces (Broder 1997), banded, each candidate then compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pair", "near_duplicates"]

_PIECE = 5  # bytes of a piece of text
_BANDS, _ROWS = 8, 3  # two texts that share 0.8 of their pieces meet in a band 997 times of 1000
_COMPARED = 24  # texts of a band that a new one is compared with: a template's texts all share one
_LONGEST = 4000  # bytes of a text that are looked at


class Pair(NamedTuple):
    """Two texts, by their places in what was given, and the share of pieces that they have in common."""

    first: int
    second: int
    similarity: float


def near_duplicates(texts: Sequence[str], threshold: float = 0.8, seed: int = 0) -> list[Pair]:
    """Pairs that share at least ``threshold`` of their pieces but are not equal, most alike first.

    Case and blanks do not count. Each text is in one pair at most as the second: with the one that it is most like of
    those before it. Texts shorter than a piece are left out.
    """
    rng = np.random.default_rng(seed)
    factors = rng.integers(1, 2**63, size=(1, _BANDS * _ROWS), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    pieces: list[NDArray[np.uint64]] = []
    bands: list[dict[bytes, list[int]]] = [{} for _ in range(_BANDS)]
    found: list[Pair] = []
    for number, text in enumerate(texts):
        own = _pieces(text)
        pieces.append(own)
        if not len(own):
            continue
        # Multiplied by an odd number modulo 2**64, the high bits are those of a hash.
        least = (own[:, None] * factors).min(axis=0).reshape(_BANDS, _ROWS)
        candidates: set[int] = set()
        for band, key in zip(bands, (row.tobytes() for row in least), strict=True):
            members = band.setdefault(key, [])
            candidates.update(members[-_COMPARED:])
            members.append(number)
        best = _most_alike(number, candidates, texts, pieces)
        if best is not None and best.similarity >= threshold:
            found.append(best)
    return sorted(found, key=lambda pair: (-pair.similarity, pair.second))


def _most_alike(
    number: int, candidates: set[int], texts: Sequence[str], pieces: list[NDArray[np.uint64]]
) -> Pair | None:
    own = pieces[number]
    best: Pair | None = None
    for other in sorted(candidates):
        if texts[other] == texts[number]:
            continue
        theirs = pieces[other]
        shared = len(np.intersect1d(own, theirs, assume_unique=True))
        similarity = shared / (len(own) + len(theirs) - shared)
        if best is None or similarity > best.similarity:
            best = Pair(other, number, similarity)
    return best


def _pieces(text: str) -> NDArray[np.uint64]:
    """The distinct pieces of a text as numbers."""
    data = np.frombuffer(" ".join(text.lower().split()).encode("utf-8", "replace")[:_LONGEST], dtype=np.uint8)
    if len(data) < _PIECE:
        return np.empty(0, dtype=np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(data, _PIECE).astype(np.uint64)
    weights = np.uint64(256) ** np.arange(_PIECE, dtype=np.uint64)
    return np.unique(windows @ weights) * np.uint64(0x9E3779B97F4A7C15)
