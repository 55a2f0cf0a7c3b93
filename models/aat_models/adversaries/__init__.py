"""Adversaries: what perturbs texts during training. One method a file, one line in the table below."""

from __future__ import annotations

from collections.abc import Callable

from aat_datasets.errors import UnknownNameError
from aat_models.adversaries.a2t import AttackingToTrain
from aat_models.adversaries.aat import AdaptiveAdversary
from aat_models.adversaries.ascc import ConvexHull
from aat_models.adversaries.base import Adversary, Batch, Setting
from aat_models.adversaries.fgm import FastGradientMethod
from aat_models.adversaries.free import FreeAdversary
from aat_models.adversaries.freelb import FreeLargeBatch
from aat_models.adversaries.hotflip import HotFlip
from aat_models.adversaries.ibp import IntervalBounds
from aat_models.adversaries.noise import NoiseAdversary
from aat_models.adversaries.none import NoAdversary
from aat_models.adversaries.pgd import ProjectedGradientDescent
from aat_models.adversaries.random import RandomSubstitutes
from aat_models.adversaries.smart import Smart
from aat_models.adversaries.trades import Trades
from aat_models.adversaries.vat import VirtualAdversarialTraining

__all__ = ["ADVERSARIES", "Adversary", "Batch", "Setting", "build"]

ADVERSARIES: dict[str, Callable[[Setting], Adversary]] = {
    "none": NoAdversary,
    "noise": NoiseAdversary,
    "random": RandomSubstitutes,
    "fgm": FastGradientMethod,
    "vat": VirtualAdversarialTraining,
    "pgd": ProjectedGradientDescent,
    "free": FreeAdversary,
    "freelb": FreeLargeBatch,
    "smart": Smart,
    "trades": Trades,
    "hotflip": HotFlip,
    "a2t": AttackingToTrain,
    "ascc": ConvexHull,
    "ibp": IntervalBounds,
    "aat": AdaptiveAdversary,
}


def build(setting: Setting) -> Adversary:
    """The adversary a config names. Raises UnknownNameError."""
    name = setting.config.name
    if name not in ADVERSARIES:
        raise UnknownNameError("adversary", name, ADVERSARIES)
    return ADVERSARIES[name](setting)
