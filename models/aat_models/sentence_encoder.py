"""A sentence encoder from a folder or the Hugging Face hub, by sentence-transformers: the extra ``similarity``.

Code that comes with a model is never run.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aat_datasets.errors import InputError
from aat_models.huggingface import hash_of

__all__ = ["SentenceTransformerEncoder"]

_BATCH = 64


class SentenceTransformerEncoder:
    """Texts → vectors (N, E).

    Args:
        place: a folder as ``SentenceTransformer.save`` makes it, or an id on the hub; what is not in the local cache is
            downloaded.

    Attributes:
        weights: a hash of the weights in a folder; empty for an id.

    Raises InputError where the extra is not installed, or the model cannot be loaded.
    """

    def __init__(self, place: str) -> None:
        library = _library()
        folder = Path(place)
        try:
            # What a folder lacks must be an error, not a download of something of the same name.
            self._model: Any = library.SentenceTransformer(place, local_files_only=folder.is_dir())
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            line = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(f"st:{place} cannot be loaded: {line}", "name a folder or an id of an encoder") from None
        self._model.eval()
        self.weights = hash_of(folder) if folder.is_dir() else ""

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        return self._model.encode(texts, batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True)


def _library() -> Any:
    try:
        return importlib.import_module("sentence_transformers")
    except ImportError as error:
        raise InputError(
            f"st: encoders need the package sentence-transformers ({error})", 'pip install "aat-workbench[similarity]"'
        ) from None
