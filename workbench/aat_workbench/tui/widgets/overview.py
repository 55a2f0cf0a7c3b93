"""What Training shows while there is no run: what this is, and how to begin."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

from ..chrome import colour

__all__ = ["Overview"]

_KEYS = (
    ("d", "demo", "train a clean and an adversarially trained model on the built-in data, no network"),
    ("n", "new run", "choose data, model and adversary yourself"),
    ("1", "data", "look at the texts first"),
    ("3", "attack", "the shipped tiny model can be attacked and probed right away"),
)


class Overview(Widget, can_focus=True):
    """See the module. Posts ``Demo`` or ``NewRun``."""

    DEFAULT_CSS = """
    Overview { width: 1fr; height: 1fr; align: center middle; content-align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "demo", "demo", tooltip="train the demo's two models", id="overview.demo"),
        Binding("n", "new_run", "new run", show=False),
    ]

    class Demo(Message):
        """The demo is wanted."""

    class NewRun(Message):
        """A new run is wanted."""

    def render(self) -> Text:
        text = Text(justify="left")
        text.append("No runs here yet\n\n", colour(self, "foreground", bold=True))
        for key, name, does in _KEYS:
            text.append(f" {key} ", colour(self, "primary", bold=True))
            text.append(f" {name.ljust(9)}", colour(self, "foreground"))
            text.append(f"{does}\n", colour(self, "muted"))
        return text

    def action_demo(self) -> None:
        self.post_message(self.Demo())

    def action_new_run(self) -> None:
        self.post_message(self.NewRun())
