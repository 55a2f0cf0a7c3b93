"""Figures on held-out texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from aat_datasets.batching import EncodedSplit, pad
from aat_datasets.vocab import BOS, EOS, PAD
from aat_models.adversaries import threat
from aat_models.adversaries.base import Batch
from aat_models.adversaries.proposals import gains, positions, propose
from aat_models.adversaries.surface import SurfaceTensor
from aat_models.adversaries.vector import Scene, relative_shift, worst_words
from aat_models.alarms import CloserLook
from aat_models.distributed import ALONE, Group
from aat_models.text_model import TextModel

__all__ = [
    "accuracy",
    "ball_survivors",
    "batch_of",
    "closer_look",
    "constant_accuracy",
    "decoder_loss",
    "decoder_robustness",
    "one_step_robustness",
    "slices",
    "target_batch",
]

CPU = torch.device("cpu")
STEPS, DRAWS = 3, 4  # of the closer look


def batch_of(split: EncodedSplit, index: NDArray[np.int64], device: torch.device = CPU) -> Batch:
    """The texts at ``index`` as tensors on a device."""
    ids, lengths = pad([split.text(i) for i in index])
    parts = (ids.astype(np.int64), lengths, split.labels[index].astype(np.int64), index)
    return Batch(*(torch.from_numpy(part).to(device) for part in parts))


def slices(split: EncodedSplit | None, device: torch.device, size: int = 128) -> Callable[[int], Batch] | None:
    """A function from k to the k-th ``size`` labelled texts of a split, round and round; ``None`` where it has none."""
    labelled = np.flatnonzero(split.labels >= 0) if split is not None else np.zeros(0, np.int64)
    if split is None or not len(labelled):
        return None
    size = min(size, len(labelled))

    def of(k: int) -> Batch:
        return batch_of(split, labelled.take(np.arange(k * size, (k + 1) * size), mode="wrap"), device)

    return of


def target_batch(split: EncodedSplit, index: NDArray[np.int64], device: torch.device = CPU) -> tuple[Tensor, Tensor]:
    """Output texts at ``index`` as the decoder reads them and as it should answer: two ``(B, T)``, padded with PAD."""
    rows = [np.concatenate([[BOS], split.target(i), [EOS]]).astype(np.int32) for i in index]
    ids, _ = pad(rows, PAD)
    block = torch.from_numpy(ids.astype(np.int64)).to(device)
    return block[:, :-1].masked_fill(block[:, :-1] == EOS, PAD), block[:, 1:]


def _batches(split: EncodedSplit, limit: int, group: Group = ALONE, size: int = 256) -> Iterator[NDArray[np.int64]]:
    """This process's part of the first ``limit`` texts, those of like length together."""
    chosen = np.arange(min(limit, len(split)), dtype=np.int64)
    chosen = chosen[np.argsort(split.lengths[chosen], kind="stable")][group.rank :: group.size]
    for start in range(0, len(chosen), size):
        yield chosen[start : start + size]


@torch.no_grad()
def accuracy(
    model: TextModel, split: EncodedSplit, limit: int, group: Group = ALONE
) -> tuple[dict[str, float], list[int]]:
    """``accuracy`` and ``loss`` (nats a text) of the label head on the first ``limit`` texts that have a label.

    Besides, how often each class was the answer.
    """
    assert model.head is not None
    right, loss, count = 0.0, 0.0, 0
    answers = torch.zeros(model.head.out_features, dtype=torch.int64, device=model.device)
    for index in _batches(split, limit, group):
        batch = batch_of(split, index[split.labels[index] >= 0], model.device)
        if not len(batch.labels):
            continue
        logits = model(batch.ids, batch.lengths)
        answered = logits.argmax(-1)
        answers += torch.bincount(answered, minlength=len(answers))
        right += float((answered == batch.labels).sum())
        loss += float(F.cross_entropy(logits, batch.labels, reduction="sum"))
        count += len(batch.labels)
    right, loss, count = _summed(group, right, loss, count)
    return {"accuracy": right / max(count, 1), "loss": loss / max(count, 1)}, group.sum(answers).tolist()


def constant_accuracy(split: EncodedSplit | None) -> float:
    """What the most frequent label is right on, as a share of a split's labelled texts; 0 where it has none."""
    labels = split.labels[split.labels >= 0] if split is not None else np.zeros(0, np.int32)
    return float(np.bincount(labels).max() / len(labels)) if len(labels) else 0.0


def _summed(group: Group, *parts: float) -> list[float]:
    """Sums over all processes."""
    return group.sum(torch.tensor(parts, dtype=torch.float64, device=CPU)).tolist()


def one_step_robustness(
    model: TextModel, split: EncodedSplit, surface: SurfaceTensor, budget: float, limit: int, group: Group = ALONE
) -> dict[str, float]:
    """``robust_accuracy``: texts still right after one gradient-ranked change of ``budget`` of their words.

    Cheap enough to draw while training, and an upper bound: a search (``aat-workbench attack``) finds more. All synonyms and
    character variants compete.
    """
    right, count = 0, 0
    for index in _batches(split, limit, group):
        batch = batch_of(split, index[split.labels[index] >= 0], model.device)
        if not len(batch.labels):
            continue
        right += int(_ranked(model, batch, surface, budget, 1)[-1].sum())
        count += len(batch.labels)
    survivors, texts = _summed(group, right, count)
    return {"robust_accuracy": survivors / max(texts, 1)}


def closer_look(
    model: TextModel, split: EncodedSplit, surface: SurfaceTensor, budget: float, limit: int, seed: int
) -> CloserLook:
    """Whether what stands one gradient step stands more, on the first ``limit`` texts; see ``aat_models.alarms``.

    STEPS gradient steps, each from where the last one came to, and DRAWS random changes of ``budget`` of the words. The
    random state of the training is left alone.
    """
    random = torch.Generator("cpu").manual_seed(seed)
    right, count = torch.zeros(3, device=model.device), 0
    for index in _batches(split, limit):
        batch = batch_of(split, index[split.labels[index] >= 0], model.device)
        if not len(batch.labels):
            continue
        stood = _ranked(model, batch, surface, budget, STEPS)
        with torch.no_grad():
            drawn = model(batch.ids, batch.lengths).argmax(-1) == batch.labels
            for _ in range(DRAWS):
                ids = _drawn(surface, batch, budget, random)
                drawn &= model(ids, batch.lengths).argmax(-1) == batch.labels
        right += torch.stack([stood[0].sum(), stood[-1].sum(), drawn.sum()])
        count += len(batch.labels)
    one, several, draws = (right / max(count, 1)).tolist()
    return CloserLook(count, one, several, draws)


def _ranked(model: TextModel, batch: Batch, surface: SurfaceTensor, budget: float, steps: int) -> list[Tensor]:
    """Which texts ``(B,)`` are right, and still are after each of ``steps`` gradient-ranked changes.

    Every step ranks, by the gradient where the last one came to, what may stand in the place of the text's own words.
    """
    candidates = surface.of(batch.ids)
    vectors = model.step_vectors(batch.ids, candidates)
    rho = torch.full((len(batch.labels),), budget, device=batch.ids.device)
    ids, stood, found = batch.ids, torch.ones_like(batch.labels, dtype=torch.bool), []
    for _ in range(steps):
        embedded = vectors(ids).detach().requires_grad_()
        logits = model.classify(embedded, batch.lengths)
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits, batch.labels, reduction="sum"), embedded)
        with torch.no_grad():
            gain = gains(vectors, batch.ids, candidates, gradient)
            ids = propose(candidates, batch.ids, gain, positions(gain, batch.lengths, rho))
            changed = model.classify(vectors(ids), batch.lengths)
        stood = stood & (logits.argmax(-1) == batch.labels) & (changed.argmax(-1) == batch.labels)
        found.append(stood)
    return found


def ball_survivors(model: TextModel, batch: Batch, epsilon: float, steps: int, seed: int = 0) -> Tensor:
    """Which texts ``(B,)`` are right, and still are at every point that projected ascent visits in an L2 ball.

    The ball is around all word vectors of a text, its radius ``epsilon`` times their norm; ``steps`` steps of 1.5 times the
    radius over their number, from a random start (Madry et al. 2018). No point of it need be a text.
    """
    random = torch.Generator("cpu").manual_seed(seed)
    still = model.embedding(batch.ids).detach()
    there = (batch.ids > 0)[..., None]
    radius = epsilon * threat.norm(still)
    drawn = torch.randn(still.shape, generator=random, device="cpu").to(still.device) * there
    shift = threat.ascend(drawn, radius * torch.rand(len(still), 1, 1, generator=random, device="cpu").to(still.device))
    with torch.no_grad():
        stood = model.classify(still, batch.lengths).argmax(-1) == batch.labels
    for _ in range(steps):
        moved = (still + shift).requires_grad_()
        logits = model.classify(moved, batch.lengths)
        stood &= logits.detach().argmax(-1) == batch.labels
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits, batch.labels, reduction="sum"), moved)
        shift = threat.project(shift + threat.ascend(gradient * there, 1.5 * radius / steps), radius)
    with torch.no_grad():
        return stood & (model.classify(still + shift, batch.lengths).argmax(-1) == batch.labels)


def _drawn(surface: SurfaceTensor, batch: Batch, budget: float, random: torch.Generator) -> Tensor:
    """Ids ``(B, T)`` with ``budget`` of each text's words, drawn among those that have substitutes, replaced by one drawn."""
    candidates = surface.of(batch.ids)
    there = candidates > 0
    drawn = torch.rand(candidates.shape, generator=random, device="cpu").to(candidates.device)
    scores = drawn.masked_fill(~there, -torch.inf)
    chosen = positions(scores, batch.lengths, torch.full((len(batch.labels),), budget, device=scores.device))
    return propose(candidates, batch.ids, scores, chosen)


@torch.no_grad()
def decoder_loss(model: TextModel, split: EncodedSplit, limit: int, group: Group = ALONE) -> dict[str, float]:
    """``decoder_loss`` (nats a word) and ``perplexity`` of the output texts under teacher forcing."""
    assert model.decoder is not None
    loss, count = 0.0, 0
    for index in _batches(split, limit, group):
        batch = batch_of(split, index, model.device)
        seen, wanted = target_batch(split, index, model.device)
        logits = model.write(model.read(model.embedding(batch.ids), batch.lengths), seen)
        loss += float(F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD, reduction="sum"))
        count += int((wanted != PAD).sum())
    loss, count = _summed(group, loss, count)
    mean = loss / max(count, 1)
    return {"decoder_loss": mean, "perplexity": float(np.exp(min(mean, 50.0)))}


def decoder_robustness(
    model: TextModel, split: EncodedSplit, surface: SurfaceTensor, budget: float, limit: int
) -> dict[str, float]:
    """What a decoder loses on the first ``limit`` texts where one gradient-ranked change moves their vectors.

    ``robust_decoder_loss`` (nats a word, teacher-forced) is ``decoder_loss`` under the attack that moves the vector most, to
    first order, with ``budget`` of the words; ``vector_shift`` is how far, ``‖z' − z‖² / ‖z‖²``. The search asks no decoder and
    leaves the training's random state alone.
    """
    assert model.decoder is not None
    generator = torch.Generator("cpu").manual_seed(0)
    loss, count, shift, texts = 0.0, 0, 0.0, 0
    for index in _batches(split, limit):
        batch = batch_of(split, index, model.device)
        seen, wanted = target_batch(split, index, model.device)
        candidates = surface.of(batch.ids)
        vectors = model.step_vectors(batch.ids, candidates)
        with torch.no_grad():
            clean = model.encode(vectors(batch.ids), batch.lengths)
        ids = worst_words(Scene(model, batch, candidates, vectors, clean, None, generator), budget)
        with torch.no_grad():
            moved = model.read(vectors(ids), batch.lengths)
            logits = model.write(moved, seen)
        loss += float(F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD, reduction="sum"))
        count += int((wanted != PAD).sum())
        shift += float(relative_shift(moved.vector, clean)) * len(index)
        texts += len(index)
    return {"robust_decoder_loss": loss / max(count, 1), "vector_shift": shift / max(texts, 1)}
