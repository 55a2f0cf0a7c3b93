"""HotFlip: each text's most harmful substitutes, read off the gradient (Ebrahimi et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor

from aat_models.adversaries.base import Batch, Setting, Stateless, clean_pass, consistency
from aat_models.adversaries.proposals import gains, positions, propose
from aat_models.text_model import TextModel

__all__ = ["HotFlip"]


class HotFlip(Stateless):
    """The substitutes of largest first-order gain at ``budget`` of the words, all at once; then the consistency loss.

    The paper trains on beam-searched flips; this is its first-order proposal, as one step allows. Against ``aat`` it lacks
    what adapts: the radius, the families' weights, the hull, the cache.
    """

    cost = 6.0

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.surface = setting.surface

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        candidates = self.surface.of(batch.ids)
        clean = clean_pass(model, batch, candidates)
        gain = gains(clean.vectors, batch.ids, candidates, clean.gradient)
        rho = torch.full((len(batch.ids),), self.config.budget, device=gain.device)
        chosen = positions(gain, batch.lengths, rho)
        ids = propose(candidates, batch.ids, gain, chosen)
        logits = model.classify(clean.vectors(ids), batch.lengths, clean.dropout)
        loss, entropy = consistency(clean.logits, logits, batch.labels, self.config.mu)
        (self.config.beta * loss).backward()
        clean.vectors.backward()
        return {"loss": clean.loss, "loss_adv": entropy.detach()}
