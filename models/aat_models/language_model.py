"""A language model in use: it goes on with texts, answers in a dialogue, and says how likely it finds a text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch.nn import functional as F

from aat_datasets.errors import CheckpointError, InputError
from aat_datasets.subwords import BOS, EOS, TextTokenizer
from aat_models import language_checkpoint, llama_layout
from aat_models.chat_templates import Rendering, fitted, rendering_of
from aat_models.config import Config
from aat_models.events import Token
from aat_models.generation import write
from aat_models.llama import Llama
from aat_models.sampling import Sampling
from aat_models.spelling import TokenSpeller
from aat_models.writers import LlamaWriter

__all__ = ["LanguageModel", "Reading"]

_START = "\n"  # what an empty prompt goes on from, where a tokenizer has no beginning of its own


class Reading(NamedTuple):
    """What a model reads of what it was given.

    ``ids`` are the tokens; ``turns`` of those before the last are left out, the oldest, and ``tokens`` of the beginning of the
    text itself: the context has no room for them.
    """

    ids: list[int]
    turns: int = 0
    tokens: int = 0


class LanguageModel:
    """A model with its tokenizer. Made by :meth:`load` or :meth:`load_folder`.

    Attributes:
        dialogue: whether a prompt is a turn that is answered, rather than a text that is gone on with.
        step, metrics: of the training; 0 and nothing where it was trained elsewhere.
    """

    def __init__(
        self, model: Llama, tokenizer: TextTokenizer, ends: Sequence[int], *, config: Config | None = None,
        step: int = 0, metrics: dict[str, float] | None = None, render: Rendering | None = None,
    ) -> None:  # fmt: skip
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.ends = frozenset(ends)
        self.config = config
        self.step = step
        self.metrics = dict(metrics or {})
        self.dialogue = tokenizer.dialogue or render is not None
        self._render = render  # a chat template of others
        # of a run's own special tokens only the end is an answer; made elsewhere, what is chosen is chosen
        self._never = tuple(sorted(tokenizer.special - self.ends)) if config is not None else ()

    @classmethod
    def load(cls, folder: Path) -> LanguageModel:
        """The model in a run's checkpoint folder. Raises CheckpointError."""
        model, config, tokenizer, meta = language_checkpoint.load_model(folder)
        end = tokenizer.number(EOS)
        return cls(
            model, tokenizer, [] if end is None else [end], config=config, step=meta.step, metrics=meta.metrics
        )  # fmt: skip

    @classmethod
    def load_folder(cls, folder: Path, dtype: torch.dtype | None = torch.float32) -> LanguageModel:
        """The model in a folder of Hugging Face's layout, whoever made it. Raises CheckpointError."""
        config = llama_layout.read_config(folder)
        tokenizer = TextTokenizer.load(folder / "tokenizer.json")
        if tokenizer.size > config.get("vocab_size", 0):
            raise CheckpointError(f"{folder}: the tokenizer has {tokenizer.size} tokens, the model fewer")
        render = None if tokenizer.dialogue else rendering_of(folder)
        ends = llama_layout.ends_of(folder, config)
        return cls(llama_layout.load(folder, dtype), tokenizer, ends, render=render)

    def export(self, folder: Path) -> None:
        """Writes the model as Hugging Face has it; see ``aat_models.llama_layout``."""
        llama_layout.save(self.model, self.tokenizer, folder)

    @property
    def instructed(self) -> bool:
        """Whether a system text can be told: to one with a chat template of others; our own are trained without."""
        return self._render is not None

    def prompt(self, text: str, history: Sequence[str] = (), system: str = "") -> list[int]:
        """The tokens a text is gone on from; see :meth:`reading`."""
        return self.reading(text, history, system).ids

    def reading(self, text: str, history: Sequence[str] = (), system: str = "") -> Reading:
        """What the model reads of a text; of a dialogue with the turns before it, the oldest first.

        Turns that half of the context has no room for are left out, the oldest first; then the beginning of a text that all of
        it has no room for. Raises InputError where there are turns or a ``system`` text but the model knows none.
        """
        if system and not self.instructed:
            raise InputError("the model was trained without system texts", "leave out --system")
        context = self.model.shape.context
        if not self.dialogue:
            if history:
                raise InputError("the model knows no turns: it was trained on running text", "leave out --chat")
            ids = self._plain(text)
            return Reading(ids[-context:], 0, max(0, len(ids) - context))
        if self._render is not None:
            render = self._render
            return Reading(*fitted([*history, text], context // 2, lambda turns: self._special(render(turns, system))))
        most = self.config.data.history if self.config is not None else 0
        left = max(0, len(history) - most) if most else 0  # where it was trained with some, it never read more
        spoken = [len(self.tokenizer.encode(turn)) + 1 for turn in (*history, text)]
        while sum(spoken[left:]) + 2 > context // 2 and len(spoken) - left > 2:
            left += 2
        ids = self.tokenizer.turns([*history[left:], text])
        if len(ids) <= context:
            return Reading(ids, left)
        if left < len(history):
            left, ids = len(history), self.tokenizer.turns([text])
        over = len(ids) - context // 2 if len(ids) > context else 0
        return Reading(ids[:2] + ids[2 + over :], left, over)

    def _special(self, text: str) -> list[int]:
        """The tokens of a text in which special ones are written out."""
        return self.tokenizer.tokenizer.encode(text, add_special_tokens=False).ids

    def _plain(self, text: str) -> list[int]:
        ids = self.tokenizer.encode(text, whole=self.config is None)
        if ids:
            return ids
        start = self.tokenizer.number(BOS)
        return self.tokenizer.encode(_START) or [0 if start is None else start]

    def generate(
        self, text: str, sampling: Sampling | None = None, history: Sequence[str] = (), system: str = ""
    ) -> Iterator[Token]:
        """The tokens that follow a text, or answer it, as they come. Raises ConfigError, InputError."""
        for _, token in self.generate_many([text], sampling, [history], system):
            yield token

    def generate_many(
        self,
        texts: Sequence[str],
        sampling: Sampling | None = None,
        histories: Sequence[Sequence[str]] | None = None,
        system: str = "",
    ) -> Iterator[tuple[int, Token]]:
        """The tokens of several texts as they come, each with its text's place; every text as it would be alone."""
        chosen = (sampling or Sampling()).check()
        told = histories or [()] * len(texts)
        prompts = [self.prompt(text, history, system) for text, history in zip(texts, told, strict=True)]
        if not prompts:
            return
        writer = LlamaWriter(self.model, prompts, self.ends, self._never, chosen.max_tokens)
        spellers = [TokenSpeller(self.tokenizer, () if self.dialogue else ids, self.ends) for ids in prompts]
        yield from write(writer, spellers, chosen)

    @torch.inference_mode()
    def perplexity(self, texts: Sequence[str]) -> float:
        """The perplexity of running texts, token by token, each from its beginning; in windows of the context."""
        total, count = 0.0, 0
        for text in texts:
            ids = self.tokenizer.encode(text, whole=self.config is None)
            for start in range(0, max(0, len(ids) - 1), self.model.shape.context):
                window = torch.tensor(ids[start : start + self.model.shape.context + 1], device=self.model.device)
                total += float(F.cross_entropy(self.model(window[None, :-1])[0].float(), window[1:], reduction="sum"))
                count += len(window) - 1
        return math.exp(min(total / count, 50.0)) if count else math.nan
