"""What every adversary shares: the batch, the step, the outcome, and the loss that ties clean and perturbed answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries.surface import SurfaceTensor
from aat_models.config import AdversaryConfig
from aat_models.distributed import Group
from aat_models.embeddings import StepVectors
from aat_models.text_model import Dropout, TextModel

__all__ = ["Adversary", "Batch", "Clean", "Setting", "Stateless", "clean_pass", "consistencies", "consistency"]


class Batch(NamedTuple):
    """``ids`` ``(B, T)`` padded with 0, ``lengths`` ``(B,)``, ``labels`` ``(B,)``, ``rows`` ``(B,)`` of the training split."""

    ids: Tensor
    lengths: Tensor
    labels: Tensor
    rows: Tensor


class Setting(NamedTuple):
    """What an adversary is made for: its config, the surface, and the training set it keeps state of.

    ``offsets`` ``(N + 1,)`` say where each training text's words lie in the flat array of all of them. ``probe`` gives the
    k-th slice of labelled texts held out of training, round and round; ``None``: there are none.
    """

    config: AdversaryConfig
    surface: SurfaceTensor
    offsets: Tensor
    probe: Callable[[int], Batch] | None = None


class Clean(NamedTuple):
    """The clean pass, taken backward; ``gradient`` ``(B, T, E)`` is that of each example's own loss by its word vectors."""

    logits: Tensor
    loss: Tensor
    gradient: Tensor
    embedded: Tensor
    dropout: Dropout | None
    vectors: StepVectors


class Adversary(Protocol):
    """One method: it makes the losses of a batch and takes them backward; the loop owns everything else.

    ``cost`` is the step's price in forward passes of the encoder (a clean step costs 3: forward, and twice that backward).
    ``replays``: how many steps in a row the loop hands over the same batch.
    """

    cost: float
    replays: int

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        """Adds the gradients of this batch to the model's, and returns named figures for the curves.

        ``progress`` is the share of the stage's steps already taken, 0 … 1.
        """
        ...

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a resumed training needs: tensors by name, and plain values."""
        ...

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None: ...

    def exchange(self, group: Group, rows: Tensor) -> None:
        """After a step of several processes: takes over what the others' parts of the batch ``rows`` ``(B,)`` changed.

        Process ``r`` of ``n`` had rows ``r``, ``r + n``, … Every process calls it after every step.
        """
        ...


class Stateless:
    """For adversaries that keep nothing from step to step."""

    replays = 1

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {}, {}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        return

    def exchange(self, group: Group, rows: Tensor) -> None:
        return


def clean_pass(model: TextModel, batch: Batch, *others: Tensor) -> Clean:
    """Cross-entropy on the unperturbed batch, backward; the gradient by the word vectors comes with it for nothing.

    ``others`` are further ids that passes of this step will look up. Whoever calls this calls ``vectors.backward()`` last.
    """
    vectors = model.step_vectors(batch.ids, *others)
    dropout = model.draw_dropout(len(batch.ids))
    embedded = vectors(batch.ids)
    embedded.retain_grad()
    logits = model.classify(embedded, batch.lengths, dropout)
    loss = F.cross_entropy(logits, batch.labels)
    loss.backward()
    assert embedded.grad is not None
    # The batch's loss is a mean: times B gives each example the gradient of its own loss.
    return Clean(logits.detach(), loss.detach(), embedded.grad * len(batch.labels), embedded.detach(), dropout, vectors)


def consistency(clean: Tensor, perturbed: Tensor, labels: Tensor, mu: float) -> tuple[Tensor, Tensor]:
    """The means over the batch of what :func:`consistencies` gives."""
    loss, entropy = consistencies(clean, perturbed, labels, mu)
    return loss.mean(), entropy.mean()


def consistencies(clean: Tensor, perturbed: Tensor, labels: Tensor, mu: float) -> tuple[Tensor, Tensor]:
    """``KL(clean ‖ perturbed) + mu · CE(perturbed)`` of each text and its second term alone: two ``(B,)``.

    Logits ``(B, C)``, no gradient to ``clean``. The KL term is that of TRADES (Zhang et al. 2019) with the clean answer
    held fixed.
    """
    entropy = F.cross_entropy(perturbed, labels, reduction="none")
    divergence = F.kl_div(
        torch.log_softmax(perturbed, -1), torch.log_softmax(clean.detach(), -1), reduction="none", log_target=True
    ).sum(-1)
    return divergence + mu * entropy, entropy
