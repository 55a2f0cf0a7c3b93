"""A widget that draws its own lines for the width it has, as high as they are; and what such widgets measure with."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import textwrap
from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.color import BLACK, WHITE, Color
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from aat_workbench.terminal import visible

from ..themes import contrast

__all__ = ["Painted", "clip", "fit", "legible", "wrapped"]

ELLIPSIS = "…"
WRAPPED = 8  # lines at most, about


def clip(text: str, cells: int) -> str:
    """``text`` made visible and cut to ``cells`` terminal cells, with an ellipsis where something was cut.

    Looks at no more of ``text`` than can be shown, so that a word of a megabyte costs nothing.
    """
    if cells <= 0:
        return ""
    # A cell holds at most a base character and four combining marks: `visible` counts the marks beyond those.
    most = cells * 5 + 8
    shown = visible(text[:most])
    if len(text) <= most and cell_len(shown) <= cells:
        return shown
    return set_cell_size(shown, cells - 1).rstrip() + ELLIPSIS


def fit(text: str, cells: int, *, right: bool = False) -> str:
    """``clip`` and padding to exactly ``cells`` cells; ``right`` puts the text at the right edge."""
    shown = clip(text, cells)
    space = " " * max(cells - cell_len(shown), 0)
    return space + shown if right else shown + space


def wrapped(text: str, cells: int) -> list[str]:
    """A sentence, made visible, over lines of at most ``cells`` terminal cells; of a long text the first few lines."""
    if cells <= 0:
        return []
    return [clip(line, cells) for line in textwrap.wrap(visible(text[: cells * WRAPPED]), cells)]


def legible(background: Color) -> Color:
    """Black or white, whichever stands out more on ``background``."""
    return max((BLACK, WHITE), key=lambda text: contrast(text.rgb, background.rgb))


class Painted(Widget):
    """Base of widgets whose lines depend on nothing but their data, their width and the theme.

    A subclass gives ``paint``; the height follows from it, and whatever contains the widget scrolls.
    """

    DEFAULT_CSS = "Painted { height: auto; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._painted: tuple[int, list[Strip]] | None = None
        self._shades: dict[tuple[str, float], Style] = {}  # by component and strength; -1: its ink

    def paint(self, width: int) -> list[Strip]:
        """Every line of the widget at ``width`` cells."""
        raise NotImplementedError

    def repaint(self) -> None:
        """The data changed: draw again, and have the screen laid out where the height follows from the lines."""
        self._painted = None
        self.refresh(layout=not self._same_height())

    def _same_height(self) -> bool:
        """Whether what contains the widget need not be measured again."""
        height, size = self.styles.height, self.content_size
        if height is not None and not height.is_auto:
            return True
        return self.is_attached and size.width > 0 and len(self.lines(size.width)) == size.height

    def notify_style_update(self) -> None:
        """The theme or a class changed: the lines hold colours, so they are drawn again."""
        super().notify_style_update()
        self._painted = None
        self._shades.clear()

    def lines(self, width: int) -> list[Strip]:
        if self._painted is None or self._painted[0] != width:
            self._painted = (width, self.paint(width))
        return self._painted[1]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.lines(width)) if width else 0

    def render_line(self, y: int) -> Strip:
        width = self.content_size.width
        lines = self.lines(width)
        if y < len(lines):
            return lines[y].adjust_cell_length(width, self.rich_style)
        return Strip.blank(width, self.rich_style)

    def strip(self, parts: Iterable[tuple[str, Style]]) -> Strip:
        """One line of ``parts``, each with its style over the widget's own."""
        base = self.rich_style
        return Strip([Segment(text, base + style) for text, style in parts if text])

    def shade(self, name: str, strength: float) -> Style:
        """A background between the widget's own and the component's colour, with a foreground that is legible on it.

        ``strength`` is 0 (nothing) to 1, of which hundredths are told apart.
        """
        strength = round(min(max(strength, 0.0), 1.0), 2)
        if (known := self._shades.get((name, strength))) is not None:
            return known
        _, background = self.background_colors
        colour = background.blend(self.get_component_styles(name).color, 0.85 * strength)
        made = Style(color=legible(colour).rich_color, bgcolor=colour.rich_color)
        self._shades[name, strength] = made
        return made

    def ink(self, name: str) -> Style:
        """A component's foreground and attributes, without its background."""
        if (known := self._shades.get((name, -1.0))) is None:
            style = self.get_component_rich_style(name)
            known = self._shades[name, -1.0] = style.without_color + Style(color=style.color)
        return known

    def badge(self, name: str) -> Style:
        """The component's colour as a background, with a foreground that is legible on it."""
        colour = self.get_component_styles(name).color
        return Style(color=legible(colour).rich_color, bgcolor=colour.rich_color, bold=True)
