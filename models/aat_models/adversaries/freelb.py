"""FreeLB: the gradients of every ascent step train the model too (Zhu et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries import threat
from aat_models.adversaries.base import Batch, Setting, Stateless
from aat_models.text_model import TextModel

__all__ = ["FreeLargeBatch"]


class FreeLargeBatch(Stateless):
    """``steps`` passes at ever worse points of the ball; the model's gradient is the mean over them all.

    There is no clean pass: the first point is a random one, as published.
    """

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.cost = 3.0 * self.config.steps

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        steps = self.config.steps
        vectors = model.step_vectors(batch.ids)
        dropout = model.draw_dropout(len(batch.ids))
        with torch.no_grad():
            still = vectors(batch.ids)
        radius = self.config.epsilon * threat.norm(still)
        shift = threat.random_start(still, radius)
        losses: list[Tensor] = []
        for _ in range(steps):
            embedded = vectors(batch.ids) + shift
            embedded.retain_grad()
            loss = F.cross_entropy(model.classify(embedded, batch.lengths, dropout), batch.labels)
            (loss / steps).backward()
            assert embedded.grad is not None
            shift = threat.project(shift + threat.ascend(embedded.grad, 1.5 * radius / steps), radius)
            losses.append(loss.detach())
        vectors.backward()
        return {"loss": losses[0], "loss_adv": losses[-1]}
