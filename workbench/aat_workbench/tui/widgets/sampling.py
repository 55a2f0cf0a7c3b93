"""Which models write, and how a token is chosen: the line of controls above the transcript."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Select

from .controls import NO_SECOND, known_targets
from .field import Choice, Number

__all__ = ["SamplingControls"]

DECODING = (
    ("sample", "draws by probability"),
    ("greedy", "always the likeliest token"),
    ("beams", "of four texts side by side the likeliest"),
)
BEAMS = 4

BRIEF = "Answer in one short sentence."
PRESETS: dict[str, tuple[str, dict[str, str]]] = {
    "own": ("as the fields say", {}),
    "plain": ("every token by its probability", {"decoding": "sample", "temperature": "1.0"}),
    "careful": ("only likely tokens", {"decoding": "sample", "temperature": "0.7", "top-p": "0.9"}),
    "lively": ("surprises, no nonsense", {"decoding": "sample", "temperature": "1.2", "min-p": "0.1"}),
    "no echo": ("says nothing twice", {"decoding": "sample", "temperature": "0.8", "penalty": "1.3"}),
    "exact": ("the likeliest token, always", {"decoding": "greedy"}),
    "search": ("the likeliest of four texts", {"decoding": "beams"}),
    "brief": ("a chat with a system text", {"temperature": "0.7", "top-p": "0.9", "system": BRIEF}),
}
_NEUTRAL = {"temperature": "0.8", "top-k": "0", "top-p": "1.0", "min-p": "0.0", "typical": "1.0", "penalty": "1.0"}


class SamplingControls(Horizontal):
    """Models A and B, a preset, and what it sets: how tokens are chosen, and how many at most."""

    DEFAULT_CSS = """
    SamplingControls { height: auto; padding: 0 1; }
    SamplingControls > Horizontal { height: 1; width: auto; }
    SamplingControls.-narrow { layout: vertical; }
    """

    class SystemWanted(Message):
        """A preset speaks of a system text."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, root: Path, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._root = root

    def compose(self) -> ComposeResult:
        known = known_targets(self._root, writers=True)
        with Horizontal():
            yield Choice("A", known, 22, id="target")
            yield Choice("B", [NO_SECOND, *known], 16, id="other")
            yield Choice("preset", [(name, told) for name, (told, _) in PRESETS.items()], 11, id="preset")
        with Horizontal():
            yield Choice("by", DECODING, 9, id="decoding")
            yield Number("temp", "0.8", 4, low=0.01, high=10, whole=False, id="temperature")
            yield Number("top-k", "0", 3, low=0, high=100_000, whole=True, id="top-k")
            yield Number("top-p", "1.0", 4, low=0.01, high=1, whole=False, id="top-p")
        with Horizontal():
            yield Number("min-p", "0.0", 4, low=0, high=1, whole=False, id="min-p")
            yield Number("typical", "1.0", 4, low=0.01, high=1, whole=False, id="typical")
            yield Number("penalty", "1.0", 4, low=0.1, high=10, whole=False, id="penalty")
            yield Number("max", "64", 5, low=1, high=4096, whole=True, id="max-tokens")
            yield Number("seed", "1", 4, low=0, high=2**31, whole=True, id="seed")

    def on_resize(self) -> None:
        self.set_class(self.size.width < 170, "-narrow")

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
        return self._by == "greedy"

    @property
    def _by(self) -> str:
        return self.query_one("#decoding", Choice).value

    def focus_target(self) -> None:
        self.query_one("#target", Choice).select.focus()

    def params(self) -> dict[str, Any]:
        """The engine's words for what is chosen; top-k 0 means all. Raises ConfigError where a number is none."""
        return {
            "greedy": self.greedy,
            "beams": BEAMS if self._by == "beams" else 1,
            "temperature": self.query_one("#temperature", Number).number(),
            "top_k": int(self.query_one("#top-k", Number).number()),
            "top_p": self.query_one("#top-p", Number).number(),
            "min_p": self.query_one("#min-p", Number).number(),
            "typical": self.query_one("#typical", Number).number(),
            "repetition_penalty": self.query_one("#penalty", Number).number(),
            "max_tokens": int(self.query_one("#max-tokens", Number).number()),
            "seed": int(self.query_one("#seed", Number).number()),
        }

    def told(self) -> str:
        """The settings in a few words, for the transcript."""
        if self._by != "sample":
            return self._by
        params = self.params()
        words = [f"temp {params['temperature']:g}"]
        if params["top_k"]:
            words.append(f"top-k {params['top_k']}")
        if params["top_p"] < 1:
            words.append(f"top-p {params['top_p']:g}")
        if params["min_p"]:
            words.append(f"min-p {params['min_p']:g}")
        if params["typical"] < 1:
            words.append(f"typical {params['typical']:g}")
        if params["repetition_penalty"] != 1:
            words.append(f"penalty {params['repetition_penalty']:g}")
        return ", ".join([*words, f"seed {params['seed']}"])

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        preset = self.query_one("#preset", Choice)
        if event.select is preset.select:
            self._use(preset.value)

    def _use(self, preset: str) -> None:
        """Put a preset's settings into the fields; what it does not speak of is as if it were not there."""
        settings = PRESETS[preset][1]
        if not settings:
            return
        self.query_one("#decoding", Choice).set(settings.get("decoding", "sample"))
        if "system" in settings:
            self.post_message(self.SystemWanted(settings["system"]))
        for name, value in {**_NEUTRAL, **settings}.items():
            if name in _NEUTRAL:
                self.query_one(f"#{name}", Number).query_one(Input).value = value

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
