"""From the name a user gives to the target it stands for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from aat_datasets.errors import CheckpointError, UnknownNameError
from aat_workbench.targets.base import Target

if TYPE_CHECKING:
    from aat_workbench.http_victim import HttpOptions

__all__ = ["identify", "open_target"]

_TINY = "builtin:tiny"


def identify(name: str, runs_root: Path | None = None) -> str:
    """What ``name`` stands for now, without loading it: two names or times with the same answer mean the same model.

    Raises UnknownNameError, CheckpointError, InputError.
    """
    if name == _TINY:
        return name
    kind, colon, _ = name.partition(":")
    if colon and kind in ("py", "hf", "http", "https"):
        return name
    if colon and kind == "builtin":
        raise UnknownNameError("built-in victim", name, [_TINY])
    from aat_workbench.runs import resolve_target

    return str(resolve_target(name, runs_root).absolute())


def open_target(name: str, runs_root: Path | None = None, http: HttpOptions | None = None) -> Target:
    """Loads a target; ``http`` is for endpoints. Raises UnknownNameError, CheckpointError, InputError, VictimError."""
    place = identify(name, runs_root)
    while True:
        try:
            return _opened(name, place, runs_root, http)
        except CheckpointError:
            newer = identify(name, runs_root)
            if newer == place:
                raise
            place = newer  # a training took that checkpoint away while it was read: it has a newer one


def _opened(name: str, place: str, runs_root: Path | None, http: HttpOptions | None) -> Target:
    from aat_workbench.runs import runs_root as default_root
    from aat_workbench.targets import writing

    others = (runs_root or default_root()) / "_targets" / re.sub(r"[^\w.+-]+", "-", name)[-100:] / "attacks"
    if place == _TINY:
        from aat_workbench.targets.tiny import TinyTarget

        return TinyTarget(name, others)
    kind, colon, _ = name.partition(":")
    if colon and place == name and kind in ("py", "hf", "http", "https"):
        return _foreign(name, kind, others, http)
    checkpoint = Path(place)
    inside = checkpoint.parent.name == "checkpoints" and (checkpoint.parent.parent / "config.toml").is_file()
    attacks = checkpoint.parent.parent / "attacks" if inside else others
    if (writer := writing.of_checkpoint(name, checkpoint, attacks)) is not None:
        return writer
    from aat_workbench.targets.run import RunTarget

    return RunTarget(name, checkpoint, attacks)


def _foreign(name: str, kind: str, attacks: Path, http: HttpOptions | None) -> Target:
    """A target of which the workbench knows probabilities and nothing else."""
    if kind == "py":
        from aat_workbench.targets.function import function_victim

        target = Target(name, name, attacks, function_victim(name))
        target.unnamed = True
        return target
    from aat_models.attacks import TextVictim
    from aat_workbench.targets import writing

    if kind == "hf" and (writer := writing.of_folder(name, attacks)) is not None:
        return writer
    if kind == "hf":
        from aat_models.huggingface import HuggingFaceModel

        model = HuggingFaceModel(name.partition(":")[2])
        target = Target(name, name, attacks, TextVictim(model.labels, model, model.unknown))
        target.unnamed, target.weights = not model.named, model.weights
        return target
    from aat_workbench.http_victim import Endpoint

    endpoint = Endpoint(name, http)
    target = Target(name, name, attacks, TextVictim(endpoint.labels, endpoint))
    target.unnamed = not endpoint.named
    return target
