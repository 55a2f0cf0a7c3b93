"""The two lines around every pane: the header with tabs, engine and running job, and the footer with the keys."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget

from ..terminal import visible
from .themes import plain

__all__ = ["KeyBar", "TopBar"]


def colour(widget: Widget, name: str, *, background: str = "", bold: bool = False) -> Style:
    """The theme's colour ``name`` as a style; ``name`` is a CSS variable without its ``$``."""
    variables = widget.app.theme_variables
    return Style(color=plain(variables, name), bgcolor=plain(variables, background) if background else None, bold=bold)


class TopBar(Widget):
    """`` aat-workbench   1 Datasets   2 Training …      run ▸ step 1 240 · 62 %   engine ready``."""

    DEFAULT_CSS = """
    TopBar { height: 1; background: $panel; color: $foreground; dock: top; }
    """
    ALLOW_SELECT = False

    current = reactive("")
    job = reactive("")
    engine = reactive("")

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, pane: str) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, panes: list[tuple[str, str]]) -> None:
        super().__init__()
        self._panes = panes
        self._spans: list[tuple[int, int, str]] = []

    def render(self) -> Text:
        width = self.size.width
        muted = colour(self, "muted")
        text = Text(no_wrap=True, overflow="crop")
        engine = visible(self.engine)
        tabs = sum(cell_len(title) + 4 for _, title in self._panes)
        if width >= 76 and width - tabs - 16 >= min(cell_len(engine) + 2, 28):  # what is wrong matters more than a name
            text.append(" aat-workbench ", colour(self, "primary", bold=True))
            text.append(" ")
        self._spans = []
        for number, (pane, title) in enumerate(self._panes, start=1):
            start = text.cell_len
            chosen = pane == self.current
            base = colour(self, "foreground", background="background", bold=True) if chosen else Style()
            text.append(f" {number} ", base + colour(self, "primary" if chosen else "faint"))
            text.append(f"{title} ", base if chosen else muted)
            self._spans.append((start, text.cell_len, pane))
        right = Text(no_wrap=True)
        job = visible(self.job)
        room = width - text.cell_len - cell_len(self.engine) - 5
        if job and room > 8:
            if cell_len(job) > room:
                job = job[: max(0, room - 1)] + "…"
            right.append(job, colour(self, "success"))
            right.append("   ")
        room = width - text.cell_len - 2
        if cell_len(engine) > room > 8:
            engine = set_cell_size(engine, room - 1).rstrip() + "…"
        bad = "fail" in engine or "lost" in self.engine
        right.append(engine, colour(self, "error" if bad else "muted"))
        right.append(" ")
        gap = width - text.cell_len - right.cell_len
        if gap > 0:
            text.append(" " * gap)
            text.append_text(right)
        return text

    def on_click(self, event: events.Click) -> None:
        for start, end, pane in self._spans:
            if start <= event.x < end:
                self.post_message(self.Chosen(pane))


class KeyBar(Widget):
    """The keys that work where the focus is, the pane's own first; a click presses the key."""

    DEFAULT_CSS = """
    KeyBar { height: 1; background: $panel; color: $foreground; dock: bottom; }
    """
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._spans: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def on_unmount(self) -> None:
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _changed(self, screen: Screen[object]) -> None:
        self.refresh()

    def _entries(self) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
        """(key, as shown, what it does) of the pane and of the app, each action once."""
        own: list[tuple[str, str, str]] = []
        general: list[tuple[str, str, str]] = []
        seen: set[str] = set()
        for node, binding, enabled, _ in self.screen.active_bindings.values():
            if not binding.show or not enabled or not binding.description or binding.action in seen:
                continue
            seen.add(binding.action)
            entry = (binding.key, self.app.get_key_display(binding), binding.description)
            (general if node is self.app or node is self.screen else own).append(entry)
        general.sort(key=lambda entry: entry[2] == "quit")
        return own, general

    def render(self) -> Text:
        own, general = self._entries()
        self._spans = []
        width = self.size.width
        while general and _cells(general, 2) > width // 2:
            general.pop()
        gap = 2
        if _cells([*own, *general], gap) >= width:  # closer together; then without what the pane's help shows too
            gap = 1
            if _cells([*own, *general], gap) >= width:
                general = [entry for entry in general if entry[2] != "commands"]
        text = Text(" ", no_wrap=True, overflow="crop")
        right = _cells(general, gap)
        for place, entry in enumerate(own):
            last = place == len(own) - 1
            if text.cell_len + _cells([entry], gap) + (0 if last else 2) > width - right:
                text.append("…", colour(self, "muted"))
                break
            self._add(text, *entry, gap)
        text.append(" " * max(0, width - right - text.cell_len))
        for entry in general:
            self._add(text, *entry, gap)
        return text

    def _add(self, text: Text, key: str, shown: str, does: str, gap: int) -> None:
        start = text.cell_len
        text.append(shown, colour(self, "primary", bold=True))
        text.append(f" {does}", colour(self, "muted"))
        self._spans.append((start, text.cell_len, key))
        text.append(" " * gap)

    def on_click(self, event: events.Click) -> None:
        for start, end, key in self._spans:
            if start <= event.x < end:
                self.app.simulate_key(key)


def _cells(entries: list[tuple[str, str, str]], gap: int) -> int:
    """The cells that keys with what they do take, ``gap`` free ones behind each."""
    return sum(cell_len(shown) + 1 + cell_len(does) + gap for _, shown, does in entries)
