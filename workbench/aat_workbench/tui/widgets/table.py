"""A table for any number of rows: it holds the pages in view and draws the lines in view, nothing else.

Rows come from a coroutine ``fetch(start, stop)``, a page at a time, those in view first, then the one the cursor is on
its way to; pages no longer in view are not asked for. Cells are clipped by their width on the screen, so that a row never wraps.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ...terminal import utf8_locale
from ..themes import plain, plain_cursor
from .painted import fit
from .plotting import block

__all__ = ["Bar", "Cell", "Column", "Row", "VirtualTable"]


class Column(NamedTuple):
    """``width`` in cells; 0 takes what the others leave (one column at most), but never more than ``most``.

    ``right`` aligns numbers.
    """

    title: str
    width: int = 0
    right: bool = False
    most: int = 1 << 30


class Cell(NamedTuple):
    """A text with a colour of the theme, named without ``$``."""

    text: str
    colour: str = ""
    bold: bool = False


class Bar(NamedTuple):
    """A share of the column's width, 0 to 1; its figure stands in another cell."""

    share: float
    colour: str = "series-1"


Row = Sequence[str | Cell | Bar]
Fetch = Callable[[int, int], Awaitable[Sequence[Row]]]

PAGE = 100
KEPT_PAGES = 12


class VirtualTable(ScrollView, can_focus=True):
    """See the module.

    Posts ``Moved`` when the cursor comes to another row, ``Chosen`` on enter or double click, ``Headed`` on a click on
    a column's title.
    """

    DEFAULT_CSS = """
    VirtualTable { height: 1fr; width: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "row up", show=False),
        Binding("down", "move(1)", "row down", show=False),
        Binding("pageup", "move_page(-1)", "page up", show=False),
        Binding("pagedown", "move_page(1)", "page down", show=False),
        Binding("home", "first", "first row", show=False),
        Binding("end", "last", "last row", show=False),
        Binding("enter", "choose", "choose", show=False),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)  # two lines change with it, not all

    class Moved(Message):
        """The cursor came to row ``index``."""

        def __init__(self, table: VirtualTable, index: int) -> None:
            super().__init__()
            self.table = table
            self.index = index

        @property
        def control(self) -> VirtualTable:
            return self.table

    class Chosen(Moved):
        """Row ``index`` was chosen."""

    class Headed(Moved):
        """The title of column ``index`` was clicked."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str = "",
        header: bool = True,
        quiet: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._columns = list(columns)
        self.empty = empty  # what stands in place of rows
        self._head = 1 if header else 0
        self._base = Style()
        self._variables: dict[str, str] = {}
        self._quiet = quiet  # the cursor shows only while the table has the focus
        self._ascii = not utf8_locale()
        self._total = 0
        self._fetch: Fetch | None = None
        self._pages: OrderedDict[int, Sequence[Row]] = OrderedDict()
        self._generation = 0
        self._loading = False
        self._stale: set[int] = set()  # pages to fetch again although they are shown
        self._down = True  # where the cursor went last

    # Rows

    @property
    def total(self) -> int:
        return self._total

    def set_rows(self, total: int, fetch: Fetch, *, keep_cursor: bool = False) -> None:
        """Show ``total`` rows that ``await fetch(start, stop)`` gives."""
        self._fetch = fetch
        self._reset(total, keep_cursor)

    def grow(self, total: int) -> None:
        """There are ``total`` rows now, those there were being the same; fewer than before: all are fetched anew."""
        if total < self._total:
            self._generation += 1
            self._pages.clear()
        elif total > self._total:
            self._stale.add(self._total // PAGE)  # the last page may have been short
        else:
            return
        self._total = total
        self.virtual_size = Size(self.size.width, total + self._head)
        self.cursor = min(self.cursor, max(0, total - 1))
        if any(map(self._lacks, self._visible_pages())):
            self._want()
        self.refresh()

    def set_list(self, rows: Sequence[Row], *, keep_cursor: bool = True) -> None:
        """Show rows that are in memory; where as many were shown before, only the lines that differ are drawn anew."""
        if self._fetch is None and keep_cursor and len(rows) == self._total > 0:
            changed = [index for index in self._lines_in_view() if tuple(self.row(index) or ()) != tuple(rows[index])]
            self._keep(rows)
            self._refresh_rows(changed)
            return
        self._fetch = None
        self._reset(len(rows), keep_cursor, rows)

    def _keep(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), PAGE):
            self._pages[start // PAGE] = rows[start : start + PAGE]

    def _lines_in_view(self) -> range:
        first = max(0, round(self.scroll_y))
        return range(first, min(self._total, first + max(1, self.size.height)))

    def _refresh_rows(self, rows: Iterable[int]) -> None:
        for index in rows:
            self.refresh_line(index + self._head)

    def _reset(self, total: int, keep_cursor: bool, rows: Sequence[Row] = ()) -> None:
        self._generation += 1
        self._total = total
        self._pages.clear()
        self._stale.clear()
        self._keep(rows)
        self.virtual_size = Size(self.size.width, total + self._head)
        self.cursor = min(self.cursor, max(0, total - 1)) if keep_cursor else 0
        most = max(0, total + self._head - self.size.height)
        if not keep_cursor or self.scroll_y > most:
            self.set_scroll(None, most if keep_cursor else 0)
        self.refresh()

    def set_columns(self, columns: Sequence[Column]) -> None:
        if self._columns != list(columns):
            self._columns = list(columns)
            self.refresh()

    def row(self, index: int) -> Row | None:
        """The row's cells, or ``None`` while its page is on the way."""
        page = self._pages.get(index // PAGE)
        place = index % PAGE
        return page[place] if page is not None and place < len(page) else None

    def _visible_pages(self) -> list[int]:
        lines = self._lines_in_view()
        return list(range(lines.start // PAGE, max(0, lines.stop - 1) // PAGE + 1)) if self._total else []

    def _wanted_pages(self) -> list[int]:
        """The pages in view, and one more in the direction of the cursor."""
        pages = self._visible_pages()
        if pages:
            ahead = pages[-1] + 1 if self._down else pages[0] - 1
            if 0 <= ahead * PAGE < self._total:
                pages.append(ahead)
        return pages

    def _lacks(self, page: int) -> bool:
        return page not in self._pages or page in self._stale

    def _want(self) -> None:
        if self._fetch is not None and not self._loading:
            self._loading = True
            self.run_worker(self._load(), group="pages", exit_on_error=True)

    async def _load(self) -> None:
        """Fetch what is in view until nothing in view is missing; what left the view meanwhile is not fetched."""
        try:
            while self._fetch is not None:
                missing = [page for page in self._wanted_pages() if self._lacks(page)]
                if not missing:
                    return
                page, generation, total = missing[0], self._generation, self._total
                rows = await self._fetch(page * PAGE, min(total, (page + 1) * PAGE))
                whole = (page + 1) * PAGE <= total or total == self._total  # else it has grown meanwhile
                if generation == self._generation and whole:
                    self._pages[page] = rows
                    self._stale.discard(page)
                    while len(self._pages) > KEPT_PAGES:
                        self._pages.popitem(last=False)
                    self.refresh()
        finally:
            self._loading = False

    # Drawing

    def _widths(self, width: int) -> list[int]:
        fixed = sum(column.width for column in self._columns) + 2 * (len(self._columns) - 1) + 2
        rest = max(4, width - fixed)
        return [column.width or min(rest, column.most) for column in self._columns]

    def render_lines(self, crop: Region) -> list[Strip]:
        self._base, self._variables = self.rich_style, self.app.theme_variables  # once for all lines of a painting
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base, variables = self._base, self._variables or self.app.theme_variables
        if self._head and y == 0:
            head = base + Style(color=plain(variables, "muted"))
            return self._line([Cell(column.title) for column in self._columns], width, head, variables)
        index = round(self.scroll_y) + y - self._head
        if index >= self._total:
            if self._total == 0 and y == self._head and self.empty:
                return Strip(
                    [Segment(" " + fit(self.empty, max(0, width - 1)), base + Style(color=plain(variables, "muted")))]
                )
            return Strip.blank(width, base)
        style = base
        if index == self.cursor and (self.has_focus or not self._quiet):
            kind = "block-cursor" if self.has_focus else "block-cursor-blurred"
            style = base + Style(
                bgcolor=plain(variables, f"{kind}-background"), color=plain(variables, f"{kind}-foreground")
            )
        row = self.row(index)
        if row is None:
            self._want()
            row = [Cell("…", "faint")]
        return self._line(row, width, style, variables, cursor=index == self.cursor and self.has_focus)

    def _line(self, row: Row, width: int, style: Style, variables: dict[str, str], cursor: bool = False) -> Strip:
        segments = [Segment(" ", style)]
        for place, (column, cells) in enumerate(zip(self._columns, self._widths(width), strict=True)):
            cell = row[place] if place < len(row) else ""
            if isinstance(cell, Bar):
                cell = Cell(block(cell.share, cells, ascii_only=self._ascii), cell.colour)
            elif isinstance(cell, str):
                cell = Cell(cell)
            shade = style
            if cell.colour and not (cursor and plain_cursor(self.app.theme)):
                shade = shade + Style(color=plain(variables, cell.colour))
            if cell.bold:
                shade = shade + Style(bold=True)
            if place:
                segments.append(Segment("  ", style))
            segments.append(Segment(fit(cell.text, cells, right=column.right), shade))
        return Strip(segments).adjust_cell_length(width, style)

    # Cursor

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, self._total - 1)) if self._total else 0

    def watch_cursor(self, before: int, now: int) -> None:
        self._down = now >= before
        self._refresh_rows((before, now))
        if self._total:
            self._scroll_to_cursor()
            if any(map(self._lacks, self._wanted_pages())):
                self._want()
            self.post_message(self.Moved(self, now))

    def _scroll_to_cursor(self) -> None:
        self.scroll_to_region(Region(0, self.cursor, 1, 1 + self._head), animate=False, force=True, immediate=True)

    def action_move(self, by: int) -> None:
        self.cursor += by

    def action_move_page(self, by: int) -> None:
        self.cursor += by * max(1, self.size.height - 1 - self._head)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = self._total - 1
        self._scroll_to_cursor()

    def action_choose(self) -> None:
        if self._total:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        index = round(self.scroll_y) + event.y - self._head
        if event.y >= self._head and index < self._total:
            self.cursor = index
            if event.chain == 2:
                self.action_choose()
        elif event.y < self._head and (column := self._column_at(event.x)) is not None:
            self.post_message(self.Headed(self, column))

    def _column_at(self, x: int) -> int | None:
        left = 1
        for place, cells in enumerate(self._widths(self.size.width)):
            if left <= x < left + cells:
                return place
            left += cells + 2
        return None

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, self._total + self._head)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
