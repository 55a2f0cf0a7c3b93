"""A victim from the Hugging Face hub, or from a folder saved by ``save_pretrained``: the extra ``hf``.

Only classifiers are taken. Code that comes with a model is never run.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aat_datasets.errors import InputError, VictimError

__all__ = ["HuggingFaceModel", "hash_of", "library"]

_BATCH = 64


def library() -> Any:
    """The package transformers. Raises InputError where it is not installed."""
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise InputError(
            f"hf: targets need the package transformers ({error})", 'pip install "aat-workbench[hf]"'
        ) from None


class HuggingFaceModel:
    """A sequence classifier as a function of texts.

    Args:
        place: a folder, or an id on the hub; what is not in the local cache is downloaded.

    Attributes:
        labels: class names, from the model's own configuration.
        unknown: the word that stands for an unknown one: the tokenizer's mask or unknown token.
        weights: a hash of the weights in a folder, or the hub's revision.
        named: False where the model calls its classes LABEL_0, LABEL_1 …

    Raises InputError where the extra is not installed, VictimError where it cannot be loaded or is no classifier.
    """

    def __init__(self, place: str) -> None:
        found = library()
        folder = Path(place)
        try:
            # What a folder lacks must be an error, not a download of something of the same name.
            options: dict[str, Any] = {"local_files_only": True} if folder.is_dir() else {}
            self._tokenizer: Any = found.AutoTokenizer.from_pretrained(place, **options)
            self._model, info = found.AutoModelForSequenceClassification.from_pretrained(
                place, output_loading_info=True, **options
            )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            line = next(iter(str(error).splitlines()), type(error).__name__)
            raise VictimError(
                f"hf:{place} cannot be loaded: {line}", "name a folder or an id of a classifier"
            ) from None
        missing = sorted(info.get("missing_keys", ()))
        if missing:
            # The library would fill the head with random numbers, and the attack would measure those.
            raise VictimError(f"hf:{place} is no classifier: it has no weights {missing[0]}", "name a classifier")
        self._model.eval()
        config = self._model.config
        names = dict(config.id2label)
        self.labels = [str(names[number]) for number in sorted(names)]
        self.named = self.labels != [f"LABEL_{number}" for number in range(len(self.labels))]
        self.unknown = str(self._tokenizer.mask_token or self._tokenizer.unk_token or "[UNK]")
        self.weights = hash_of(folder) if folder.is_dir() else str(getattr(config, "_commit_hash", None) or "")[:16]
        longest = int(getattr(config, "max_position_embeddings", 0) or 512)
        self._longest = min(longest, int(self._tokenizer.model_max_length))

    def __call__(self, texts: Sequence[str]) -> Any:
        """Probabilities (N, C)."""
        import numpy as np
        import torch

        found: list[Any] = []
        with torch.inference_mode():
            for start in range(0, len(texts), _BATCH):
                block = list(texts[start : start + _BATCH])
                encoded = self._tokenizer(
                    block, padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
                )
                found.append(torch.softmax(self._model(**encoded).logits.double(), dim=-1).cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, len(self.labels)))


def hash_of(folder: Path) -> str:
    """A hash of the weights in a folder."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
