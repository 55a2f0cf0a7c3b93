"""Optimisers, and how the learning rate runs over a stage: both by name, both torch's or one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import nn

from aat_models.config import TrainConfig

__all__ = ["OPTIMISERS", "SCHEDULES", "build", "rate"]


def _adamw(parameters: list[nn.Parameter], lr: float, config: TrainConfig) -> torch.optim.Optimizer:
    """Loshchilov & Hutter 2019: the decay acts on the weights, apart from the moments."""
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=config.weight_decay, fused=True)


def _adam(parameters: list[nn.Parameter], lr: float, config: TrainConfig) -> torch.optim.Optimizer:
    """Kingma & Ba 2015: the decay is added to the gradient."""
    return torch.optim.Adam(parameters, lr=lr, weight_decay=config.weight_decay, fused=True)


def _sgd(parameters: list[nn.Parameter], lr: float, config: TrainConfig) -> torch.optim.Optimizer:
    """With heavy-ball momentum; the decay is added to the gradient."""
    return torch.optim.SGD(parameters, lr=lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=True)


OPTIMISERS: dict[str, Callable[[list[nn.Parameter], float, TrainConfig], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "adam": _adam,
    "sgd": _sgd,
}

# share of a stage done, 0 … 1 → share of the peak rate
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "linear": lambda done: 1 - done,
    "constant": lambda done: 1.0,
}


def build(parameters: Iterable[nn.Parameter], lr: float, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser a config names, over these parameters, as one group."""
    return OPTIMISERS[config.optimizer](list(parameters), lr, config)


def rate(lr: float, done: int, steps: int, config: TrainConfig) -> float:
    """The learning rate after ``done`` of a stage's ``steps``: linear warm-up times the schedule, with its peak at ``lr``."""
    warm = max(1, round(steps * config.warmup))
    return lr * min(1.0, (done + 1) / warm) * SCHEDULES[config.schedule](done / steps)
