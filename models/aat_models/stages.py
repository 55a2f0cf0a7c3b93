"""The stages of a training: which, in what order, how long."""

from __future__ import annotations

from typing import NamedTuple

from aat_datasets.errors import ConfigError
from aat_models.config import Config

__all__ = ["Stage", "plan", "plan_language", "shortened"]


class Stage(NamedTuple):
    """One stage: its name, the step it begins at, and its number of steps."""

    name: str
    start: int
    steps: int


def plan(config: Config, batches: int, has_decoder: bool, has_head: bool = True) -> list[Stage]:
    """The stages with their steps. Raises ConfigError where a stage needs a decoder or label head the model lacks.

    Without a label head ``joint`` trains encoder and decoder together.
    """
    if not config.train.stages:
        raise ConfigError("train.stages: at least one stage is needed", "encoder, decoder, joint")
    stages: list[Stage] = []
    start = 0
    for name in config.train.stages:
        if name != "encoder" and not has_decoder:
            raise ConfigError(f"train.stages: {name} needs a decoder", "set model.decoder = lstm")
        if name == "encoder" and not has_head:
            raise ConfigError(
                "train.stages: encoder trains on labels, and the dataset has none", "set train.stages = joint"
            )
        epochs = config.train.decoder_epochs if name == "decoder" else config.train.epochs
        steps = max(1, round(epochs * batches))
        stages.append(Stage(name, start, steps))
        start += steps
    return stages


def plan_language(config: Config, batches: int) -> list[Stage]:
    """The one stage of a language model."""
    return [Stage("language", 0, config.language.steps or max(1, round(config.train.epochs * batches)))]


def shortened(stages: list[Stage], step: int) -> list[Stage]:
    """The plan where the stage at work ends at ``step``: the later ones follow at once, as long as they were to be."""
    found: list[Stage] = []
    for stage in stages:
        start = found[-1].start + found[-1].steps if found else 0
        steps = step - start if start < step < start + stage.steps else stage.steps
        found.append(Stage(stage.name, start, steps))
    return found
