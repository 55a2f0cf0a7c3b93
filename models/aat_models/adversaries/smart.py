"""SMART: a smoothness term worked out by ascent, and steps that keep near the weights of before (Jiang et al. 2020)."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries import threat
from aat_models.adversaries.base import Batch, Setting
from aat_models.distributed import Group
from aat_models.embeddings import StepVectors
from aat_models.text_model import Dropout, TextModel

__all__ = ["Smart", "symmetric"]


def symmetric(one: Tensor, other: Tensor) -> Tensor:
    """``KL(one ‖ other) + KL(other ‖ one)``, the mean over texts; logits ``(B, C)``, gradients to both."""
    first, second = torch.log_softmax(one, -1), torch.log_softmax(other, -1)
    # The two divergences share their logarithms: Σ (p − q) (log p − log q).
    return ((first.exp() - second.exp()) * (first - second)).sum(-1).mean()


class Smart:
    """``CE(x) + β · max symmetric KL(f(x), f(x'))`` over a box, plus ``proximal`` times the symmetric KL to a weight average.

    The box is an ℓ∞ one, as published; its half-width is ``epsilon`` times the root mean square of the text's word vectors,
    so that its corners are as far off as the sphere of the other methods. The ascent starts from Gaussian noise of that
    width and takes ``steps`` steps (the paper: 1) of a hundred widths along the gradient over its largest coordinate, each
    followed by projection: the published ratio of step to radius. The average, the momentum form of the Bregman proximal
    point method, begins anew with each stage and forgets at 0.99, after a tenth of the stage at 0.999, as published.
    Unlike the paper, the model begins untrained: there is no pretrained one to keep near to.
    """

    replays = 1
    STEP = 100.0  # widths of the box
    MOMENTUM = (0.99, 0.999)

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.cost = 6.0 + 3.0 * self.config.steps + (1.0 if self.config.proximal else 0.0)
        self.before: TextModel | None = None  # the weight average
        self.saved: dict[str, Tensor] = {}  # the average as a checkpoint held it, until a model is there

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        config = self.config
        vectors = model.step_vectors(batch.ids)
        dropout = model.draw_dropout(len(batch.ids))
        embedded = vectors(batch.ids)
        logits = model.classify(embedded, batch.lengths, dropout)
        shift = self.climb(model, batch, embedded.detach(), logits.detach(), dropout)
        moved = model.classify(embedded + shift, batch.lengths, dropout)
        loss = F.cross_entropy(logits, batch.labels)
        total = loss + config.beta * symmetric(logits, moved)
        if config.proximal:
            answer = self.earlier(model, batch, vectors, dropout, progress)
            total = total + config.proximal * symmetric(logits, answer)
        total.backward()
        vectors.backward()
        return {"loss": loss.detach(), "loss_adv": F.cross_entropy(moved.detach(), batch.labels)}

    def climb(self, model: TextModel, batch: Batch, still: Tensor, logits: Tensor, dropout: Dropout | None) -> Tensor:
        """A bad point of each text's box, ``(B, T, E)``, relative to ``still``."""
        width = self.config.epsilon * threat.spread(still)
        there = (batch.ids > 0)[..., None]
        shift = threat.clip(torch.randn_like(still) * width, width) * there
        for _ in range(self.config.steps):
            moved = (still + shift).requires_grad_()
            loss = symmetric(model.classify(moved, batch.lengths, dropout), logits)
            (gradient,) = torch.autograd.grad(loss, moved)
            largest = gradient.abs().amax((1, 2), keepdim=True).clamp_min(1e-12)
            shift = threat.clip(shift + self.STEP * width * gradient / largest, width)
        return shift

    # the weights of before --------------------------------------------------------------------------------------

    @torch.no_grad()
    def earlier(
        self, model: TextModel, batch: Batch, vectors: StepVectors, dropout: Dropout | None, progress: float
    ) -> Tensor:
        """Moves the average to where the last step left the weights, and gives its logits ``(B, C)``."""
        before = self._average(model, anew=progress == 0)
        decay = self.MOMENTUM[progress > 0.1]
        own = dict(model.named_parameters())
        for name, tensor in before.named_parameters():
            tensor.lerp_(own[name], 1 - decay)
        return before.classify(vectors.through(before.embedding, batch.ids), batch.lengths, dropout)

    def _average(self, model: TextModel, anew: bool) -> TextModel:
        """A copy of the model without its decoder, which the label's side does not use."""
        if self.before is None or anew:
            decoder, model.decoder = model.decoder, None
            self.before = copy.deepcopy(model).requires_grad_(False)
            self.before.zero_grad()  # the copy's, where the model held some
            model.decoder = decoder
            if self.saved and not anew:
                self.before.load_state_dict(self.saved)
        return self.before

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return dict(self.before.state_dict()) if self.before is not None else self.saved, {}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        self.before, self.saved = None, tensors

    def exchange(self, group: Group, rows: Tensor) -> None:
        """Nothing: the average follows the weights, which are the same everywhere."""
