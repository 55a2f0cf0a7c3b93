"""The order and the choice of an attack's results: the keys that change them, and how the table's frame tells of them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual import on
from textual.widgets import Input

from aat_workbench.outcome import reducing

from ..asking_pane import AskingPane
from ..pane import PaneCommand
from ..widgets.finding import FindLine
from ..widgets.painted import clip
from ..widgets.results import FILTERS, SORTS, STATUS, ResultsTable, label_name
from .progress import counts_line

__all__ = ["ResultsOrder"]


class ResultsOrder(AskingPane):
    """A pane with one table of results in a ``#results-box``, and a ``#find`` line above it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._labels: list[str] = []

    def _tell_results(self) -> None:
        """What tells of the results is told again; :meth:`tell_frame` is a part of it."""
        raise NotImplementedError

    @property
    def table(self) -> ResultsTable:
        return self.query_one(ResultsTable)

    def order_commands(self) -> Iterable[PaneCommand]:
        """What the command palette offers while there are results."""
        yield PaneCommand("Find results", "Key /; by their texts or classes", self.action_find)
        yield PaneCommand("All classes", "Show the texts of every class", lambda: self._show_class(None))
        for label in sorted({result.label for result in self.table.results}):
            name = clip(label_name(self._labels, label), 40)
            yield PaneCommand(f"Only {name}", "Show the texts of this class", lambda c=label: self._show_class(c))

    def tell_frame(self) -> None:
        """The counts and the order, in the frame of the results."""
        box = self.query_one("#results-box")
        names = {status: name.word for status, name in STATUS.items()}
        if reducing(self.table.results):
            names |= {"success": "one word left", "failed": "more words left"}
        counts = {status: self.table.count(status) for status in FILTERS}
        box.border_title = counts_line(counts, self.table.filter, names) if self.table.results else Text(" Results ")
        notes = [SORTS[self.table.sort]]
        if self.table.only is not None:
            notes.insert(0, f"only {clip(label_name(self._labels, self.table.only), 40)}")
        found = self.query_one(FindLine).value.strip()
        if found:
            notes.insert(0, f"with “{clip(found, 40)}”")
        box.border_subtitle = Text(f" {' · '.join(notes)} ") if self.table.results else None

    def action_sort(self) -> None:
        """The next order."""
        orders = list(SORTS)
        self.table.set_sort(orders[(orders.index(self.table.sort) + 1) % len(orders)])
        self._tell_results()

    def action_filter(self) -> None:
        """The next status that has results."""
        there = [status for status in FILTERS if self.table.count(status)] or ["all"]
        here = there.index(self.table.filter) if self.table.filter in there else -1
        self.table.set_filter(there[(here + 1) % len(there)])
        self._tell_results()

    def action_find(self) -> None:
        """Only the results that contain what is typed."""
        self.query_one(FindLine).begin()

    @on(Input.Changed, "#find")
    def _find(self, event: Input.Changed) -> None:
        event.stop()
        self.table.set_text_shown(event.value)
        self._tell_results()

    def on_find_line_left(self, event: FindLine.Left) -> None:
        event.stop()
        self.focus_on(self.table)

    def action_class(self) -> None:
        """Only the texts of the class of the one under the cursor; again: all."""
        current = self.table.current
        self._show_class(None if self.table.only is not None or current is None else current.label)

    def _show_class(self, label: int | None) -> None:
        self.table.set_class_shown(label)
        self._tell_results()
