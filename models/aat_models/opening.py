"""Which training a config asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aat_models.config import Config, is_language_model
from aat_models.distributed import ALONE, Group
from aat_models.loop import Loop

__all__ = ["Opened", "prepare_training"]

Opened = Callable[[Path | None, Group], Loop[Any]]


def prepare_training(config: Config, cache: Path) -> Opened:
    """Has the data ready; what is returned makes the training, at its start or at the checkpoint it is given.

    Raises as ``aat_models.data.prepare`` and the trainings do.
    """
    if is_language_model(config):
        from aat_models import language_data
        from aat_models.language_training import LanguageTraining

        texts = language_data.prepare(config, cache)
        return lambda resume=None, group=ALONE: LanguageTraining(config, texts, resume, group)
    from aat_models.data import prepare
    from aat_models.training import Training

    data = prepare(config, cache)
    return lambda resume=None, group=ALONE: Training(config, data, resume, group)
