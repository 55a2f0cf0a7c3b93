"""How a generated text is chosen, word by word. Nothing here imports torch: forms and the engine's wire use it."""

from __future__ import annotations

import msgspec

from aat_datasets.errors import ConfigError

__all__ = ["Sampling"]


class Sampling(msgspec.Struct, kw_only=True):
    """How the next word is chosen. ``greedy`` takes the likeliest and ignores the rest but ``max_tokens``.

    ``top_k`` 0 and ``top_p`` 1 leave all words in. Words outside both are never drawn.
    """

    greedy: bool = True
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    max_tokens: int = 60
    seed: int = 0

    def check(self) -> Sampling:
        """Itself. Raises ConfigError naming the setting that is out of range."""
        if not self.temperature > 0:
            raise ConfigError(f"temperature: expected a number above 0, got {self.temperature}", "0 is --greedy")
        if self.top_k < 0:
            raise ConfigError(f"top-k: expected 0 or more, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top-p: expected a number above 0, at most 1, got {self.top_p}")
        if self.max_tokens < 1:
            raise ConfigError(f"max-tokens: expected at least 1, got {self.max_tokens}")
        return self
