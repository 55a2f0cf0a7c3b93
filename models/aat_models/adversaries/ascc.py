"""ASCC: a convex hull of substitutes at every word, its worst point found by gradient ascent (Dong et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from aat_models.adversaries.base import Batch, Setting, Stateless, clean_pass, consistency
from aat_models.adversaries.hull import corners
from aat_models.adversaries.surface import SYNONYMS
from aat_models.text_model import TextModel

__all__ = ["ConvexHull"]


class ConvexHull(Stateless):
    """Every word moves inside the hull of its synonyms; ``steps`` ascent steps on the divergence from the clean answer.

    As published, but for two things: 2 ascent steps instead of 5 (``adversary.steps``), and the entropy term that keeps
    the weights sparse is left out: sharp steps on the logits (length 10, as published) already make them so.
    """

    STEP = 10.0

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.surface = setting.surface
        self.cost = 6.0 + 3.0 * self.config.steps

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        spanned = corners(batch.ids, self.surface.of(batch.ids)[..., :SYNONYMS])
        clean = clean_pass(model, batch, spanned)
        vectors = clean.vectors(spanned)  # (B, T, 1 + S, E)
        fixed = vectors.detach()
        logits = torch.randn(spanned.shape, device=spanned.device).masked_fill(spanned == 0, -torch.inf)
        logits[..., 0] = torch.where(batch.ids == 0, 0.0, logits[..., 0])
        for _ in range(self.config.steps):
            weights = torch.softmax(logits, dim=-1).requires_grad_()
            answer = model.classify(torch.einsum("bts,btse->bte", weights, fixed), batch.lengths, clean.dropout)
            loss, _ = consistency(clean.logits, answer, batch.labels, 0.0)
            (gradient,) = torch.autograd.grad(loss, weights)
            # through the softmax: d/dlogit = w · (g − Σ w g)
            slope = weights.detach() * (gradient - (weights.detach() * gradient).sum(-1, keepdim=True))
            logits = logits + self.STEP * slope.sign().masked_fill(spanned == 0, 0.0)
        embedded = torch.einsum("bts,btse->bte", torch.softmax(logits, dim=-1), vectors)
        loss, entropy = consistency(
            clean.logits, model.classify(embedded, batch.lengths, clean.dropout), batch.labels, self.config.mu
        )
        (self.config.beta * loss).backward()
        clean.vectors.backward()
        return {"loss": clean.loss, "loss_adv": entropy.detach()}
