"""Adversaries: what perturbs texts during training. One method a file, one line in the table below.

One of the user's own is named ``py:module:Class`` and is called as those are: with a ``Setting``.
"""

from __future__ import annotations

from collections.abc import Callable

from aat_datasets.errors import InputError, UnknownNameError
from aat_models.adversaries.a2t import AttackingToTrain
from aat_models.adversaries.aat import AdaptiveAdversary
from aat_models.adversaries.ascc import ConvexHull
from aat_models.adversaries.base import Adversary, Batch, Setting, Stateless
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
from aat_models.own_code import imported, is_own

__all__ = ["ADVERSARIES", "Adversary", "Batch", "Setting", "Stateless", "build"]

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


_PARTS = ("cost", "replays", "step", "state", "restore", "exchange")


def build(setting: Setting) -> Adversary:
    """The adversary a config names. Raises UnknownNameError, or InputError for one of the user's own that is none."""
    name = setting.config.name
    if is_own(name):
        made = imported(name, "adversary")(setting)
        if missing := [part for part in _PARTS if not hasattr(made, part)]:
            raise InputError(f"{name} is no adversary: it has no {', '.join(missing)}", "begin from Stateless")
        return made
    if name not in ADVERSARIES:
        raise UnknownNameError("adversary", name, ADVERSARIES)
    return ADVERSARIES[name](setting)
