"""Random substitutes from the surface: the control every search for a worse one must beat."""

from __future__ import annotations

import torch
from torch import Tensor

from aat_models.adversaries.base import Batch, Setting, Stateless, clean_pass, consistency
from aat_models.adversaries.surface import SurfaceTensor
from aat_models.text_model import TextModel

__all__ = ["RandomSubstitutes", "substitute"]


def substitute(surface: SurfaceTensor, ids: Tensor, share: float) -> Tensor:
    """Ids ``(B, T)`` with every word that has substitutes replaced, with probability ``share``, by a random one of them."""
    candidates = surface.of(ids)
    there = (candidates > 0).to(torch.float32)
    has = there.sum(-1) > 0
    drawn = torch.multinomial((there + ~has[..., None]).flatten(0, 1), 1).view(*ids.shape, 1)
    replaced = candidates.gather(-1, drawn).squeeze(-1)
    return torch.where(has & (torch.rand(ids.shape, device=ids.device) < share), replaced, ids)


class RandomSubstitutes(Stateless):
    """Augmentation with the consistency loss: one random neighbour of each text."""

    cost = 6.0

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.surface = setting.surface

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        ids = substitute(self.surface, batch.ids, self.config.budget)
        clean = clean_pass(model, batch, ids)
        logits = model.classify(clean.vectors(ids), batch.lengths, clean.dropout)
        loss, entropy = consistency(clean.logits, logits, batch.labels, self.config.mu)
        (self.config.beta * loss).backward()
        clean.vectors.backward()
        return {"loss": clean.loss, "loss_adv": entropy.detach()}
