"""A language model's checkpoint folder: the files of ``aat_models.checkpoint``, with the model's own tokenizer and no surface."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
from safetensors.torch import save_file
from torch import Tensor

from aat_datasets.errors import CheckpointError
from aat_datasets.subwords import TextTokenizer
from aat_models import config as configs
from aat_models.checkpoint import Meta, assign, load_tensors, read_meta
from aat_models.config import Config
from aat_models.llama import Llama, shape_of

__all__ = ["load_model", "save_model"]


def save_model(folder: Path, config: Config, weights: dict[str, Tensor], tokenizer: TextTokenizer, meta: Meta) -> None:
    """Everything needed to use the model, into an existing folder."""
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")
    tokenizer.save(folder / "tokenizer.json")
    (folder / "config.toml").write_text(configs.dump(config), encoding="utf-8")
    (folder / "model.json").write_bytes(msgspec.json.encode(meta))


def load_model(folder: Path) -> tuple[Llama, Config, TextTokenizer, Meta]:
    """A model ready to use, in evaluation mode. Raises CheckpointError."""
    if not (folder / "model.safetensors").is_file():
        raise CheckpointError(f"{folder}: no checkpoint here", "name a run, or a folder that holds model.safetensors")
    meta = read_meta(folder)
    config = configs.load(folder / "config.toml")
    tokenizer = TextTokenizer.load(folder / "tokenizer.json")
    model = Llama(shape_of(config.language, tokenizer.size))
    weights = load_tensors(folder / "model.safetensors")
    for name, tensor in weights.items():
        if not math.isfinite(float(tensor.sum())):
            raise CheckpointError(f"{folder / 'model.safetensors'}: tensor {name} holds a value that is not a number")
    assign(model, weights, folder / "model.safetensors")
    return model.eval(), config, tokenizer, meta
