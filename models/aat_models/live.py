"""What may change while a training runs: the learning rate, and what its adversary reads anew at every step.

A change is checked against the config's own types and bounds, by whoever asks for it and by the training itself. Nothing
here imports torch.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from aat_datasets.errors import ConfigError, UnknownNameError
from aat_models import config as configs
from aat_models.config import Config

__all__ = ["Change", "change", "differences", "keys", "value_of"]

# What each adversary reads at every step. Not here: what its tensors are shaped by, or what counts at its start only.
READ: dict[str, tuple[str, ...]] = {
    "none": (),
    "noise": ("epsilon", "beta", "mu"),
    "random": ("budget", "beta", "mu"),
    "fgm": ("epsilon",),
    "vat": ("epsilon",),
    "pgd": ("epsilon", "steps"),
    "free": ("epsilon",),
    "freelb": ("epsilon", "steps"),
    "smart": ("epsilon", "steps", "beta", "proximal"),
    "trades": ("epsilon", "steps", "beta"),
    "hotflip": ("budget", "beta", "mu"),
    "a2t": ("budget",),
    "ascc": ("steps", "beta", "mu"),
    "ibp": ("kappa", "ramp", "shrink"),
    "aat": (
        "beta", "mu", "gamma", "budget", "epsilon", "mixing", "probe", "reference", "tolerance", "dual_rate", "second_step",
        "adaptive", "rho_max", "rho_floor", "success", "eta", "temperature", "cache", "ranking",
    ),
}  # fmt: skip
_OWN = ("beta", "mu", "budget", "epsilon", "steps")  # an adversary of the user's own may read these
_BALL = ("noise", "fgm", "vat", "pgd", "free", "freelb", "smart", "trades")


class Change(NamedTuple):
    """One key of the config before and after."""

    key: str
    old: Any
    new: Any

    @property
    def text(self) -> str:
        """``adversary.beta=2.0``."""
        return f"{self.key}={written(self.new)}"


def keys(config: Config) -> list[str]:
    """The dotted keys that may change while a training of this config runs."""
    adversary = config.adversary
    found = dict.fromkeys(READ.get(adversary.name, _OWN))
    decoders = {"decoder", "joint-decoder"} & set(adversary.stages)
    if adversary.name != "none" and decoders and config.model.decoder != "none":
        found |= dict.fromkeys(("beta", "epsilon" if adversary.name in _BALL else "budget"))
    return ["train.lr", *(f"adversary.{name}" for name in found)]


def change(config: Config, assignment: str) -> tuple[Config, Change]:
    """``config`` with ``KEY=VALUE`` in it, and what that changed; ``beta`` is short for ``adversary.beta``.

    Raises ConfigError or UnknownNameError where the key may not change while this config is trained, or the value is not
    one of its own.
    """
    name, _, text = assignment.partition("=")
    key, allowed = name.strip(), keys(config)
    key = next((full for full in allowed if full.partition(".")[2] == key), key)
    if key not in allowed:
        raise _refused(config, key, allowed)
    changed = configs.apply(config, {key: text.strip()})
    new = value_of(changed, key)
    if isinstance(new, float) and not math.isfinite(new):
        raise ConfigError(f"{key}: expected a finite number, got {new}")
    return changed, Change(key, value_of(config, key), new)


def differences(config: Config, changed: Config) -> dict[str, Any]:
    """What :func:`change` made of ``config``: dotted keys and their values now."""
    found = {key: value_of(changed, key) for key in keys(config)}
    return {key: value for key, value in found.items() if value != value_of(config, key)}


def value_of(config: Config, key: str) -> Any:
    """The value at a dotted key."""
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return value


def written(value: Any) -> str:
    """A value as it is written into TOML and on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refused(config: Config, key: str, allowed: list[str]) -> ConfigError | UnknownNameError:
    known = configs.keys()
    full = next((name for name in known if key in (name, name.rpartition(".")[2])), "")
    if not full:
        return UnknownNameError("config key", key, known)
    why = "cannot be changed while training"
    if full.startswith("adversary.") and any(full.removeprefix("adversary.") in names for names in READ.values()):
        why = f"adversary {config.adversary.name} does not use it"
    return ConfigError(f"{full}: {why}", f"what can be: {', '.join(allowed)}")
