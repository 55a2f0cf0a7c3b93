"""Where a training computes, how precisely, and whether twice the same: what ``train.device`` and its neighbours mean."""

from __future__ import annotations

import os

import msgspec
import numpy as np
import torch

from aat_datasets.errors import ConfigError
from aat_models.config import Config, TrainConfig

__all__ = [
    "choose", "make_deterministic", "packed", "random_state", "restore_random_state", "unpacked", "wait", "width",
]  # fmt: skip

WIDE = ("cnn", "transformer")  # encoders made of large matrix products, which half precision speeds up


def choose(name: str, local_rank: int = 0) -> torch.device:
    """The device of ``train.device``: ``auto`` takes a GPU where there is one.

    ``local_rank`` numbers this process among those of its machine: each takes a GPU of its own. Raises ConfigError.
    """
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cuda" and not there:
        raise ConfigError("train.device: no GPU that torch can use", "auto takes the CPU; doctor says what torch sees")
    if name == "cpu" or not there:
        return torch.device("cpu")
    if local_rank >= there:
        raise ConfigError(f"train.device: {local_rank + 1} processes want a GPU each, there are {there}")
    return torch.device("cuda", local_rank)


def make_deterministic(config: TrainConfig) -> None:
    """Have torch take only algorithms that give the same bytes every time, or leave it the choice.

    On a CPU all that a training here uses are; on a GPU some are slower, and one that has no such form ends the training
    with torch's own words. Must come before the first computation on a GPU.
    """
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    if torch.are_deterministic_algorithms_enabled() != config.deterministic:  # to say it again costs a second
        torch.use_deterministic_algorithms(config.deterministic)
    torch.backends.cudnn.deterministic = config.deterministic
    torch.backends.cudnn.benchmark = False  # batches differ in width: what it times for one is lost on the next


def width(config: Config, device: torch.device) -> torch.dtype | None:
    """The narrower type the encoder computes in while it trains; None: single precision, like everything else.

    ``auto`` takes bfloat16 on a GPU that has it, for encoders that are large matrix products.
    """
    if config.train.precision == "bf16":
        return torch.bfloat16
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    wanted = config.train.precision == "auto" and config.model.encoder in WIDE
    return torch.bfloat16 if fast and wanted else None


def wait(device: torch.device) -> None:
    """Returns when the device has done what it was given: before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The state of every generator a step draws from, by name."""
    found = {"random": torch.get_rng_state()}
    return found | {"random.cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else found


def restore_random_state(device: torch.device, state: dict[str, torch.Tensor]) -> None:
    """Puts :func:`random_state` back; a checkpoint of another kind of device has none for this one."""
    torch.set_rng_state(state["random"])
    if device.type == "cuda" and "random.cuda" in state:
        torch.cuda.set_rng_state(state["random.cuda"], device)


def packed(state: dict[str, torch.Tensor]) -> bytes:
    """A random state as bytes, to send."""
    return msgspec.msgpack.encode({name: tensor.numpy().tobytes() for name, tensor in state.items()})


def unpacked(data: bytes, prefix: str = "") -> dict[str, torch.Tensor]:
    """The state :func:`packed` made bytes of, its names prefixed."""
    found = msgspec.msgpack.decode(data, type=dict[str, bytes])
    return {prefix + name: torch.from_numpy(np.frombuffer(part, np.uint8).copy()) for name, part in found.items()}
