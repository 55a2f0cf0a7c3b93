"""The transcript: prompts with the replies of one or two models, as they stream. It paints the lines in view itself.

A turn is laid out once, and again while it grows, whatever is above it; nothing of it is a widget of its own, so that a
turn costs the same in a chat of any length.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from bisect import bisect_right

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from aat_workbench.terminal import shortened, visible

from ..themes import plain
from .painted import wrapped
from .replies import Reply, Turn

__all__ = ["Transcript"]

LONGEST_SHOWN = 20_000  # characters of one reply that are laid out
LONGEST_PROMPT = 1_000  # of a prompt: what was sent need not be read again
INDENT = 4  # cells before a reply's text


class Transcript(ScrollView, can_focus=True):
    """Turns, newest last; goes along while a reply streams, unless the end is out of view."""

    DEFAULT_CSS = """
    Transcript {
        height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; scrollbar-gutter: stable;
    }
    """

    def __init__(self, *, empty: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self._empty = empty
        self.replies: list[Reply] = []
        self.turns: list[Turn] = []
        self._blocks: list[list[Strip]] = []  # the lines of each turn
        self._starts: list[int] = []  # and the first line of each
        self._laid = 0  # the width they were laid out for
        self._follow = True  # the end is in view, and stays there

    # What is said

    def add(self, turn: Turn) -> None:
        """A new turn; its end comes into view."""
        self.replies += turn.replies
        self.turns.append(turn)
        self._starts.append(self._lines)
        self._blocks.append(self._block(turn))
        self._follow = True
        self._grew()
        self.refresh()

    def draw(self, reply: Reply) -> None:
        """``reply`` has grown, or ended."""
        place = next((k for k in reversed(range(len(self.turns))) if reply in self.turns[k].replies), None)
        if place is None or not self._laid:
            return
        before = len(self._blocks[place])
        self._blocks[place] = self._block(self.turns[place])
        if (more := len(self._blocks[place]) - before) != 0:
            self._starts[place + 1 :] = [start + more for start in self._starts[place + 1 :]]
        self.refresh_lines(self._starts[place], self._lines - self._starts[place] if more else before)
        self._grew()

    # Lines

    @property
    def _lines(self) -> int:
        return self._starts[-1] + len(self._blocks[-1]) if self._starts else 0

    def _grew(self) -> None:
        """The scrollbar's length; no widget has another size because of it, so nothing is laid out on the screen."""
        size = Size(self.size.width, self._lines)
        if size != self.virtual_size:
            self.set_reactive(Widget.virtual_size, size)  # pyright: ignore[reportArgumentType]
            self._scroll_update(size)
        if self._follow and self._laid:
            self.scroll_to(y=self.max_scroll_y, animate=False)

    def _lay(self) -> None:
        """Every turn anew: the width or the theme is another."""
        self._laid = max(self.scrollable_content_region.width, 0)
        self._blocks = [self._block(turn) for turn in self.turns]
        self._starts, line = [], 0
        for block in self._blocks:
            self._starts.append(line)
            line += len(block)

    def on_resize(self) -> None:
        if self.scrollable_content_region.width != self._laid:
            self._lay()
        self._grew()
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._follow = new_value >= self.max_scroll_y - 1

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self._laid:
            self._lay()

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        line = y + round(self.scroll_y)
        if not self.turns and line < len(said := wrapped(self._empty, width - 2)):
            muted = Style(color=plain(self.app.theme_variables, "muted"))
            return Strip([Segment(" " + said[line], base + muted)]).adjust_cell_length(width, base)
        place = bisect_right(self._starts, line) - 1
        if place < 0 or line - self._starts[place] >= len(self._blocks[place]):
            return Strip.blank(width, base)
        return self._blocks[place][line - self._starts[place]].apply_style(base).adjust_cell_length(width, base)

    # A turn

    def _block(self, turn: Turn) -> list[Strip]:
        """Prompt, replies side by side, a free line."""
        width = self._laid - 2
        if width < 1:
            return []
        primary = Style(color=plain(self.app.theme_variables, "primary"))
        lines = self._wrapped(_prompt(turn.prompt, primary), width, 1)
        cells = max(width // max(len(turn.replies), 1) - 1, 1)
        columns = [self._reply(reply, cells) for reply in turn.replies]
        for y in range(max(map(len, columns), default=0)):
            parts = [
                (column[y] if y < len(column) else Strip.blank(cells)).adjust_cell_length(cells) for column in columns
            ]
            spaced = [part for strip in parts for part in (Strip([Segment(" ")]), strip)]
            lines.append(Strip.join(spaced))
        return [*lines, Strip.blank(1)]

    def _reply(self, reply: Reply, width: int) -> list[Strip]:
        """Letter, model, state and figures; what it was not told; the text."""
        variables = self.app.theme_variables
        title = reply.title()
        for told in reply.notices:
            title.append(f"\n    {shortened(told, LONGEST_PROMPT)}", style=plain(variables, "warning"))
        if reply.problem:
            text = Text(shortened(reply.problem, LONGEST_PROMPT), style=plain(variables, "error"))
        else:
            text = Text(visible(reply.text[:LONGEST_SHOWN], lines=True).strip(" "))
            if reply.state == "writing":
                text.append("▌", style=plain(variables, "primary"))
        return [*self._wrapped(title, width, 0), *self._wrapped(text, max(width - INDENT, 1), INDENT)]

    def _wrapped(self, text: Text, width: int, indent: int) -> list[Strip]:
        console = self.app.console
        before = [Segment(" " * indent)] if indent else []
        return [
            Strip([*before, *line.render(console, end="")])
            for line in text.wrap(console, width, overflow="fold")
        ]  # fmt: skip


def _prompt(prompt: str, style: Style) -> Text:
    text = Text("› " + visible(prompt[:LONGEST_PROMPT]), style=style)
    if (more := len(prompt) - LONGEST_PROMPT) > 0:
        text.append(f" … and {more:,} more characters", style="dim")
    return text
