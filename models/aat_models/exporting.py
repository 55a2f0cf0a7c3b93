"""A language model for others to load, checked against the original."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aat_datasets.errors import InputError
from aat_models import llama_layout
from aat_models.huggingface import library
from aat_models.language_model import LanguageModel

__all__ = ["export_language_model"]

_TEXTS, _TOKENS = 100, 64
_BATCH = 10


def export_language_model(model: LanguageModel, folder: Path) -> dict[str, Any]:
    """Writes Hugging Face's layout into ``folder``, which must be empty or not there, and reads it again.

    Returns ``{path, texts, max_difference, checked_with}``: the largest difference between two logits on 100 texts of random
    tokens, the written model being read by transformers, or where that is not installed by ``aat_models.llama_layout``.
    Raises InputError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already", "name a new folder, or an empty one")
    model.export(folder)
    shape = model.model.shape
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(shape.vocabulary, (_TEXTS, min(_TOKENS, shape.context)), generator=generator)
    there = importlib.util.find_spec("transformers") is not None
    answer = _transformers(folder) if there else llama_layout.load(folder)
    worst = 0.0
    with torch.inference_mode():
        for rows in ids.split(_BATCH):
            worst = max(worst, float((model.model(rows) - answer(rows)).abs().max()))
    name = "transformers" if there else "aat_models.llama_layout"
    return {"path": str(folder), "texts": _TEXTS, "max_difference": worst, "checked_with": name}


def _transformers(folder: Path) -> Any:
    loaded: Any = library().AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    loaded.eval()

    def answer(ids: Tensor) -> Tensor:
        return loaded(ids).logits

    return answer
