"""The training of a language model: the next token's cross-entropy, on windows of running text or on answers.

The loop itself is ``aat_models.loop``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aat_models import checkpoint, distributed, language_checkpoint
from aat_models.adversaries import threat
from aat_models.alarms import Alarms
from aat_models.config import Config
from aat_models.distributed import Group
from aat_models.events import Notice
from aat_models.guard import Guard
from aat_models.language_data import IGNORED, LanguageData, Source, source_of
from aat_models.llama import Llama, shape_of
from aat_models.loop import Loop
from aat_models.stages import Stage, plan_language

__all__ = ["LanguageTraining", "measured"]

_BATCH_TOKENS = 16_384  # of an evaluation


class LanguageTraining(Loop[Llama]):
    """One training of a language model, from a config and its data to the end.

    Args:
        config: of the run.
        data: made by ``aat_models.language_data.prepare``.
        resume: a checkpoint folder of this run to go on from.
        group: as for ``aat_models.training.Training``.

    Raises CheckpointError where ``resume`` is of another architecture.
    """

    def __init__(
        self, config: Config, data: LanguageData, resume: Path | None = None, group: Group = distributed.ALONE
    ) -> None:
        super().__init__(config, group)
        self.data = data
        self.splits, self.labels, self.surface_hash = data.splits, [], ""
        context = config.language.context
        self.sources = {name: source_of(split, data.tokenizer, context) for name, split in data.splits.items()}
        self.model = Llama(shape_of(config.language, data.tokenizer.size)).to(self.device)
        self.sampler = self.sources["train"].sampler(config.train.batch_size, config.seed)
        self.stages = plan_language(config, len(self.sampler))
        self.guard = Guard(self._described)
        self.alarms = Alarms([], "none")
        self._ready(resume)

    def _described(self, place: int) -> dict[str, Any]:
        read, _ = self.sources["train"].batch(np.array([place]))
        return {"place": place, "ids": read[0].tolist(), "text": self.data.tokenizer.decode(read[0].tolist())}

    def _gradients(
        self, stage: Stage, index: np.ndarray[Any, Any], own: np.ndarray[Any, Any]
    ) -> dict[str, float | Tensor]:
        read, wanted = (part.to(self.device) for part in self.sources["train"].batch(own))
        added = self._noise(read) if self.config.adversary.name == "noise" else None
        loss = entropy(self.model(read, added=added), wanted)
        loss.backward()
        return {"loss": loss.detach()}

    def _noise(self, read: Tensor) -> Tensor:
        """Uniform noise on the token vectors ``(B, T, W)``, as NEFTune has it (Jain et al. 2023).

        Its length is ``adversary.epsilon`` times that of a text's vectors, where the paper has one that does not follow them.
        """
        still = F.embedding(read, self.model.tokens.weight).detach()
        return threat.ascend(2 * torch.rand_like(still) - 1, self.config.adversary.epsilon * threat.norm(still))

    def _trained(self, stage: Stage) -> list[nn.Module]:
        return [self.model]

    def _measure(self, model: Llama, split: str, limit: int, stage: str) -> tuple[dict[str, float], list[int]]:
        return measured(model, self.sources[split], limit, self.group), []

    def _warnings(self, metrics: dict[str, float], answers: list[int]) -> Iterator[Notice]:
        return self.alarms.evaluated(self.step, metrics, answers, None)

    def _score(self, stage: Stage, metrics: dict[str, float]) -> float:
        return -metrics["loss"]

    def save_model(self, folder: Path) -> None:
        meta = checkpoint.Meta(step=self.step, labels=[], metrics=self.metrics)
        language_checkpoint.save_model(folder, self.config, self.average.weights, self.data.tokenizer, meta)


def entropy(logits: Tensor, wanted: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy in nats a token; logits ``(B, T, V)``, ``wanted`` ``(B, T)``."""
    return F.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=IGNORED, reduction=reduction)


@torch.no_grad()
def measured(model: Llama, source: Source, limit: int, group: Group = distributed.ALONE) -> dict[str, float]:
    """``loss`` (nats a token) and ``perplexity`` at the first ``limit`` places: windows, or texts with their answers."""
    places = source.places(limit)[group.rank :: group.size]
    size = max(1, _BATCH_TOKENS // model.shape.context)
    total, count = 0.0, 0
    for start in range(0, len(places), size):
        read, wanted = (part.to(model.device) for part in source.batch(places[start : start + size]))
        total += float(entropy(model(read), wanted, "sum"))
        count += int((wanted != IGNORED).sum())
    sums = group.sum(torch.tensor([total, count], dtype=torch.float64, device="cpu")).tolist()
    loss = sums[0] / max(sums[1], 1)
    return {"loss": loss, "perplexity": math.exp(min(loss, 50.0))}
