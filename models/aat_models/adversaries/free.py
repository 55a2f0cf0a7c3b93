"""Free adversarial training: one backward pass a step moves the weights and the perturbation alike (Shafahi et al. 2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries import threat
from aat_models.adversaries.base import Batch, Setting
from aat_models.distributed import Group
from aat_models.text_model import TextModel

__all__ = ["FreeAdversary"]


class FreeAdversary:
    """The loop hands each batch over ``steps`` times, an optimiser step each; the perturbation is carried from one to the next.

    As published, the only pass is at the perturbed point, and a training has as many optimiser steps as another: it sees
    each text ``epochs / steps`` times, and costs what clean training costs. Unlike the paper, the ball is an L2 one, as for
    the other methods here, and the perturbation is zero again at a new batch instead of passing on to it: of a text of
    other words and another length nothing is left in it.
    """

    cost = 3.0

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.replays = self.config.steps
        self.shift = torch.zeros(0)  # (B, T, E), for the batch at hand
        self.rows = torch.zeros(0, dtype=torch.long)  # (B,), whose it is
        self.seen = 0  # how often this batch has been here

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        vectors = model.step_vectors(batch.ids)
        embedded = vectors(batch.ids)
        shift = self._carried(batch, embedded)
        moved = embedded + shift
        moved.retain_grad()
        logits = model.classify(moved, batch.lengths, model.draw_dropout(len(batch.ids)))
        loss = F.cross_entropy(logits, batch.labels)
        loss.backward()
        assert moved.grad is not None
        radius = self.config.epsilon * threat.norm(embedded.detach())
        self.shift = threat.project(shift + threat.ascend(moved.grad, radius), radius)
        self.rows, self.seen = batch.rows, self.seen + 1
        vectors.backward()
        return {"loss": loss.detach()}

    def _carried(self, batch: Batch, embedded: Tensor) -> Tensor:
        """The perturbation as the last turn of this batch left it; zero at the first."""
        same = torch.equal(self.rows.to(batch.rows.device), batch.rows) and self.seen < self.replays
        if same and self.shift.shape == embedded.shape:
            return self.shift.to(embedded.device)
        self.seen = 0
        return torch.zeros_like(embedded)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {"shift": self.shift, "rows": self.rows}, {"seen": self.seen}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        self.shift, self.rows, self.seen = tensors["shift"], tensors["rows"], values["seen"]

    def exchange(self, group: Group, rows: Tensor) -> None:
        """Nothing: a batch comes back to the process that had it."""
