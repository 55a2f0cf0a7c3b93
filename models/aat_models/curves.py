"""What a training records of its steps: figures averaged since the last record."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from aat_models.distributed import Group

__all__ = ["Curves"]


class Curves:
    """Figures of the steps since the last record, summed where they were made, so that a GPU is not waited for."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._examples = 0
        self._seconds = 0.0

    def __len__(self) -> int:
        """Steps since the last record."""
        return self._steps

    def add(self, figures: Mapping[str, Tensor], examples: int, seconds: float, weight: float = 1.0) -> None:
        """Counts one step: its named figures, each one number, and the time it took alone.

        ``weight`` is this process's share of the batch, where several have a part in it.
        """
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, torch.zeros((), device=value.device)) + value * weight
        self._steps += 1
        self._examples += examples
        self._seconds += seconds

    def take(self, group: Group) -> tuple[dict[str, float], float]:
        """The means since the last record, ``step_seconds`` and ``examples_per_second`` among them; and those seconds."""
        means = group.figures({name: float(total) / self._steps for name, total in self._sums.items()})
        seconds = self._seconds
        means["step_seconds"] = seconds / self._steps
        means["examples_per_second"] = self._examples / max(seconds, 1e-9)
        self.__init__()
        return means, seconds
