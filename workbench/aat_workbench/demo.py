"""What the demo trains: a clean and an adaptively adversarially trained model, small, on built-in data.

``demonstration.run_demo`` trains and attacks them. Nothing here imports torch.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec

from aat_models import config as configs
from aat_models.config import Config
from aat_workbench.runs import RunFolder, list_runs, resolve

__all__ = ["ADVERSARIES", "DATASET", "begin", "demo_config", "reusable"]

DATASET = "support"
ADVERSARIES = {"clean": "none", "aat": "aat"}
SMALL: dict[str, Any] = {
    "data.dataset": DATASET,
    "model.encoder": "bilstm",
    "model.embedding": 64,
    "model.hidden": 64,
    "model.latent": 96,
    "model.decoder": "lstm",
    "model.decoder_hidden": 128,
    "model.decoder_embedding": 64,
    "train.stages": ["encoder", "decoder"],
    "train.batch_size": 32,
    "train.epochs": 6.0,
    "train.decoder_epochs": 3.0,
    "train.lr": 4e-3,
    "train.evaluate_limit": 400,
    "surface.source": "dataset",
    "adversary.gamma": 0.25,  # more costs sixteen intents over two points of clean accuracy
}


def demo_config(kind: str, seed: int = 0, settings: dict[str, Any] | None = None) -> Config:
    """The config of the ``clean`` or the ``aat`` model; ``settings`` are dotted keys over it."""
    adversary = {"adversary.name": ADVERSARIES[kind], "seed": seed}
    return configs.apply(Config(), {**SMALL, **adversary, **(settings or {})})


def reusable(config: Config, root: Path) -> RunFolder | None:
    """A finished run of exactly this config, whatever its name."""
    for folder in list_runs(root):
        if folder.status().state == "done" and folder.steps() and folder.config == resolve(config, folder.name):
            return folder
    return None


def begin(kind: str, config: Config, root: Path) -> RunFolder:
    """The folder of a new demo run, under the next free name. Raises InputError where it cannot be written."""
    taken = {folder.name for folder in list_runs(root)}
    name = next(name for n in itertools.count(1) if (name := f"demo-{kind}-{n}") not in taken)
    return RunFolder.create(msgspec.structs.replace(config, run=name), root)
