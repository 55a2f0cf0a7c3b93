"""Methods that move the word vectors inside an L2 ball around each text, of radius ``epsilon`` times the text's own norm.

They share geometry (``threat``) and differ in what is ascended, in how many steps, and in the loss that is trained on.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries import threat
from aat_models.adversaries.base import Batch, Clean, Setting, Stateless, clean_pass, consistency
from aat_models.config import AdversaryConfig
from aat_models.text_model import TextModel

__all__ = ["BallAdversary", "climb"]


def climb(
    model: TextModel, batch: Batch, clean: Clean, config: AdversaryConfig, *, to_label: bool, steps: int
) -> Tensor:
    """A bad point of each text's ball, ``(B, T, E)``: projected gradient ascent from a random start (Madry et al. 2018).

    ``to_label`` ascends the cross-entropy of the true label, otherwise the divergence from the clean answer. A step is
    1.5 times the radius over the number of steps. The model's own gradients are left alone.
    """
    radius = config.epsilon * threat.norm(clean.embedded)
    shift = threat.random_start(clean.embedded, radius)
    for _ in range(steps):
        moved = (clean.embedded + shift).requires_grad_()
        logits = model.classify(moved, batch.lengths, clean.dropout)
        loss = (
            F.cross_entropy(logits, batch.labels)
            if to_label
            else consistency(clean.logits, logits, batch.labels, 0.0)[0]
        )
        (gradient,) = torch.autograd.grad(loss, moved)
        shift = threat.project(shift + threat.ascend(gradient, 1.5 * radius / steps), radius)
    return shift


class BallAdversary(Stateless):
    """A clean pass, a point of the ball, a second pass there: subclasses say which point, and which loss."""

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.cost = 6.0

    def shift(self, model: TextModel, batch: Batch, clean: Clean) -> Tensor:
        """The perturbation to train on, ``(B, T, E)``."""
        raise AssertionError("subclasses define it")

    def loss(self, clean: Clean, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """What is added to the clean loss, and the cross-entropy at the perturbed point for the curves."""
        loss, entropy = consistency(clean.logits, logits, batch.labels, self.config.mu)
        return self.config.beta * loss, entropy

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        clean = clean_pass(model, batch)
        embedded = clean.vectors(batch.ids) + self.shift(model, batch, clean)
        loss, entropy = self.loss(clean, model.classify(embedded, batch.lengths, clean.dropout), batch)
        loss.backward()
        clean.vectors.backward()
        return {"loss": clean.loss, "loss_adv": entropy.detach()}
