"""The turns of a chat as a model of Hugging Face was taught them: its tokenizer's own chat template, by ``transformers``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.errors import VictimError

__all__ = ["Rendering", "fitted", "has_template", "rendering", "rendering_of"]

Rendering = Callable[[Sequence[str], str], str]
"""Turns, the user's last, and a system text or none → the text the model goes on with."""


def has_template(folder: Path) -> bool:
    """Whether a folder's tokenizer comes with a chat template."""
    if (folder / "chat_template.jinja").is_file():
        return True
    try:
        found: Any = msgspec.json.decode((folder / "tokenizer_config.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return False
    return isinstance(found, dict) and bool(found.get("chat_template"))


def rendering_of(folder: Path) -> Rendering | None:
    """That of a folder; None where there is no template, or the extra ``hf`` is not installed. Raises VictimError."""
    if not has_template(folder) or importlib.util.find_spec("transformers") is None:
        return None
    from aat_models.huggingface import library

    try:
        return rendering(library().AutoTokenizer.from_pretrained(folder, local_files_only=True), folder)
    except (OSError, ValueError, KeyError) as error:
        raise VictimError(f"hf:{folder}: its tokenizer cannot be loaded: {error}") from None


def rendering(words: Any, folder: Path) -> Rendering | None:
    """That of a tokenizer of ``transformers``; None where it has no template."""
    if not getattr(words, "chat_template", None):
        return None

    def render(turns: Sequence[str], system: str) -> str:
        roles = ("user", "assistant")
        told = [{"role": "system", "content": system}] if system else []
        messages = [{"role": roles[(len(turns) - 1 - place) % 2], "content": turn} for place, turn in enumerate(turns)]
        try:
            return str(words.apply_chat_template([*told, *messages], tokenize=False, add_generation_prompt=True))
        except Exception as error:  # a template is a program of its own
            line = next(iter(str(error).splitlines()), type(error).__name__)
            raise VictimError(f"hf:{folder}: its chat template refuses these turns: {line}") from None

    return render


def fitted(turns: Sequence[str], room: int, ids_of: Callable[[Sequence[str]], list[int]]) -> tuple[list[int], int, int]:
    """The tokens of as many of the last turns as there is room for, how many turns were left out, and tokens of the rest."""
    left = 0
    ids = ids_of(turns)
    while len(ids) > room and len(turns) - left > 1:
        left += 2 if len(turns) - left > 2 else 1
        ids = ids_of(turns[left:])
    over = max(0, len(ids) - room)
    return ids[over:], left, over
