"""A way through a model's vectors: a slider over its places, and what one or two models make of the place it stands at."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from aat_workbench.terminal import shortened, visible

from ..themes import plain
from .bars import decimal
from .entry import TextInput
from .painted import clip

__all__ = ["LatentBox", "Slider"]

SHOWN = 2_000  # characters of a written text
TOLD = 200  # characters of a training text


class Slider(Widget, can_focus=True):
    """Places on a line; the arrow keys, home and end move along it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "back", show=False),
        Binding("right", "move(1)", "on", show=False),
        Binding("home", "move(-1000)", "to the beginning", show=False),
        Binding("end", "move(1000)", "to the end", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"slider--line", "slider--place", "slider--here", "slider--name"}
    DEFAULT_CSS = """
    Slider { height: 1; }
    Slider > .slider--line { color: $text-muted; }
    Slider > .slider--place { color: $foreground; }
    Slider > .slider--here { color: $primary; text-style: bold; }
    Slider:focus > .slider--here { color: $warning; text-style: bold; }
    Slider > .slider--name { color: $text-muted; }
    """
    at: reactive[int] = reactive(0)

    class Moved(Message):
        """The slider stands at place ``at``."""

        def __init__(self, at: int) -> None:
            super().__init__()
            self.at = at

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.places: list[float] = []
        self._ends = ("", "")

    def show(self, places: list[float], ends: tuple[str, str]) -> None:
        """Places with the names of both ends; the slider goes no further than the last."""
        self.places, self._ends = places, ends
        self.at = min(self.at, max(0, len(places) - 1))
        self.refresh()

    def validate_at(self, at: int) -> int:
        return max(0, min(at, len(self.places) - 1)) if self.places else 0

    def watch_at(self, at: int) -> None:
        self.post_message(self.Moved(at))

    def action_move(self, by: int) -> None:
        self.at += by

    def on_click(self, event: events.Click) -> None:
        cells = self._cells(self.size.width)
        if cells:
            self.at = min(range(len(cells)), key=lambda place: abs(cells[place] - event.x))
        self.focus()

    def _cells(self, width: int) -> list[int]:
        """The cell of each place."""
        begin, room = len(self._ends[0]) + 1, width - len(self._ends[0]) - len(self._ends[1]) - 3
        last = len(self.places) - 1
        if not self.places or room < len(self.places):
            return []
        return [begin + (place * room // last if last else 0) for place in range(len(self.places))]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y or not self.places:
            return Strip.blank(width, self.rich_style)
        cells = self._cells(width)
        named, line = self.get_component_rich_style("slider--name"), self.get_component_rich_style("slider--line")
        if not cells:
            told = Text(f"{self.at + 1}/{len(self.places)}", style=self.get_component_rich_style("slider--here"))
            return self._strip(told, width)
        text = Text(self._ends[0] + " ", style=named)
        for cell in range(cells[0], cells[-1] + 1):
            if cell == cells[self.at]:
                text.append("●", self.get_component_rich_style("slider--here"))
            elif cell in cells:
                text.append(
                    "╂" if self.places[cells.index(cell)] == 0 else "┼", self.get_component_rich_style("slider--place")
                )
            else:
                text.append("─", line)
        text.append(" " + self._ends[1], named)
        return self._strip(text, width)

    def _strip(self, text: Text, width: int) -> Strip:
        return Strip(text.render(self.app.console, "")).adjust_cell_length(width, self.rich_style)


class LatentBox(Vertical):
    """The text a way begins from, a line for the one it leads to, the slider, and a column for each model."""

    DEFAULT_CSS = """
    LatentBox { height: 1fr; padding: 0 1; }
    LatentBox > Horizontal { height: 1; }
    LatentBox .name { width: 6; color: $text-muted; }
    LatentBox #latent-to { width: 1fr; background: transparent; padding: 0; }
    LatentBox #latent-from { width: 1fr; height: 1; }
    LatentBox #latent-columns { height: 1fr; }
    LatentBox #latent-columns VerticalScroll { width: 1fr; height: 1fr; margin-right: 1; }
    LatentBox #latent-columns Static { height: auto; }
    """

    class Asked(Message):
        """The way from the prompt to ``other``, or with none the way that hurts, is wanted."""

        def __init__(self, other: str) -> None:
            super().__init__()
            self.other = other

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._found: dict[str, dict[str, Any]] = {}
        self._told: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static("from", classes="name", markup=False)
            yield Static("", id="latent-from", markup=False)
        with Horizontal():
            yield Static("to", classes="name", markup=False)
            yield TextInput(placeholder="another text; empty: the way its loss rises fastest", id="latent-to")
        yield Slider(id="latent-slider")
        with Horizontal(id="latent-columns"):
            for side in ("A", "B"):
                with VerticalScroll(id=f"latent-{side}", can_focus=False):
                    yield Static("", id=f"latent-text-{side}", markup=False)

    @property
    def slider(self) -> Slider:
        return self.query_one(Slider)

    @property
    def to(self) -> TextInput:
        return self.query_one("#latent-to", TextInput)

    def begin(self, text: str, sides: list[str]) -> None:
        """A way from ``text`` is on its way for each of ``sides``."""
        self.query_one("#latent-from", Static).update(clip(visible(text), 400))
        self._found, self._told = {}, dict.fromkeys(sides, "…")
        self.slider.show([], ("", ""))
        self.query_one("#latent-B").display = "B" in sides
        self._draw()

    def tell(self, side: str, told: str) -> None:
        """What one side is doing, or why there is nothing to show."""
        self._told[side] = told
        self._draw()

    def show(self, side: str, found: dict[str, Any], other: str) -> None:
        """The engine's answer for one side; the slider stands at the text's own vector when the first one comes."""
        first = not self._found
        self._found[side] = found
        places = [float(point["at"]) for point in found["points"]]
        self.slider.show(places, ("from", "to") if other else (f"{places[0]:g}", f"{places[-1]:g} × its length"))
        if first and 0.0 in places:
            self.slider.at = places.index(0.0)
        self._draw()

    def on_input_submitted(self, event: TextInput.Submitted) -> None:
        event.stop()
        self.post_message(self.Asked(event.value.strip()))

    def on_slider_moved(self, event: Slider.Moved) -> None:
        event.stop()
        self._draw()

    def _draw(self) -> None:
        for side, told in self._told.items():
            column = self.query_one(f"#latent-text-{side}", Static)
            found = self._found.get(side)
            column.update(self._text(side, found) if found else Text(f"{side}  {shortened(told, SHOWN)}", style="dim"))

    def _text(self, side: str, found: dict[str, Any]) -> Text:
        variables = self.app.theme_variables
        muted, primary = plain(variables, "muted"), plain(variables, "primary")
        point = found["points"][min(self.slider.at, len(found["points"]) - 1)]
        text = Text()
        text.append(f" {side} ", style="reverse bold")
        text.append(f"  at {point['at']:.2f} · distance {point['distance']:.2f}\n", muted)
        chances = point["probabilities"]
        if chances:
            best = max(range(len(chances)), key=lambda place: chances[place])
            text.append(shortened(found["labels"][best], TOLD), f"bold {primary}")
            text.append(f"  {decimal(chances[best])}\n", muted)
        if found["has_decoder"]:
            text.append(visible(point["text"][:SHOWN]) or "(nothing)", plain(variables, "foreground"))
            text.append(f"\nlog p {point['logprob']:.2f} a token\n", muted)
        for one in point["nearest"]:
            text.append(f"\n{one['similarity']:.2f} ", muted)
            text.append(visible(one["text"][:TOLD]), plain(variables, "foreground"))
            text.append(f"  {shortened(one['label'], TOLD)}" if one["label"] else "", muted)
        return text
