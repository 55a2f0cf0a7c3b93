"""Which models write, and how a token is chosen: the line of controls above the transcript."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Select

from .controls import NO_SECOND, known_targets
from .field import Choice, Number

__all__ = ["SamplingControls"]

DECODING = (("sample", "draws by probability"), ("greedy", "always the likeliest token"))


class SamplingControls(Horizontal):
    """Models A and B, greedy or sampled, temperature, top-k, top-p, most tokens, seed."""

    DEFAULT_CSS = """
    SamplingControls { height: auto; padding: 0 1; }
    SamplingControls > Horizontal { height: 1; width: auto; }
    SamplingControls.-narrow { layout: vertical; }
    """

    def __init__(self, root: Path, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._root = root

    def compose(self) -> ComposeResult:
        known = known_targets(self._root, writers=True)
        with Horizontal():
            yield Choice("A", known, 22, id="target")
            yield Choice("B", [NO_SECOND, *known], 16, id="other")
        with Horizontal():
            yield Choice("by", DECODING, 9, id="decoding")
            yield Number("temp", "0.8", 4, low=0.01, high=10, whole=False, id="temperature")
            yield Number("top-k", "0", 3, low=0, high=100_000, whole=True, id="top-k")
            yield Number("top-p", "1.0", 4, low=0.01, high=1, whole=False, id="top-p")
            yield Number("max", "64", 4, low=1, high=4096, whole=True, id="max-tokens")
            yield Number("seed", "1", 4, low=0, high=2**31, whole=True, id="seed")

    def on_resize(self) -> None:
        self.set_class(self.size.width < 122, "-narrow")

    def refresh_targets(self) -> None:
        """Runs come and go while the app is open."""
        known = known_targets(self._root, writers=True)
        self.query_one("#target", Choice).set_options(known)
        self.query_one("#other", Choice).set_options([NO_SECOND, *known])

    @property
    def target(self) -> str:
        """Model A."""
        return self.query_one("#target", Choice).value

    @target.setter
    def target(self, name: str) -> None:
        self.query_one("#target", Choice).set(name)

    @property
    def other(self) -> str:
        """Model B; empty where there is none."""
        return self.query_one("#other", Choice).value

    @property
    def greedy(self) -> bool:
        return self.query_one("#decoding", Choice).value == "greedy"

    def focus_target(self) -> None:
        self.query_one("#target", Choice).select.focus()

    def params(self) -> dict[str, Any]:
        """The engine's words for what is chosen; top-k 0 means all. Raises ConfigError where a number is none."""
        return {
            "greedy": self.greedy,
            "temperature": self.query_one("#temperature", Number).number(),
            "top_k": int(self.query_one("#top-k", Number).number()),
            "top_p": self.query_one("#top-p", Number).number(),
            "max_tokens": int(self.query_one("#max-tokens", Number).number()),
            "seed": int(self.query_one("#seed", Number).number()),
        }

    def told(self) -> str:
        """The settings in a few words, for the transcript."""
        if self.greedy:
            return "greedy"
        params = self.params()
        words = [f"temp {params['temperature']:g}"]
        if params["top_k"]:
            words.append(f"top-k {params['top_k']}")
        if params["top_p"] < 1:
            words.append(f"top-p {params['top_p']:g}")
        return ", ".join([*words, f"seed {params['seed']}"])

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
