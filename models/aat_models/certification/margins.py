"""Worst-case answers of a whole model: logits, margins, certified accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from aat_datasets.batching import EncodedSplit, pad
from aat_models.certification.encoders import bounds_of
from aat_models.certification.words import surface_intervals
from aat_models.text_model import TextModel

__all__ = ["SLACK", "certified_accuracy", "text_margins", "worst_logits"]

SLACK = 1e-4
"""A margin, in logits, that rounding may eat: a certificate needs more than this."""

_BATCH = 64


def worst_logits(
    model: TextModel,
    vectors: Callable[[Tensor], Tensor],
    ids: Tensor,
    lengths: Tensor,
    labels: Tensor,
    substitutes: Callable[[Tensor], Tensor],
    share: float = 1.0,
    latent: Tensor | None = None,
) -> Tensor:
    """Upper bounds of every logit minus the label's, ``(B, C)``, over all texts the surface allows; 0 at the label.

    The last layer is not bounded logit by logit: of two logits only the difference counts, and that is again linear in the
    vector (Gowal et al. 2018).

    Args:
        model: with a label head and an encoder that can be bounded.
        vectors: ids ``(…)`` → vectors ``(…, E)``: the model's embedding, or a training step's vectors.
        ids: ``(B, T)`` padded with 0.
        lengths: ``(B,)``.
        labels: ``(B,)``.
        substitutes: words ``(D,)`` → their substitutes ``(D, S)``, 0 where there is none.
        share: of the way from each word to its substitutes; 1 is the surface.
        latent: a draw of dropout over the vector, ``(B, Z)``, never negative.

    Raises ConfigError where the encoder cannot be bounded.
    """
    assert model.head is not None
    bounds = bounds_of(model.encoder)
    words, place = torch.unique(ids, return_inverse=True)
    single = surface_intervals(vectors, words, substitutes(words), bounds.weight, share)
    vector = bounds.vector(single.monotone(lambda end: F.embedding(place, end)), lengths)
    if latent is not None:
        vector = vector.monotone(lambda end: end * latent)
    weight = model.head.weight - model.head.weight[labels][:, None]  # (B, C, Z)
    bias = model.head.bias - model.head.bias[labels][:, None]  # (B, C)
    middle, radius = (vector.lower + vector.upper) / 2, (vector.upper - vector.lower) / 2
    return torch.einsum("bcz,bz->bc", weight, middle) + torch.einsum("bcz,bz->bc", weight.abs(), radius) + bias


def _margins(worst: Tensor, labels: Tensor) -> Tensor:
    """Lower bounds of the label's lead over the next class, ``(B,)``, from worst-case logits."""
    own = F.one_hot(labels, worst.shape[1]).bool()
    return -worst.masked_fill(own, -torch.inf).amax(1)


@torch.no_grad()
def text_margins(
    model: TextModel,
    intern: Callable[[Sequence[str]], NDArray[np.int32]],
    texts: Sequence[Sequence[str]],
    labels: Sequence[int],
    substitutes: Callable[[str], Sequence[str]],
) -> NDArray[np.float64]:
    """Lower bounds ``(N,)`` of each text's lead of its label, in logits, whatever words are replaced on the surface.

    Above SLACK, the text is certified. −inf where a word has a substitute of several words or none: these change the
    text's length, which the bounds take as given.

    Args:
        model: in evaluation mode.
        intern: words → ids.
        texts: words as the model reads them, at least one each.
        labels: true classes.
        substitutes: of a word, any number; the word itself is always among what may stand there.

    Raises ConfigError where the encoder cannot be bounded.
    """
    assert not model.training
    bounds_of(model.encoder)
    found = np.full(len(texts), -np.inf)
    known = {word: tuple(substitutes(word)) for text in texts for word in text}
    single = {word for word, others in known.items() if all(map(_single, others)) and intern(others).all()}
    rows = [row for row, text in enumerate(texts) if all(word in single for word in text)]
    rows.sort(key=lambda row: len(texts[row]))
    for at in range(0, len(rows), _BATCH):
        chosen = rows[at : at + _BATCH]
        table = _table(intern, {word: known[word] for row in chosen for word in texts[row]})
        parts = (*pad([intern(texts[row]) for row in chosen]), np.array([labels[row] for row in chosen]))
        ids, lengths, truth = (torch.from_numpy(part.astype(np.int64)).to(model.device) for part in parts)
        worst = worst_logits(model, model.embedding, ids, lengths, truth, table)
        found[chosen] = _margins(worst, truth).double().cpu().numpy()
    return found


def _single(word: str) -> bool:
    return bool(word) and " " not in word


def _table(
    intern: Callable[[Sequence[str]], NDArray[np.int32]], known: dict[str, tuple[str, ...]]
) -> Callable[[Tensor], Tensor]:
    """Substitutes by id: words ``(D,)`` → ``(D, S)``. What is not in the table, padding among it, has none."""
    numbers = intern(list(known))
    block, _ = pad([intern(others) for others in known.values()])
    rows = np.zeros((int(numbers.max(initial=0)) + 1, block.shape[1]), np.int64)
    rows[numbers] = block
    return lambda words: torch.from_numpy(rows[words.cpu().numpy()]).to(words.device)


@torch.no_grad()
def certified_accuracy(
    model: TextModel, split: EncodedSplit, substitutes: Callable[[Tensor], Tensor], limit: int
) -> dict[str, float]:
    """``certified_accuracy``: the share of the first ``limit`` texts with a label that are certified.

    ``substitutes`` as in :func:`worst_logits`. Raises ConfigError where the encoder cannot be bounded.
    """
    device = model.device
    rows = [row for row in range(min(limit, len(split))) if split.labels[row] >= 0]
    rows.sort(key=lambda row: len(split.text(row)))
    certified = 0
    for at in range(0, len(rows), _BATCH):
        chosen = rows[at : at + _BATCH]
        parts = (*pad([split.text(row) for row in chosen]), split.labels[chosen])
        ids, lengths, truth = (torch.from_numpy(part.astype(np.int64)).to(device) for part in parts)
        worst = worst_logits(model, model.embedding, ids, lengths, truth, substitutes)
        certified += int((_margins(worst, truth) > SLACK).sum())
    return {"certified_accuracy": certified / max(len(rows), 1)}
