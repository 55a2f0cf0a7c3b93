"""Our side of ``bench train``: a process with one thread that trains, with and without what is to be measured.

``python -m aat_workbench.train_bench_side`` answers the requests of ``peers.wire``: see ``Session``.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Event, Step
from aat_workbench.peers.wire import serve

if TYPE_CHECKING:
    from aat_models.data import TrainingData
    from aat_models.training import Training
    from aat_workbench.trainer import CheckpointDue

__all__ = ["Session"]

PLAIN = {
    "model.encoder": "lstm", "model.embedding": 128, "model.hidden": 128, "model.latent": 128, "model.characters": False,
    "model.dropout": 0.0, "surface.source": "none", "surface.characters": 0, "train.epochs": 1.0, "train.threads": 1,
    "train.log_every": 1_000_000, "train.evaluate_every": 1_000_000,
}  # fmt: skip
"""An LSTM over plain word vectors, trained for an epoch with nothing but the loop itself."""


class Session:
    """What is timed. Every answer has ``wall`` and ``cpu`` seconds."""

    def open(self, dataset: str, cache: str, texts: int, device: str = "cpu") -> dict[str, Any]:
        """Prepares ``texts`` training texts of a dataset, for a device; 0: all."""
        self.device = {"train.device": device}
        self.cache = Path(cache)
        self.ready: dict[str, Training] = {}
        self.dataset = {"data.dataset": dataset, "data.limit": texts, "data.preprocess": ["lowercase"]}
        self.data = self._data(self._config({}))
        return {"texts": len(self.data.splits["train"]), "words": self.data.table.size}

    def _config(self, settings: dict[str, Any]) -> Config:
        return configs.apply(Config(run="bench"), {**self.dataset, **PLAIN, **self.device, **settings})

    def _data(self, config: Config) -> TrainingData:
        from aat_models.data import prepare

        return prepare(config, self.cache / "encoded")

    # the loop and its limit -------------------------------------------------------------------------------------

    def loop(self, batch: int, ema: float) -> dict[str, Any]:
        """An epoch of our loop: its steps alone, without the evaluation that ends it; ``ema``: of the average of the weights."""
        return self._epoch(self._config({"train.batch_size": batch, "train.ema": ema}), self.data)

    def _epoch(self, config: Config, data: TrainingData) -> dict[str, Any]:
        from aat_models.training import Training

        events = Training(config, data).events()
        next(events)
        with Clock() as clock:
            found = next(event for event in events if isinstance(event, Step))
        return {**clock.spent, "loss": found.metrics["loss"], "steps": found.step}

    def bare(self, batch: int) -> dict[str, Any]:
        """The same batches through the same model, in the fewest lines that train it: what no loop can beat."""
        from aat_models.timing import bare_epoch

        return bare_epoch(self._config({"train.batch_size": batch}), self.data)

    # records and checkpoints ------------------------------------------------------------------------------------

    def recorded(self, kept: bool) -> dict[str, Any]:
        """An epoch with the default records and evaluations; ``kept``: with the run folder, checkpoints and control too."""
        from aat_models.training import Training
        from aat_workbench.training import run_training

        config = self._config({"train.log_every": 20, "train.evaluate_every": 0, "train.evaluate_limit": 200})
        runs = self.cache / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        data = self._data(config)
        events: Iterator[object] = (
            run_training(config, runs_root=runs, opener=lambda c, _: Training(c, data), signals=False)
            if kept
            else Training(config, data).events()
        )
        with Clock() as clock:
            for _event in events:
                pass
        return clock.spent

    def watched(self, log_every: int, tensorboard: bool) -> dict[str, Any]:
        """An epoch in a run folder: seconds that writing records and looking for commands took of it, and checkpoints."""
        from aat_models.training import Training
        from aat_workbench.training import run_training

        settings = {"train.log_every": log_every, "train.tensorboard": tensorboard}
        config = self._config({**settings, "train.evaluate_every": 0, "train.evaluate_limit": 200})
        runs = self.cache / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        timed = Timed(Training(config, self._data(config)))
        with Clock() as clock:
            for _event in run_training(config, runs_root=runs, opener=lambda _config, _from: timed, signals=False):
                pass
        kinds = {name: dict(zip(("wall", "cpu"), seconds, strict=True)) for name, seconds in timed.spent.items()}
        return {**clock.spent, **kinds, "count": timed.count}

    # adversaries ------------------------------------------------------------------------------------------------

    def adversary(self, name: str, encoder: str) -> dict[str, Any]:
        """A step with an adversary over one without, the two in turn; and what its cost in forward passes says."""
        from aat_models import adversaries
        from aat_models.timing import step_time_ratio

        training = self._trained_on(encoder)
        config = configs.apply(training.config, {"adversary.name": name})
        adversary = adversaries.build(training.setting._replace(config=config.adversary))
        with Clock() as clock:
            ratio = step_time_ratio(training.model, adversary, training.train, training.surface, config)
        return {**clock.spent, "ratio": ratio, "analytic": adversary.cost / 3.0}

    def _trained_on(self, encoder: str) -> Training:
        """A model, texts and an attack surface for the adversaries, made once."""
        from aat_models.training import Training

        if encoder not in self.ready:
            settings = {
                "model.encoder": encoder, "model.characters": True, "model.dropout": 0.3, "surface.source": "auto",
                "surface.characters": 4, "train.batch_size": 64,
            }  # fmt: skip
            config = self._config(settings)
            self.ready[encoder] = Training(config, self._data(config))
        return self.ready[encoder]

    # against Keras ----------------------------------------------------------------------------------------------

    def small(self, words: int, batch: int) -> dict[str, Any]:
        """An epoch of our model of the size of the Keras one."""
        config = self._config(
            {"data.vocabulary": words, "train.batch_size": batch, "train.clip": 0.0, "train.ema": 0.0}
        )
        return self._epoch(config, self._data(config))

    def padded(self, words: int, path: str) -> dict[str, Any]:
        """Writes the same texts as a plain script would have them: numbers below ``words``, padded in front to one length."""
        split = self._data(self._config({"data.vocabulary": words})).splits["train"]
        width = int(split.lengths.max())
        ids = np.zeros((len(split), width), np.int32)
        for row in range(len(split)):
            text = split.text(row)
            ids[row, width - len(text) :] = np.where(text < words, text, 1)
        np.savez(path, ids=ids, labels=(np.array(split.labels) % 2).astype(np.float32))
        return {"width": width, "mean": float(split.lengths.mean())}


class Timed:
    """A trainer that notes how long whoever takes its events keeps each: ``(wall, cpu)`` seconds by what it is."""

    def __init__(self, inner: Training) -> None:
        self._inner = inner
        self.save, self.control, self.change = inner.save, inner.control, inner.change
        self.spent = {"records": (0.0, 0.0), "checkpoints": (0.0, 0.0)}
        self.count = 0

    def events(self) -> Iterator[Event | CheckpointDue]:
        for item in self._inner.events():
            kind = "records" if isinstance(item, Event) else "checkpoints"
            self.count += kind == "records"
            wall, cpu = time.perf_counter(), time.process_time()
            yield item
            before = self.spent[kind]
            self.spent[kind] = (before[0] + time.perf_counter() - wall, before[1] + time.process_time() - cpu)


class Clock:
    """Seconds between entering and leaving, by the wall and of this process."""

    def __enter__(self) -> Clock:
        self.spent: dict[str, float] = {}
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.spent = {"wall": time.perf_counter() - self._wall, "cpu": time.process_time() - self._cpu}


def main() -> None:
    session = Session()
    parts: list[Callable[..., dict[str, Any]]] = [
        session.open, session.loop, session.bare, session.recorded, session.watched, session.adversary, session.small,
        session.padded,
    ]  # fmt: skip
    serve({part.__name__: part for part in parts})


if __name__ == "__main__":
    main()
