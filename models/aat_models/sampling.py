"""How a generated text is chosen, token by token. Nothing here imports torch: forms and the engine's wire use it."""

from __future__ import annotations

import msgspec

from aat_datasets.errors import ConfigError

__all__ = ["Sampling"]


class Sampling(msgspec.Struct, kw_only=True):
    """How the next token is chosen, and when a text is over.

    A repetition penalty above 1 makes what the text holds already less likely: a positive logit is divided by it, a negative
    one multiplied (Keskar et al. 2019). Then ``greedy`` takes the likeliest token, or of ``beams`` texts written side by side the
    one whose tokens are likeliest on average. Otherwise, with ``temperature`` dividing the logits, tokens are left out one
    rule after another, and one of the others is drawn with ``seed``:

    - ``top_k``: all but so many of the likeliest; 0: none.
    - ``top_p``: all but the fewest likeliest whose probabilities add up to it (Holtzman et al. 2020); 1: none.
    - ``min_p``: those less likely than this share of the likeliest one's probability (Nguyen et al. 2024); 0: none.
    - ``typical``: all but those nearest to the expected surprise that add up to it (Meister et al. 2023); 1: none.

    The likeliest token, or with ``typical`` the most typical one, always stays. A text ends after ``max_tokens``, or before the
    first of the strings ``stop`` in it. ``alternatives`` is how many likeliest tokens are told beside each one.
    """

    greedy: bool = True
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical: float = 1.0
    repetition_penalty: float = 1.0
    beams: int = 1
    max_tokens: int = 60
    stop: list[str] = []
    seed: int = 0
    alternatives: int = 5

    def check(self) -> Sampling:
        """Itself. Raises ConfigError naming the setting that is out of range."""
        if not self.temperature > 0:
            raise ConfigError(f"temperature: expected a number above 0, got {self.temperature}", "0 is --greedy")
        for name, value in (("top-k", self.top_k), ("alternatives", self.alternatives), ("seed", self.seed)):
            if value < 0:
                raise ConfigError(f"{name}: expected 0 or more, got {value}")
        for name, value in (("top-p", self.top_p), ("typical", self.typical)):
            if not 0 < value <= 1:
                raise ConfigError(f"{name}: expected a number above 0, at most 1, got {value}")
        if not 0 <= self.min_p <= 1:
            raise ConfigError(f"min-p: expected a number from 0 to 1, got {self.min_p}")
        if not self.repetition_penalty > 0:
            raise ConfigError(f"repetition-penalty: expected a number above 0, got {self.repetition_penalty}")
        for name, value in (("max-tokens", self.max_tokens), ("beams", self.beams)):
            if value < 1:
                raise ConfigError(f"{name}: expected at least 1, got {value}")
        if self.beams > 1 and not self.greedy:
            raise ConfigError("beams: texts written side by side are not drawn", "leave out what draws, or beams")
        if not all(self.stop):
            raise ConfigError("stop: an empty string is everywhere")
        return self
