"""The loop of every training: one visible generator of events.

It knows no screen, no file and no queue. Whoever drives it writes the events, and calls :meth:`Loop.save` when a
:class:`CheckpointDue` comes by. Interrupted after any event and taken up from a saved checkpoint, it yields what an
uninterrupted run would have yielded, bit for bit on a CPU with the same number of threads.

What a step trains, and what an evaluation measures, is a subclass's: ``aat_models.training`` has the model with a fixed-length
vector, ``aat_models.language_training`` the language model.
"""

from __future__ import annotations

import abc
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from aat_datasets.batching import EncodedSplit
from aat_datasets.errors import ConfigError
from aat_models import config as configs
from aat_models import devices, distributed, live, optimisers, training_state
from aat_models.alarms import Alarms
from aat_models.averaging import WeightAverage
from aat_models.config import Config
from aat_models.curves import Curves
from aat_models.distributed import Group
from aat_models.events import Done, Evaluation, Event, Notice, Resumed, Started, Step
from aat_models.guard import Guard
from aat_models.sampler import Sampler
from aat_models.stages import Stage, shortened
from aat_models.stopping import Best

__all__ = ["CheckpointDue", "Loop"]

FEW_STEPS = 200  # below this a model has hardly left its random start

Model = TypeVar("Model", bound=nn.Module)


class CheckpointDue(NamedTuple):
    """The driver should save now. ``best``: these are the best weights so far."""

    step: int
    best: bool


class _Wishes(NamedTuple):
    stopping: bool
    checkpoint_asked: bool
    settings: dict[str, Any]  # those a watcher changed


class Loop(abc.ABC, Generic[Model]):
    """One training, from a config and its data to the end of its last stage.

    A subclass sets the attributes, then calls :meth:`_ready`.

    Args:
        config: of the run.
        group: the processes that train together; all of them make one, alike but for the rank, and iterate over it.

    Attributes:
        model, splits, sampler, stages, guard, alarms: what is trained, on what, in what order, and what watches it.
        labels, surface_hash: told at the start.
    """

    model: Model
    splits: dict[str, EncodedSplit]
    sampler: Sampler
    stages: list[Stage]
    guard: Guard
    alarms: Alarms
    labels: list[str]
    surface_hash: str

    def __init__(self, config: Config, group: Group = distributed.ALONE) -> None:
        self.config = config
        self.live = config  # with what watchers changed
        self.group = group
        self.threads = config.train.threads or max(1, (os.cpu_count() or 2) - 1)
        torch.set_num_threads(self.threads)
        devices.make_deterministic(config.train)
        self.device = devices.choose(config.train.device, group.local_rank)
        torch.manual_seed(config.seed)
        self.step = 0
        self.best = Best(config.train.patience)
        self.curves = Curves()
        self.metrics: dict[str, float] = {}
        self.seconds = 0.0
        self.trained_examples = 0
        self.stopping = False
        self.checkpoint_asked = False
        self.random: list[bytes] = []  # every process's random state, at the checkpoint that is due
        self._shown = False  # an event is with whoever drives this

    def _ready(self, resume: Path | None) -> None:
        """Puts the training at its start, or where the checkpoint ``resume`` left it. Raises CheckpointError."""
        self.train = self.splits["train"]
        self.total = sum(stage.steps for stage in self.stages)
        self.average = WeightAverage(self.model, self.config.train.ema)
        self._resumed = resume is not None
        if self.group.rank:
            # the weights are the same everywhere, dropout is not
            torch.manual_seed(self.config.seed + training_state.STRIDE * self.group.rank)
        if resume is not None:
            training_state.restore(self, resume)

    # what a subclass says ---------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _gradients(
        self, stage: Stage, index: np.ndarray[Any, Any], own: np.ndarray[Any, Any]
    ) -> dict[str, float | Tensor]:
        """Adds the gradients of this process's texts ``own`` of the batch ``index``; named figures for the curves."""

    @abc.abstractmethod
    def _measure(self, model: Model, split: str, limit: int, stage: str) -> tuple[dict[str, float], list[int]]:
        """Figures by name on the first ``limit`` texts of a split, and how often each class was the answer."""

    @abc.abstractmethod
    def _warnings(self, metrics: dict[str, float], answers: list[int]) -> Iterator[Notice]:
        """What an evaluation on dev gives rise to."""

    @abc.abstractmethod
    def _score(self, stage: Stage, metrics: dict[str, float]) -> float:
        """What "best" means."""

    @abc.abstractmethod
    def _trained(self, stage: Stage) -> list[nn.Module]:
        """What a stage trains."""

    @abc.abstractmethod
    def save_model(self, folder: Path) -> None:
        """Everything needed to use the model, into an existing folder."""

    def more_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a resumed training needs besides: tensors by name, and plain values."""
        return {}, {}

    def restore_more(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Takes back what :meth:`more_state` gave."""

    def _repeats(self, stage: Stage) -> int:
        """How often each batch of a stage comes in a row."""
        return 1

    def _more_summary(self) -> dict[str, Any]:
        """Figures at the end of a training that ran its whole length."""
        return {}

    # the loop ---------------------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event | CheckpointDue]:
        """Yields what happens, in order; ends with ``Done``, whose summary holds the last figures.

        Of several processes, each yields the same, and does what the driver of rank 0 asked for.
        Raises NotFiniteError, with the batch, where a loss or gradient stops being a number; TrainingError where another
        process is gone.
        """
        for event in self._events():
            self._shown = True
            yield event
            self._shown = False
            if not self._agree():
                return

    def _events(self) -> Iterator[Event | CheckpointDue]:
        yield self._started()
        if self._resumed:
            yield Resumed(step=self.step)
        elif self.total < FEW_STEPS:
            few = f"only {self.total} steps on {len(self.train)} texts: raise train.epochs or lower train.batch_size"
            yield Notice(message=few, level="warning")
        if self.config.train.compile and self.device.type != "cuda":
            yield Notice(message="train.compile is left out: it compiles for a GPU only")
        batches = iter(self.sampler)
        began = self.step
        while self.step < self.total and not self.stopping:
            stage = self.stage()
            if self.step == stage.start:
                self._begin(stage)
            self.sampler.repeats = self._repeats(stage)
            clock = time.perf_counter()  # of the steps alone: evaluations and whoever drives the loop do not count
            index = next(batches)
            figures, weight = self._train_on(stage, index)
            self.curves.add(figures, len(index), time.perf_counter() - clock, weight)
            self.step += 1
            self.trained_examples += len(index)
            ends = self.step == stage.start + stage.steps
            if (self.step - stage.start) % self.config.train.log_every == 0 or ends:
                record = self._record(stage)
                yield record
                yield from self.alarms.recorded(record)
            yield from self._pauses(stage, ends)
        if self.stopping:
            if self.step > began:  # before the first step there is nothing to save that is not saved
                yield self._due(best=False)
            yield Notice(message=f"stopped at step {self.step} of {self.total}")
        yield self._done()

    def _pauses(self, stage: Stage, ends: bool) -> Iterator[Event | CheckpointDue]:
        """Evaluations and checkpoints that fall due at this step, and the early end of a stage that no longer improves."""
        done = self.step - stage.start
        every = self.config.train.evaluate_every or max(1, len(self.sampler) // 4)
        improved = False
        if done % every == 0 or ends:
            found = self._evaluate("dev", self.config.train.evaluate_limit, stage.name)
            if found is not None:
                metrics, answers = found
                improved = self.best.take(self._score(stage, metrics), self.step, metrics, self.average.weights)
                self.metrics |= metrics
                yield Evaluation(step=self.step, split="dev", metrics=metrics)
                yield from self._warnings(metrics, answers)
        if self.best.over and not ends:
            ends = True
            yield from self._end_early(stage)
        if ends and self.best.weights:
            self.average.weights = self.best.weights
            self.metrics |= self.best.metrics
        every = self.config.train.checkpoint_every or every
        if done % every == 0 or ends or improved or self.checkpoint_asked:
            self.checkpoint_asked = False
            yield self._due(improved or (ends and "dev" not in self.splits))

    def _due(self, best: bool) -> CheckpointDue:
        self.guard.settle()
        self.random = self.group.gather(devices.packed(devices.random_state(self.device)))
        return CheckpointDue(self.step, best)

    def _end_early(self, stage: Stage) -> Iterator[Event]:
        """Give up the rest of a stage; later stages follow at once."""
        if len(self.curves):
            yield self._record(stage)
        left = stage.start + stage.steps - self.step
        self.stages = shortened(self.stages, self.step)
        self.total -= left
        best = f"the score of step {self.best.step} was not exceeded in {self.best.waited} evaluations"
        yield Notice(message=f"stage {stage.name} ends {left} steps early: {best}", step=self.step)

    def _train_on(self, stage: Stage, index: np.ndarray[Any, Any]) -> tuple[dict[str, Tensor], float]:
        """One optimiser step on the texts at ``index``; figures of this process's part of them, and its weight."""
        self.model.train()
        own, weight = self.group.part(index)
        rate = self._rate(stage)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        figures: dict[str, float | Tensor] = {"lr": rate, **self._gradients(stage, index, own)}
        parameters = self.optimiser.param_groups[0]["params"]
        self.group.average(parameters, weight)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.train.clip or math.inf)
        found = {n: x if isinstance(x, Tensor) else torch.tensor(x, device="cpu") for n, x in figures.items()}
        self.guard.check(self.step + 1, stage.name, index, {**found, "gradient": norm})
        self.optimiser.step()
        self.average.follow(self.model)
        return found, weight

    # stages and rates -------------------------------------------------------------------------------------------

    def stage(self) -> Stage:
        """The one at work."""
        return next(stage for stage in self.stages if self.step < stage.start + stage.steps)

    def _begin(self, stage: Stage) -> None:
        """A fresh optimiser and average; a later stage builds on the weights that the one before kept.

        Those are its last average, or with ``train.patience`` its best one.
        """
        if stage.start:
            self.model.load_state_dict(self.average.weights)
        self.optimiser = self.optimiser_of(stage)
        self.best.begin()
        self.alarms.begin(stage.start)
        self.average.begin()

    def optimiser_of(self, stage: Stage) -> torch.optim.Optimizer:
        """Over what the stage trains."""
        parameters = [p for module in self._trained(stage) for p in module.parameters()]
        return optimisers.build(parameters, self.live.train.lr, self.config.train)

    def _rate(self, stage: Stage) -> float:
        return optimisers.rate(self.live.train.lr, self.step - stage.start, stage.steps, self.config.train)

    # figures ----------------------------------------------------------------------------------------------------

    def _started(self) -> Started:
        return Started(
            run=self.config.run,
            total=self.total,
            stages=[stage.name for stage in self.stages],
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            labels=self.labels,
            surface=self.surface_hash,
            device=str(self.device),
            threads=self.threads,
        )

    def _record(self, stage: Stage) -> Step:
        self.guard.settle()
        metrics, seconds = self.curves.take(self.group)
        self.seconds += seconds
        epoch = (self.step - stage.start) / len(self.sampler)
        return Step(step=self.step, total=self.total, epoch=round(epoch, 4), stage=stage.name, metrics=metrics)

    def _evaluate(self, split: str, limit: int, stage: str = "joint") -> tuple[dict[str, float], list[int]] | None:
        """The kept weights on the first ``limit`` texts of a split: what the stage trains; ``joint`` is all there is.

        Figures by name, and how often each class was the answer; None where there is no such split. Raises NotFiniteError.
        """
        texts = self.splits.get(split)
        if texts is None or not len(texts):
            return None
        self.guard.settle()
        with self.average.used(self.model):
            metrics, answers = self._measure(self.model, split, limit, stage)
        self.guard.evaluated(self.step, split, metrics)
        return metrics, answers

    def _done(self) -> Done:
        summary: dict[str, Any] = {
            "run": self.config.run,
            "steps": self.step,
            "total": self.total,
            "seconds": round(self.seconds, 2),
            "examples_per_second": round(self.trained_examples / max(self.seconds, 1e-9), 1),
            "dev": {name: round(value, 4) for name, value in self.metrics.items()},
        }
        if self.best.step:
            summary["best_step"] = self.best.step
        if "test" in self.splits and not self.stopping:
            found = self._evaluate("test", len(self.splits["test"]))
            if found is not None:
                summary["test"] = {name: round(value, 4) for name, value in found[0].items()}
        if not self.stopping:
            summary |= self._more_summary()
        return Done(summary=summary)

    # several processes ------------------------------------------------------------------------------------------

    def _agree(self) -> bool:
        """What the driver of rank 0 asked for while it had an event takes effect in every process; false: it is gone."""
        if self.group.size == 1:
            return True
        settings = live.differences(self.config, self.live)
        wishes = _Wishes(self.stopping, self.checkpoint_asked, settings)
        told = self.group.tell(msgspec.json.encode(wishes))
        if not told:
            return False
        wishes = msgspec.json.decode(told, type=_Wishes)
        self.stopping, self.checkpoint_asked = wishes.stopping, wishes.checkpoint_asked
        if wishes.settings != settings:
            self.adopt(configs.apply(self.config, wishes.settings))
        return True

    def dismiss(self) -> None:
        """Rank 0 goes no further: the others' events end, once they are where this one stands."""
        if self._shown and self.group.size > 1:
            self.group.tell()

    # watchers' commands -----------------------------------------------------------------------------------------

    def control(self, command: str) -> None:
        """``stop`` or ``checkpoint``: takes effect at the next step. Raises ConfigError where it is neither."""
        if command == "stop":
            self.stopping = True
        elif command == "checkpoint":
            self.checkpoint_asked = True
        else:
            raise ConfigError(f"no command named {command!r}", "known: stop, checkpoint")

    def change(self, assignment: str) -> live.Change:
        """``lr=0.001``, ``adversary.beta=2``: holds from the next step on, and in every checkpoint from then on.

        Raises ConfigError or UnknownNameError: see ``aat_models.live``.
        """
        changed, what = live.change(self.live, assignment)
        self.adopt(changed)
        return what

    def adopt(self, changed: Config) -> None:
        """Goes on with a config in which what may change while training differs."""
        self._adapt(changed)
        self.live = changed

    def _adapt(self, changed: Config) -> None:
        """Make what depends on the config fit ``changed``."""

    # checkpoints ------------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Everything needed to use the model and to go on, into an existing folder."""
        training_state.save(self, folder)
