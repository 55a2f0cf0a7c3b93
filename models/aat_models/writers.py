"""What texts are written with: the next token's logits for a batch of texts, whatever the model.

A writer holds the state of texts that are being written. It begins with the logits of every text's first token and goes on with
the tokens that were chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from aat_datasets.vocab import BOS, EOS, PAD, UNK
from aat_models.attention import Memory
from aat_models.decoders import Decoder, State
from aat_models.llama import Cache, Llama

__all__ = ["DecoderWriter", "LlamaWriter", "Writer"]


class Writer(Protocol):
    """Texts under way.

    Attributes:
        ends: tokens after which a text is over.
        never: tokens that are never chosen.
    """

    ends: frozenset[int]
    never: tuple[int, ...]

    def begin(self) -> Tensor:
        """Logits ``(B, V)`` of the first token of every text."""
        ...

    def step(self, ids: Tensor) -> Tensor:
        """Logits ``(B, V)`` after the tokens ``(B,)``."""
        ...

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with the texts at ``rows`` only, in this order; one may come several times."""
        ...

    def seen(self) -> list[list[int]]:
        """Tokens each text holds already, before the first one written."""
        ...


class DecoderWriter:
    """A decoder and the fixed-length vectors ``(B, Z)`` it writes from, with the encoder's states where it attends to them."""

    def __init__(self, decoder: Decoder, vectors: Tensor, memory: Memory | None = None) -> None:
        self.ends: frozenset[int] = frozenset([EOS])
        self.never: tuple[int, ...] = (PAD, UNK, BOS)
        self._decoder = decoder
        self._vectors = vectors
        self._state: State = decoder.begin(vectors, memory)

    def begin(self) -> Tensor:
        return self.step(torch.full((len(self._vectors),), BOS, device=self._vectors.device))

    def step(self, ids: Tensor) -> Tensor:
        logits, self._state = self._decoder(self._vectors, ids[:, None], self._state)
        return logits[:, 0]

    def keep(self, rows: Sequence[int]) -> None:
        chosen = torch.tensor(rows, device=self._vectors.device)
        self._vectors = self._vectors[chosen]
        self._state = self._decoder.rows(self._state, chosen)

    def seen(self) -> list[list[int]]:
        return [[] for _ in range(len(self._vectors))]


class LlamaWriter:
    """A language model that goes on with texts, each at least one token.

    A text that fills the model's context goes on from its last half, read anew; it is no other for the texts beside it. The
    model is laid out for so many texts, see ``Llama.lay_out``.

    Args:
        prompts: tokens of each text.
        ends, never: see ``Writer``.
        room: tokens to expect.
    """

    def __init__(
        self,
        model: Llama,
        prompts: Sequence[Sequence[int]],
        ends: frozenset[int],
        never: tuple[int, ...] = (),
        room: int = 64,
    ) -> None:
        self._model = model
        if not model.training and model.device.type == "cpu":
            model.lay_out(len(prompts))
        self._context = model.shape.context
        self._texts = [list(prompt[-self._context :]) for prompt in prompts]
        self._whole = [list(prompt) for prompt in prompts]
        self._room = room
        self.ends = ends
        self.never = never

    def begin(self) -> Tensor:
        return self._read()

    def step(self, ids: Tensor) -> Tensor:
        full = False
        for text, number in zip(self._texts, ids.tolist(), strict=True):
            if len(text) >= self._context:
                del text[: len(text) - self._context // 2]
                full = True
            text.append(number)
        return self._read() if full else self._model(ids[:, None], self._cache, last=True)

    def keep(self, rows: Sequence[int]) -> None:
        self._texts = [list(self._texts[row]) for row in rows]
        self._cache.keep(torch.tensor(rows, device=self._model.device))

    def seen(self) -> list[list[int]]:
        return self._whole

    def _read(self) -> Tensor:
        """All texts from their beginning, padded in front."""
        longest = max(map(len, self._texts))
        before = [longest - len(text) for text in self._texts]
        rows = [[0] * gap + text for gap, text in zip(before, self._texts, strict=True)]
        block = torch.tensor(rows, device=self._model.device)
        padded = torch.tensor(before, device=self._model.device) if any(before) else None
        weight = self._model.tokens.weight
        room = min(longest + self._room, max(self._context, longest))
        self._cache = Cache(
            self._model.shape, len(block), room, starts=padded, dtype=weight.dtype, device=weight.device
        )
        return self._model(block, self._cache, last=True)
