"""A checkpoint folder: what is needed to use a model, and what is needed to go on training it.

::

    config.toml        the run's config          surface.json       the attack surface's synonyms
    tokenizer.json     the input vocabulary      output.json        the output vocabulary, where there is a decoder
    model.safetensors  the weights that are used: averaged, where the run averages
    state.safetensors  the weights that train, optimiser, random state, adversary       state.json   the rest

Weights are safetensors only: nothing here unpickles.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from aat_datasets.errors import CheckpointError
from aat_datasets.lexicon import Lexicon
from aat_datasets.vocab import WordTable
from aat_models import config as configs
from aat_models.config import Config
from aat_models.text_model import TextModel

__all__ = [
    "Meta",
    "assign",
    "build_model",
    "flatten",
    "load_model",
    "load_tensors",
    "read_meta",
    "save_model",
    "save_state",
    "unflatten",
    "weights_hash",
]


class Meta(msgspec.Struct, kw_only=True):
    """``model.json``: what the weights alone do not say."""

    step: int
    labels: list[str]
    metrics: dict[str, float] = {}


def save_model(
    folder: Path,
    config: Config,
    weights: dict[str, Tensor],
    table: WordTable,
    output: WordTable | None,
    lexicon: Lexicon,
    meta: Meta,
) -> None:
    """Everything needed to use the model, into an existing folder. Raises OSError."""
    _save(weights, folder / "model.safetensors")
    table.save(folder / "tokenizer.json")
    if output is not None:
        output.save(folder / "output.json")
    lexicon.save(folder / "surface.json")
    (folder / "config.toml").write_text(configs.dump(config), encoding="utf-8")
    (folder / "model.json").write_bytes(msgspec.json.encode(meta))


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors. Raises OSError: what the system says comes wrapped in an error of safetensors' own."""
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


def save_state(folder: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Everything needed to go on, beside it. Raises OSError."""
    _save(tensors, folder / "state.safetensors")
    (folder / "state.json").write_bytes(msgspec.json.encode(values))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file. Raises CheckpointError."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}", "the file is truncated or not a checkpoint") from None


def read_meta(folder: Path) -> Meta:
    """Raises CheckpointError."""
    try:
        return msgspec.json.decode((folder / "model.json").read_bytes(), type=Meta)
    except (OSError, msgspec.MsgspecError) as error:
        raise CheckpointError(f"{folder}: not a checkpoint: {error}") from None


def build_model(config: Config, table: WordTable, output: WordTable | None, labels: int) -> TextModel:
    """A fresh model for a config and its vocabularies."""
    return TextModel(config.model, table, labels, output)


def assign(model: nn.Module, weights: dict[str, Tensor], where: Path) -> None:
    """Put weights into a model. Raises CheckpointError naming the first tensor that does not fit."""
    own = model.state_dict()
    for name, tensor in own.items():
        if name not in weights:
            raise CheckpointError(f"{where}: tensor {name} is missing", "the checkpoint is of another architecture")
        if weights[name].shape != tensor.shape:
            have, want = tuple(weights[name].shape), tuple(tensor.shape)
            raise CheckpointError(f"{where}: tensor {name} is {have}, the model needs {want}")
    extra = sorted(set(weights) - set(own))
    if extra:
        raise CheckpointError(
            f"{where}: tensor {extra[0]} is not in the model", "the checkpoint is of another architecture"
        )
    model.load_state_dict(weights)


def load_model(folder: Path) -> tuple[TextModel, Config, WordTable, WordTable | None, Lexicon, Meta]:
    """A model ready to use, in evaluation mode. Raises CheckpointError."""
    if not (folder / "model.safetensors").is_file():
        raise CheckpointError(f"{folder}: no checkpoint here", "name a run, or a folder that holds model.safetensors")
    meta = read_meta(folder)
    config = configs.load(folder / "config.toml")
    table = WordTable.load(folder / "tokenizer.json")
    output = WordTable.load(folder / "output.json") if (folder / "output.json").is_file() else None
    surface = folder / "surface.json"
    lexicon = Lexicon.load(surface) if surface.is_file() else Lexicon.empty()
    model = build_model(config, table, output, len(meta.labels))
    weights = load_tensors(folder / "model.safetensors")
    for name, tensor in weights.items():
        if not math.isfinite(float(tensor.sum())):
            raise CheckpointError(f"{folder / 'model.safetensors'}: tensor {name} holds a value that is not a number")
    assign(model, weights, folder / "model.safetensors")
    model.eval()
    return model, config, table, output, lexicon, meta


def weights_hash(folder: Path) -> str:
    """What tells the weights in a checkpoint folder from others: 16 hexadecimal digits of their file's sha256."""
    with (folder / "model.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def flatten(state: dict[str, Any]) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """An optimiser's state as named tensors and plain values."""
    tensors = {
        f"optimiser.{number}.{name}": value for number, own in state["state"].items() for name, value in own.items()
    }
    return tensors, state["param_groups"]


def unflatten(tensors: dict[str, Tensor], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The state that :func:`flatten` took apart, for ``load_state_dict``."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, number, name = key.split(".")
            state.setdefault(int(number), {})[name] = value
    for group in groups:
        if "betas" in group:
            group["betas"] = tuple(group["betas"])
    return {"state": state, "param_groups": groups}
