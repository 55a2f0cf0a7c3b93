"""No adversary: cross-entropy on the texts as they are."""

from __future__ import annotations

from torch import Tensor

from aat_models.adversaries.base import Batch, Setting, Stateless, clean_pass
from aat_models.text_model import TextModel

__all__ = ["NoAdversary"]


class NoAdversary(Stateless):
    """The baseline every other one is compared with."""

    cost = 3.0

    def __init__(self, setting: Setting) -> None:
        del setting

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        clean = clean_pass(model, batch)
        clean.vectors.backward()
        return {"loss": clean.loss}
