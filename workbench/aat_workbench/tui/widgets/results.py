"""The table of attack results: fills while the attack runs, sorted and filtered, of any length."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Literal, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from aat_datasets.chinese import join_words
from aat_models.events import AttackResult
from aat_workbench.outcome import reduced

from ..themes import plain_cursor
from .bars import decimal
from .painted import clip, fit

__all__ = ["FILTERS", "SORTS", "STATUS", "ResultsTable", "changes_text", "label_name", "status_of"]


class StatusName(NamedTuple):
    """How a status is shown: a sign, a word, and what it means."""

    sign: str
    word: str
    means: str


STATUS: dict[str, StatusName] = {
    "success": StatusName("✗", "broken", "the attack changed the prediction"),
    "failed": StatusName("✓", "held", "no edit within the budget changed the prediction"),
    "skipped": StatusName("–", "wrong", "wrong before any edit, so not attacked"),
    "budget": StatusName("…", "gave up", "the attack ran out of queries"),
}
REDUCED = StatusName("↓", "reduced", "words were left out while the prediction stayed")
FILTERS: tuple[str, ...] = ("all", "success", "failed", "budget", "skipped")
Sort = Literal["found", "id", "status", "edits", "queries", "fall"]
SORTS: dict[Sort, str] = {
    "found": "as found",
    "id": "by row",
    "status": "broken first",
    "edits": "fewest edits",
    "queries": "fewest queries",
    "fall": "largest fall of p",
}
_STATUS_ORDER = {"success": 0, "budget": 1, "failed": 2, "skipped": 3}


def _fall(result: AttackResult) -> float:
    """How far the probability of the true class fell."""
    label = result.label
    if label >= min(len(result.probabilities), len(result.adversarial_probabilities)) or label < 0:
        return 0.0
    return result.probabilities[label] - result.adversarial_probabilities[label]


_KEYS: dict[Sort, Callable[[AttackResult], tuple[float, ...]]] = {
    "id": lambda r: (r.id,),
    "status": lambda r: (_STATUS_ORDER[r.status], len(r.edits), r.queries),
    "edits": lambda r: (r.status != "success", len(r.edits), r.queries),
    "queries": lambda r: (r.status != "success", r.queries),
    "fall": lambda r: (-_fall(r),),
}


def status_of(result: AttackResult) -> StatusName:
    """How a result is told: what an input reduction leaves is not broken."""
    return REDUCED if result.status != "skipped" and reduced(result) else STATUS[result.status]


def label_name(labels: Sequence[str], index: int) -> str:
    """A class by name where it has one."""
    return labels[index] if 0 <= index < len(labels) else f"class {index}"


def changes_text(result: AttackResult) -> str:
    """The edits in one line: ``terrible→terible, plot→story``."""
    return ", ".join(f"{edit.source[:60]}→{edit.target[:60]}" for edit in result.edits[:12])


class ResultsTable(ScrollView, can_focus=True):
    """One line a result; the cursor's result is what the rest of the pane shows.

    Until the cursor is moved by hand it follows the first broken example, so that a running attack shows one at once.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Result before", show=False),
        Binding("down,j", "move(1)", "Result after", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "move(-100000000)", "First", show=False),
        Binding("end,G", "move(100000000)", "Last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "results--head",
        "results--cursor",
        "results--quiet",
        "results--success",
        "results--failed",
    }
    DEFAULT_CSS = """
    ResultsTable { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; }
    ResultsTable > .results--head { color: $muted; text-style: bold; }
    ResultsTable > .results--cursor { background: $block-cursor-blurred-background; color: $foreground; }
    ResultsTable:focus > .results--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
    ResultsTable > .results--quiet { color: $muted; }
    ResultsTable > .results--success { color: $error; text-style: bold; }
    ResultsTable > .results--failed { color: $success; }
    """

    class Highlighted(Message):
        """The cursor came to another result (``None``: there is none)."""

        def __init__(self, table: ResultsTable, result: AttackResult | None) -> None:
            super().__init__()
            self.table = table
            self.result = result

        @property
        def control(self) -> ResultsTable:
            return self.table

    class Chosen(Message):
        """Enter or a click on the result under the cursor."""

        def __init__(self, result: AttackResult) -> None:
            super().__init__()
            self.result = result

    def __init__(self, *, empty: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self._empty = empty
        self._labels: Sequence[str] = ()
        self._results: list[AttackResult] = []
        self._shown: list[AttackResult] = []
        self._cursor = 0
        self._moved = False
        self._sort: Sort = "found"
        self._filter = "all"
        self._class: int | None = None
        self._parts: list[str] = []  # of the text that is looked for, in lower case
        self._told: AttackResult | None = None

    # Data

    @property
    def results(self) -> list[AttackResult]:
        """Every result, in the order they came."""
        return self._results

    @property
    def current(self) -> AttackResult | None:
        return self._shown[self._cursor] if self._cursor < len(self._shown) else None

    @property
    def sort(self) -> Sort:
        return self._sort

    @property
    def filter(self) -> str:
        return self._filter

    @property
    def only(self) -> int | None:
        """The class whose texts alone are shown."""
        return self._class

    @property
    def shown(self) -> list[AttackResult]:
        """What the table shows, in its order."""
        return self._shown

    def count(self, status: str) -> int:
        """Results of a status, among those of the class and the text that are shown."""
        return sum(status in ("all", r.status) for r in self._results if self._wanted(r))

    def reset(self, labels: Sequence[str], results: Iterable[AttackResult] = ()) -> None:
        """Begin anew with these class names and results."""
        self._labels = labels
        self._results = list(results)
        self._class = None
        self._cursor, self._moved = 0, False
        self._arrange()

    def set_labels(self, labels: Sequence[str]) -> None:
        """The class names, where they are known only after the first results."""
        self._labels = labels
        self.refresh()

    def extend(self, results: Iterable[AttackResult]) -> None:
        """More results of the same attack."""
        self._results += results
        self._arrange()

    def set_sort(self, sort: Sort) -> None:
        self._sort = sort
        self._arrange()

    def set_filter(self, status: str) -> None:
        self._filter = status
        self._arrange()

    def set_class_shown(self, label: int | None) -> None:
        """Show the texts of one true class only; ``None``: of all."""
        self._class = label
        self._arrange()

    def set_text_shown(self, text: str) -> None:
        """Show the results that contain every word of ``text``, in either case, in either text or a class's name."""
        self._parts = text.lower().split()
        self._arrange()

    def _wanted(self, result: AttackResult) -> bool:
        if self._class not in (None, result.label):
            return False
        if not self._parts:
            return True
        classes = (result.label, result.prediction, result.adversarial_prediction)
        names = "\n".join(label_name(self._labels, label) for label in classes)
        whole = f"{result.text}\n{result.adversarial}\n{names}".lower()
        return all(part in whole for part in self._parts)

    def _arrange(self) -> None:
        current = self.current
        shown = [r for r in self._results if self._filter in ("all", r.status) and self._wanted(r)]
        if self._sort != "found":
            shown.sort(key=_KEYS[self._sort])
        self._shown = shown
        if not self._moved:
            self._cursor = next((i for i, r in enumerate(shown) if r.status == "success"), 0)
        elif current is not None:
            self._cursor = next((i for i, r in enumerate(shown) if r is current), 0)
        self._cursor = min(self._cursor, max(len(shown) - 1, 0))
        self.virtual_size = Size(self.scrollable_content_region.width, len(shown) + 1)
        self._tell()
        self._keep_in_view()
        self.refresh()

    def _tell(self) -> None:
        current = self.current
        if current is not self._told:
            self._told = current
            self.post_message(self.Highlighted(self, current))

    # Moving

    def _keep_in_view(self) -> None:
        height = max(self.scrollable_content_region.height - 1, 1)
        top = round(self.scroll_y)
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, force=True)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False, force=True)

    def action_move(self, by: int) -> None:
        self._go(self._cursor + by)

    def action_page(self, by: int) -> None:
        self._go(self._cursor + by * max(self.scrollable_content_region.height - 2, 1))

    def _go(self, row: int) -> None:
        if self._shown:
            self._moved = True
            self._cursor = min(max(row, 0), len(self._shown) - 1)
            self._keep_in_view()
            self._tell()
            self.refresh()

    def on_click(self, event: Click) -> None:
        row = event.y - 1 + round(self.scroll_y)
        if event.y > 0 and row < len(self._shown):
            again = row == self._cursor and self._moved
            self._go(row)
            if again and self.current is not None:
                self.post_message(self.Chosen(self.current))

    def on_key_enter(self) -> None:
        if self.current is not None:
            self.post_message(self.Chosen(self.current))

    def on_resize(self, event: Resize) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._shown) + 1)
        self._keep_in_view()

    # Drawing

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if y == 0:
            head = self._columns(width, "#", "result", "true → now", "p(true)", "edits", "queries", "what changed")
            return self._strip([(head, self.get_component_rich_style("results--head", partial=True))], width)
        row = y - 1 + round(self.scroll_y)
        if not self._shown:
            lines = (
                self._empty.split("\n") if not self._results else ["No result of this kind; f, c and / show others."]
            )
            quiet = self.get_component_rich_style("results--quiet", partial=True)
            text = clip(lines[y - 2], width - 2) if 2 <= y < len(lines) + 2 else ""
            return self._strip([("  " + text, quiet)], width)
        if row >= len(self._shown):
            return Strip.blank(width, self.rich_style)
        return self._row(row, width)

    def _strip(self, parts: list[tuple[str, Style]], width: int) -> Strip:
        base = self.rich_style
        return Strip([Segment(text, base + style) for text, style in parts if text]).adjust_cell_length(width, base)

    def _widths(self, width: int) -> tuple[int, int]:
        """Cells for the class names and for the edits."""
        fixed = 5 + 1 + 9 + 1 + 11 + 1 + 5 + 1 + 7 + 2
        free = max(width - fixed, 10)
        longest = max((cell_len(clip(name, 24)) for name in self._labels), default=8)
        classes = min(2 * longest + 3, max(3 * free // 5, 8), 34)
        return classes, max(free - classes - 1, 0)

    def _columns(self, width: int, *cells: str) -> str:
        number, status, classes, p, edits, queries, changes = cells
        class_cells, change_cells = self._widths(width)
        return (
            f"{fit(number, 5, right=True)} {fit(status, 9)} {fit(classes, class_cells)} {fit(p, 11)} "
            f"{fit(edits, 5, right=True)} {fit(queries, 7, right=True)}  {clip(changes, change_cells)}"
        )

    def _row(self, row: int, width: int) -> Strip:
        result = self._shown[row]
        sign, word, _ = status_of(result)
        words = result.text.count(" ") + 1
        classes = label_name(self._labels, result.label)
        now = label_name(self._labels, result.adversarial_prediction)
        class_cells, _ = self._widths(width)
        if now != classes:
            half = max((class_cells - 3) // 2, 2)
            classes = f"{clip(classes, half)} → {clip(now, half)}"
        line = self._columns(
            width,
            str(result.id),
            f"{sign} {word}",
            classes,
            _p_true(result),
            f"{len(result.edits)}/{words}" if result.edits else "–",
            f"{result.queries}" if result.queries else "–",
            changes_text(result) if result.edits else join_words(result.text[: 4 * width].split(" ")),
        )
        if row == self._cursor and line[0] == " ":
            line = "▸" + line[1:]  # where a theme has no colour for the cursor, and for whoever sees none
        text = Text(line, end="", no_wrap=True)
        base = self.rich_style
        if row == self._cursor:
            cursor = self.get_component_rich_style("results--cursor")
            base += Style(color=cursor.color, bgcolor=cursor.bgcolor)
        if row != self._cursor or not self.has_focus or not plain_cursor(self.app.theme):
            self._colour(text, word, edited=bool(result.edits))
        segments = [
            Segment(segment.text, base + (segment.style if isinstance(segment.style, Style) else Style()))
            for segment in text.render(self.app.console)
        ]
        return Strip(segments).adjust_cell_length(width, base)

    def _colour(self, text: Text, word: str, *, edited: bool) -> None:
        """The colours of a line's parts; the cursor's line in high contrast has none."""
        quiet = self.get_component_rich_style("results--quiet", partial=True)
        text.stylize(quiet, 0, 6)
        kinds = {"broken": "results--success", "held": "results--failed"}
        kind = kinds.get(word, "results--quiet")
        text.stylize(self.get_component_rich_style(kind, partial=True), 6, 15)
        if not edited:
            text.stylize(quiet, 15)


def _p_true(result: AttackResult) -> str:
    """The true class's probability, before and after."""
    label = result.label
    if not 0 <= label < min(len(result.probabilities), len(result.adversarial_probabilities)):
        return ""
    before = decimal(result.probabilities[label])
    if not result.edits:
        return f"{before:>4}"
    return f"{before:>4} → {decimal(result.adversarial_probabilities[label])}"
