"""Words that keep the same company: a synonym table made from the training texts alone.

Positive pointwise mutual information of words and their context, factored by a truncated singular value
decomposition (Levy & Goldberg 2014, "Neural word embedding as implicit matrix factorization"; context smoothing as in
Levy, Goldberg & Dagan 2015). Words that stand in the same places are often opposites (*good*, *bad*), so a pair whose
words speak for different classes is dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["neighbours"]


def neighbours(
    texts: Sequence[Sequence[str]],
    labels: Sequence[int | None] | None = None,
    *,
    words: int = 4000,
    min_count: int = 5,
    window: int = 2,
    rank: int = 100,
    threshold: float = 0.55,
    limit: int = 8,
    log_odds: float = 1.0,
) -> dict[str, list[str]]:
    """Word → its nearest words, nearest first, from tokenised ``texts``.

    Args:
        texts: the words of every text.
        labels: the class of every text; pairs that differ by more than ``log_odds`` in any class are dropped.
        words: only this many most frequent words take part (memory grows with the square: 4,000 need 0.5 GB).
        min_count: a word seen less often has no neighbours and is none.
        window: words this far apart are each other's context.
        rank: length of the vectors.
        threshold: smallest cosine of a pair.
        limit: a pair must be among the ``limit`` nearest of both its words.
    """
    counts = Counter(word for text in texts for word in text if any(c.isalpha() for c in word))
    ranked = sorted((w for w, n in counts.items() if n >= min_count), key=lambda w: (-counts[w], w))[:words]
    if len(ranked) < 3:
        return {}
    number = {word: i for i, word in enumerate(ranked)}
    vectors = _vectors(_ppmi(_cooccurrence(texts, number, window)), rank)
    allowed = _same_class(texts, labels, number, log_odds)
    return _mutual(ranked, vectors, allowed, threshold, limit)


def _cooccurrence(texts: Sequence[Sequence[str]], number: dict[str, int], window: int) -> NDArray[np.float32]:
    """How often each context stands at most ``window`` words before, and after, each word; (V, 2V).

    The two sides are kept apart: words then are near when they could replace each other, not when they go together.
    """
    import numpy as np

    size = len(number)
    gap = [-1] * window  # keeps the words of one text out of the next one's context
    flat: list[int] = []
    for text in texts:
        flat.extend(number.get(word, -1) for word in text)
        flat.extend(gap)
    ids = np.asarray(flat, dtype=np.int64)
    table = np.zeros((size, size), dtype=np.float32)
    for distance in range(1, window + 1):
        left, right = ids[:-distance], ids[distance:]
        both = (left >= 0) & (right >= 0)
        pairs, times = np.unique(left[both] * size + right[both], return_counts=True)
        table.reshape(-1)[pairs] += times
    return np.concatenate([table.T, table], axis=1)


def _ppmi(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Positive pointwise mutual information, contexts smoothed by the power 0.75; (V, 2V)."""
    import numpy as np

    total = max(float(table.sum()), 1.0)
    row = np.maximum(table.sum(axis=1), 1e-9) / total
    context = (np.maximum(table.sum(axis=0), 1e-9) / total) ** 0.75
    context /= context.sum()
    with np.errstate(divide="ignore"):
        information = np.log(table / total) - np.log(row)[:, None] - np.log(context)[None, :]
    return np.maximum(information, 0.0).astype(np.float32)


def _vectors(matrix: NDArray[np.float32], rank: int) -> NDArray[np.float32]:
    """Unit rows of ``U·√S`` from a randomised decomposition with fixed seed and signs; (V, rank)."""
    import numpy as np

    width = min(rank + 16, len(matrix))
    basis = np.random.default_rng(0).standard_normal((matrix.shape[1], width)).astype(np.float32)
    for _ in range(4):
        basis = np.linalg.qr(matrix.T @ np.linalg.qr(matrix @ basis)[0])[0]
    basis = np.linalg.qr(matrix @ basis)[0]
    left, strength, _ = np.linalg.svd(basis.T @ matrix, full_matrices=False)
    vectors = (basis @ left)[:, :rank] * np.sqrt(strength[:rank])
    peak = np.abs(vectors).argmax(axis=0)
    vectors *= np.where(vectors[peak, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(length, 1e-9)).astype(np.float32)


def _same_class(
    texts: Sequence[Sequence[str]], labels: Sequence[int | None] | None, number: dict[str, int], limit: float
) -> NDArray[np.float32] | None:
    """Smoothed log-odds of every class given a word, over ``limit``: pairs within 1 of each other agree; (V, C)."""
    import numpy as np

    known = sorted({label for label in labels or () if label is not None})
    if labels is None or len(known) < 2:
        return None
    column = {label: c for c, label in enumerate(known)}
    counts = np.zeros((len(number), len(known)), dtype=np.float32)
    prior = np.zeros(len(known), dtype=np.float32)
    for text, label in zip(texts, labels, strict=True):
        if label is None:
            continue
        prior[column[label]] += 1
        present = [number[word] for word in set(text) if word in number]
        counts[present, column[label]] += 1
    prior /= prior.sum()
    strength = 5.0  # a word's classes are believed only as far as it was seen
    share = (counts + strength * prior) / (counts.sum(axis=1, keepdims=True) + strength)
    share = np.clip(share, 1e-4, 1 - 1e-4)
    return ((np.log(share) - np.log1p(-share)) / limit).astype(np.float32)


def _mutual(
    words: list[str],
    vectors: NDArray[np.float32],
    odds: NDArray[np.float32] | None,
    threshold: float,
    limit: int,
) -> dict[str, list[str]]:
    """Pairs over the threshold that are among each other's nearest and agree on the classes."""
    import numpy as np

    nearest: list[list[int]] = []
    for start in range(0, len(words), 512):
        # Rounded, so that the last bit of a sum, which differs between machines, decides nothing.
        cosine = np.round(vectors[start : start + 512] @ vectors.T, 4)
        cosine[np.arange(len(cosine)), start + np.arange(len(cosine))] = -1.0
        order = np.argsort(-cosine, axis=1, kind="stable")[:, :limit]
        kept = np.take_along_axis(cosine, order, axis=1) >= threshold
        nearest.extend(row[keep].tolist() for row, keep in zip(order, kept, strict=True))
    table: dict[str, list[str]] = {}
    for i, found in enumerate(nearest):
        mutual = [j for j in found if i in nearest[j]]
        if odds is not None:
            mutual = [j for j in mutual if float(np.abs(odds[i] - odds[j]).max()) <= 1.0]
        if mutual:
            table[words[i]] = [words[j] for j in mutual]
    return table
