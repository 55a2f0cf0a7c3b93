"""Models of Hugging Face that write text, in a folder saved by ``save_pretrained``: the extra ``hf``.

Any decoder-only model, and any encoder-decoder one. A LLaMA needs none of this: ``aat_models.language_model`` reads it itself.
Code that comes with a model is never run.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aat_datasets.errors import VictimError
from aat_datasets.subwords import TextTokenizer
from aat_models.chat_templates import fitted, rendering
from aat_models.events import Token
from aat_models.generation import write
from aat_models.huggingface import library
from aat_models.language_model import Reading
from aat_models.sampling import Sampling
from aat_models.spelling import TokenSpeller

__all__ = ["HuggingFaceWriter", "writes_text"]


def writes_text(config: dict[str, Any]) -> bool:
    """Whether a ``config.json`` is one of a model that writes."""
    endings = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")
    return any(name.endswith(endings) for name in config.get("architectures") or [])


class HuggingFaceWriter:
    """A model that goes on with a text, or writes another from it.

    Args:
        folder: with the model and its tokenizer.

    Attributes:
        remembers: its tokenizer has a chat template, by which it is told the turns of a chat.

    Raises InputError where the extra is not installed, VictimError where it cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        found = library()
        try:
            words: Any = found.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            config: Any = found.AutoConfig.from_pretrained(folder, local_files_only=True)
            self.reads = bool(config.is_encoder_decoder)
            kind = found.AutoModelForSeq2SeqLM if self.reads else found.AutoModelForCausalLM
            self._model: Any = kind.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
            self._tokenizer = TextTokenizer(words.backend_tokenizer)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError) as error:
            line = next(iter(str(error).splitlines()), type(error).__name__)
            raise VictimError(f"hf:{folder} cannot be loaded: {line}", "name a folder of a model that writes") from None
        self._words = words
        self._render = None if self.reads else rendering(words, folder)
        self.remembers = self._render is not None
        positions = [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions")]
        self._room = min([int(room) for room in (*positions, words.model_max_length) if room])
        ends: Any = self._model.generation_config.eos_token_id
        self._ends = frozenset([] if ends is None else [ends] if isinstance(ends, int) else ends)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Takes the model to another device and another type of its weights."""
        self._model.to(device=device, dtype=dtype)

    def reading(self, text: str, history: Sequence[str] = (), tokens: int = 0, system: str = "") -> Reading:
        """What it reads of a text and the turns before it, where so many tokens are to be written after it.

        ``system`` is the system message; it is read where the tokenizer has a chat template.
        """
        room = max(1, self._room if self.reads else self._room - min(tokens, self._room // 2))
        if self._render is None:
            ids: list[int] = self._words(text)["input_ids"] or [self._words.bos_token_id or 0]
            over = max(0, len(ids) - room)
            return Reading(ids[over:], 0, over)
        render = self._render
        return Reading(
            *fitted(
                [*history, text],
                room,
                lambda turns: self._words(render(turns, system), add_special_tokens=False)["input_ids"],
            )
        )

    def generate(
        self, text: str, sampling: Sampling | None = None, history: Sequence[str] = (), system: str = ""
    ) -> Iterator[Token]:
        """The tokens that follow a text, answer it, or are written from it, as they come. Raises ConfigError, VictimError."""
        chosen = (sampling or Sampling()).check()
        ids = self.reading(text, history, chosen.max_tokens, system).ids
        writer = _Writer(self._model, ids, self._ends, reads=self.reads)
        speller = TokenSpeller(self._tokenizer, () if self.reads or self.remembers else ids, self._ends)
        for _, token in write(writer, [speller], chosen):
            yield token


class _Writer:
    """One text; see ``aat_models.writers.Writer``."""

    def __init__(self, model: Any, ids: list[int], ends: frozenset[int], *, reads: bool) -> None:
        self._model = model
        self._device: torch.device = model.device
        self._ids = ids
        self._given: dict[str, Any] = {}
        self._cache: Any = None
        # what transformers calls it since 5.24, and before
        self._name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
        self._reads = reads
        self.ends = ends
        self.never: tuple[int, ...] = ()

    def begin(self) -> Tensor:
        ids = torch.tensor([self._ids], device=self._device)
        if not self._reads:
            return self._ask(input_ids=ids)
        self._given["encoder_outputs"] = self._model.get_encoder()(ids)
        start: int = self._model.generation_config.decoder_start_token_id
        return self._ask(decoder_input_ids=torch.tensor([[start]], device=self._device))

    def step(self, ids: Tensor) -> Tensor:
        return self._ask(**{"decoder_input_ids" if self._reads else "input_ids": ids[:, None]})

    def _ask(self, **ids: Tensor) -> Tensor:
        answer = self._model(**ids, **self._given, **{self._name: self._cache}, use_cache=True)
        self._cache = answer[self._name]
        return answer.logits[:, -1].float()

    def keep(self, rows: Sequence[int]) -> None:
        chosen = torch.tensor(rows, device=self._device)
        self._cache.batch_select_indices(chosen)
        if self._reads:
            outputs = self._given["encoder_outputs"]
            outputs.last_hidden_state = outputs.last_hidden_state[:1].expand(len(rows), -1, -1)

    def seen(self) -> list[list[int]]:
        return [[] if self._reads else self._ids]
