"""The training of a model with a fixed-length vector: its label head, its decoder, and who perturbs the texts.

The loop itself is ``aat_models.loop``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aat_datasets.batching import BucketSampler
from aat_models import adversaries, checkpoint, devices, distributed, evaluation, teacher_forcing
from aat_models.adversaries.ibp import boxes
from aat_models.adversaries.none import NoAdversary
from aat_models.alarms import Alarms, CloserLook
from aat_models.certification import certified_accuracy
from aat_models.config import Config
from aat_models.data import TrainingData, surface_of
from aat_models.distributed import Group
from aat_models.events import Notice
from aat_models.guard import Guard, words_of
from aat_models.loop import CheckpointDue, Loop
from aat_models.stages import Stage, plan
from aat_models.text_model import TextModel
from aat_models.timing import step_time_ratio

__all__ = ["CheckpointDue", "Training"]

ROBUST_LIMIT = 400  # dev texts of the robust accuracy drawn while training
LOOK_LIMIT = 128  # dev texts of a closer look


class Training(Loop[TextModel]):
    """One training, from a config and its data to the end of its last stage.

    Args:
        config: of the run.
        data: made by ``aat_models.data.prepare``.
        resume: a checkpoint folder of this run to go on from.
        group: the processes that train together; all of them make one, alike but for the rank, and iterate over it.

    Raises CheckpointError where ``resume`` is of another architecture, ConfigError where stages and model do not fit.
    """

    def __init__(
        self, config: Config, data: TrainingData, resume: Path | None = None, group: Group = distributed.ALONE
    ) -> None:
        super().__init__(config, group)
        self.data = data
        self.splits, self.labels, self.surface_hash = data.splits, data.labels, data.lexicon.hash
        train = data.splits["train"]
        self.surface = surface_of(data, config).to(self.device)
        self.model = checkpoint.build_model(config, data.table, data.output, len(data.labels)).to(self.device)
        self.model.width = devices.width(config, self.device)
        if config.train.compile and self.device.type == "cuda":
            self.model.encoder.compile(dynamic=True)
        self.sampler = BucketSampler(train.lengths, config.train.batch_size, config.seed)
        self.stages = plan(config, len(self.sampler), self.model.decoder is not None, self.model.head is not None)
        self.guard = Guard(words_of(train, data.table))
        self.alarms = Alarms(data.labels, config.adversary.name)
        offsets = torch.from_numpy(np.array(train.offsets)).to(self.device)
        self.constant = evaluation.constant_accuracy(data.splits.get("dev"))
        probe = evaluation.slices(data.splits.get("dev"), self.device)
        self.setting = adversaries.Setting(config.adversary, self.surface, offsets, probe)
        self.adversary = adversaries.build(self.setting)
        self._ready(resume)

    # a step -----------------------------------------------------------------------------------------------------

    def _gradients(
        self, stage: Stage, index: np.ndarray[Any, Any], own: np.ndarray[Any, Any]
    ) -> dict[str, float | Tensor]:
        batch = evaluation.batch_of(self.train, own, self.device)
        figures: dict[str, float | Tensor] = {}
        if stage.name in ("encoder", "joint") and self.model.head is not None:
            side = self._label_side(stage)
            figures |= side.step(self.model, batch, (self.step - stage.start) / stage.steps)
            side.exchange(self.group, torch.from_numpy(index).to(self.device))
        if stage.name in ("decoder", "joint"):
            figures |= self._decoder_step(stage, batch, own)
        return figures

    def _decoder_step(self, stage: Stage, batch: adversaries.Batch, index: np.ndarray[Any, Any]) -> dict[str, Tensor]:
        """Teacher forcing; where the adversary is on for the decoder, under its attack on the vector too."""
        seen, wanted = evaluation.target_batch(self.train, index, self.device)
        frozen, smoothing = stage.name == "decoder", self.config.train.smoothing
        if self._decoder_side(stage):
            return teacher_forcing.adversarial_step(
                self.model, batch, seen, wanted, self.setting, frozen=frozen, smoothing=smoothing
            )
        return teacher_forcing.clean_step(self.model, batch, seen, wanted, frozen=frozen, smoothing=smoothing)

    def _label_side(self, stage: Stage) -> adversaries.Adversary:
        """What perturbs the texts of a stage that trains the label head."""
        return self.adversary if stage.name in self.config.adversary.stages else NoAdversary(self.setting)

    def _decoder_side(self, stage: Stage) -> bool:
        """Whether the vector the decoder reads is attacked in a stage."""
        side = "joint-decoder" if stage.name == "joint" else stage.name
        return side != "encoder" and side in self.config.adversary.stages and self.config.adversary.name != "none"

    def _repeats(self, stage: Stage) -> int:
        return 1 if stage.name == "decoder" or self.model.head is None else self._label_side(stage).replays

    def _trained(self, stage: Stage) -> list[nn.Module]:
        model = self.model
        modules = {
            "encoder": [model.embedding, model.encoder, model.head],
            "decoder": [model.decoder],
            "joint": [model],
        }[stage.name]
        return [module for module in modules if module is not None]

    # figures ----------------------------------------------------------------------------------------------------

    def _measure(self, model: TextModel, split: str, limit: int, stage: str) -> tuple[dict[str, float], list[int]]:
        texts = self.splits[split]
        metrics: dict[str, float] = {}
        answers: list[int] = []
        if stage != "decoder" and model.head is not None:
            metrics, answers = evaluation.accuracy(model, texts, limit, self.group)
            if self.surface.size and len(self.data.labels) > 1:
                metrics |= evaluation.one_step_robustness(
                    model, texts, self.surface, self._budget, min(limit, ROBUST_LIMIT), self.group
                )
                if self.config.adversary.name == "ibp":
                    spanned = boxes(self.surface, self.config.adversary.box)
                    metrics |= certified_accuracy(model, texts, spanned, min(limit, ROBUST_LIMIT))
        if stage != "encoder" and model.decoder is not None:
            metrics |= evaluation.decoder_loss(model, texts, limit, self.group)
            if self.surface.candidates.any():
                metrics |= evaluation.decoder_robustness(model, texts, self.surface, self._budget, limit)
        return metrics, answers

    def _warnings(self, metrics: dict[str, float], answers: list[int]) -> Iterator[Notice]:
        return self.alarms.evaluated(self.step, metrics, answers, self._closer_look)

    def _closer_look(self) -> CloserLook:
        with self.average.used(self.model):
            seed = self.config.seed + self.step
            dev = self.data.splits["dev"]
            return evaluation.closer_look(self.model, dev, self.surface, self._budget, LOOK_LIMIT, seed)

    @property
    def _budget(self) -> float:
        """Share of the words that the robust accuracy while training changes."""
        return min(0.3, self.config.adversary.budget)

    def _score(self, stage: Stage, metrics: dict[str, float]) -> float:
        """What "best" means: accuracy; with an adversary, plus robust (ibp: certified) accuracy; a decoder's loss alike.

        Of robust accuracy only what is above a constant answer's counts: that one no attack changes, and a model that has
        learnt nothing yet would be the best of all.
        """
        if stage.name == "decoder" or self.model.head is None:
            held = metrics.get("robust_decoder_loss", 0.0) if self._decoder_side(stage) else 0.0
            return -metrics["decoder_loss"] - held
        held = metrics.get("certified_accuracy", metrics.get("robust_accuracy", 0.0))
        robust = max(0.0, held - self.constant) if self.config.adversary.name != "none" else 0.0
        return metrics.get("accuracy", 0.0) + robust

    def _more_summary(self) -> dict[str, Any]:
        attacked = any(stage.name in self.config.adversary.stages for stage in self.stages if stage.name != "decoder")
        if self.group.rank or self.model.head is None or not attacked or self.config.adversary.name == "none":
            return {}
        ratio = step_time_ratio(self.model, self.adversary, self.train, self.surface, self.config)
        return {"step_time_ratio": round(ratio, 2)}

    def _adapt(self, changed: Config) -> None:
        """The adversary's state passes on to one with the changed settings."""
        if changed.adversary != self.live.adversary:
            self.setting = self.setting._replace(config=changed.adversary)
            state = self.adversary.state()
            self.adversary = adversaries.build(self.setting)
            self.adversary.restore(*state)

    # checkpoints ------------------------------------------------------------------------------------------------

    def save_model(self, folder: Path) -> None:
        data = self.data
        meta = checkpoint.Meta(step=self.step, labels=data.labels, metrics=self.metrics)
        checkpoint.save_model(folder, self.config, self.average.weights, data.table, data.output, data.lexicon, meta)

    def more_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return self.adversary.state()

    def restore_more(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        self.adversary.restore(tensors, values)
