"""A training between two processes: everything it holds beside its config and data, into a checkpoint folder and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from torch import Tensor

from aat_datasets.errors import CheckpointError
from aat_models import checkpoint, devices, live
from aat_models import config as configs
from aat_models.stages import Stage

if TYPE_CHECKING:
    from aat_models.loop import Loop

__all__ = ["STRIDE", "restore", "save"]

STRIDE = 1_000_003  # between the seeds of two processes


def save(training: Loop[Any], folder: Path) -> None:
    """Everything needed to use the model and to go on, into an existing folder."""
    training.save_model(folder)
    tensors = {f"model.{name}": tensor for name, tensor in training.model.state_dict().items()}
    moments, groups = checkpoint.flatten(training.optimiser.state_dict())
    tensors |= moments
    adversary, values = training.more_state()
    tensors |= {f"adversary.{name}": tensor for name, tensor in adversary.items()}
    weights, best = training.best.state()
    tensors |= {f"best.{name}": tensor for name, tensor in weights.items()}
    for rank, state in enumerate(training.random):
        tensors |= devices.unpacked(state, prefix=f"{rank}.")
    checkpoint.save_state(
        folder,
        tensors,
        {
            "step": training.step,
            "sampler": training.sampler.state(),
            "groups": groups,
            "adversary": values,
            "live": live.differences(training.config, training.live),
            "stages": training.stages,
            "best": best,
            "alarms": training.alarms.state(),
            "followed": training.average.followed,
            "seconds": training.seconds,
            "trained_examples": training.trained_examples,
            "metrics": training.metrics,
        },
    )


def restore(training: Loop[Any], folder: Path) -> None:
    """Puts a training, freshly made from the same config, where :func:`save` found one. Raises CheckpointError."""
    weights = checkpoint.load_tensors(folder / "model.safetensors")
    checkpoint.assign(training.model, weights, folder / "model.safetensors")
    training.average.weights = {name: tensor.to(training.device) for name, tensor in weights.items()}
    tensors = checkpoint.load_tensors(folder / "state.safetensors")
    try:
        values = msgspec.json.decode((folder / "state.json").read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise CheckpointError(f"{folder / 'state.json'}: {error}") from None
    checkpoint.assign(training.model, _named("model.", tensors), folder / "state.safetensors")
    training.step = values["step"]
    settings = values["live"] if "live" in values else {"train.lr": values["lr"]}  # "lr": before 0.2
    training.adopt(configs.apply(training.config, settings))
    training.stages = [Stage(*stage) for stage in values["stages"]]
    training.total = sum(stage.steps for stage in training.stages)
    if training.step < training.total and training.step > training.stage().start:
        training.optimiser = training.optimiser_of(training.stage())
        training.optimiser.load_state_dict(checkpoint.unflatten(tensors, values["groups"]))
    adversary = {name: tensor.to(training.device) for name, tensor in _named("adversary.", tensors).items()}
    training.restore_more(adversary, values["adversary"])
    training.sampler.restore(values["sampler"])
    best = {name: tensor.to(training.device) for name, tensor in _named("best.", tensors).items()}
    training.best.restore(best, values["best"])
    training.alarms.restore(values["alarms"])
    training.average.followed = values["followed"]
    training.seconds, training.trained_examples = values["seconds"], values["trained_examples"]
    training.metrics = values["metrics"]
    own = _named(f"{training.group.rank}.", tensors)
    if own:
        devices.restore_random_state(training.device, own)
    else:  # there were fewer processes when it was taken
        torch.manual_seed(training.config.seed + STRIDE * training.group.rank + training.step)


def _named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name begins with ``prefix``, under the rest of it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
