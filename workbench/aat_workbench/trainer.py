"""What a run's driver asks of the core that trains, and how the one of ``aat_models`` is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from aat_models.config import Config
from aat_models.events import Event
from aat_models.live import Change

__all__ = ["CheckpointDue", "Opener", "Trainer", "open_core"]


class CheckpointDue(Protocol):
    """What the core yields where a checkpoint is to be taken; it is not recorded."""

    @property
    def step(self) -> int: ...

    @property
    def best(self) -> bool: ...


class Trainer(Protocol):
    """The core of a training; ``aat_models.loop.Loop`` is one."""

    def events(self) -> Iterator[Event | CheckpointDue]:
        """Train, one record after another; ends with ``Done``, or without one where it was stopped."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything that going on from here needs into an existing folder."""
        ...

    def control(self, command: str) -> None:
        """Take ``stop`` or ``checkpoint``."""
        ...

    def change(self, assignment: str) -> Change:
        """Take ``KEY=VALUE`` into every later step and checkpoint. Raises ConfigError or UnknownNameError."""
        ...


Opener = Callable[[Config, Path | None], Trainer]


def open_core(config: Config, resume: Path | None) -> Trainer:
    """The trainer of ``aat_models``, with its data prepared; ``resume`` is a checkpoint folder."""
    from aat_datasets.sources import data_root
    from aat_models.distributed import ALONE
    from aat_models.opening import prepare_training

    return prepare_training(config, data_root() / "_prepared")(resume, ALONE)
