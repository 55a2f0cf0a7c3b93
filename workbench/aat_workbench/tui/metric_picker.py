"""The choice of charts: every one there can be of the runs in view, each on or off."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, SelectionList
from textual.widgets.selection_list import Selection

from ..terminal import visible
from .widgets.charts import ChartKind
from .widgets.entry import Entry

__all__ = ["MetricPicker"]


class MetricPicker(ModalScreen[list[str] | None]):
    """Ends with the titles that are on, an empty list where all that fit are wanted, or ``None`` where it was left.

    Args:
        kinds: the charts there can be.
        chosen: the titles that are on.
    """

    DEFAULT_CSS = """
    MetricPicker { align: center middle; }
    MetricPicker > Vertical {
        width: 64; max-width: 94%; height: auto; max-height: 90%; padding: 1 2; background: $surface; border: round $border;
        border-title-color: $foreground; border-subtitle-color: $muted;
    }
    MetricPicker Input { height: 1; border: none; padding: 0 1; background: $panel; margin-bottom: 1; }
    MetricPicker Input:focus { border: none; background: $block-cursor-blurred-background; }
    MetricPicker SelectionList { height: auto; max-height: 24; border: none; padding: 0; background: $surface; }
    MetricPicker SelectionList:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "show these", key_display="⏎", priority=True),
        Binding("ctrl+r", "usual", "the usual ones", key_display="^r"),
        Binding("down", "list", "into the list", show=False),
        Binding("escape", "leave", "leave", key_display="esc"),
    ]

    def __init__(self, kinds: Sequence[ChartKind], chosen: Collection[str]) -> None:
        super().__init__()
        self._titles = [kind.title for kind in kinds]
        self._chosen = set(chosen)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = " Charts "
            box.border_subtitle = " space on/off · ⏎ show · ^r usual ones · esc leave "
            yield Entry(placeholder="which (a regular expression)", select_on_focus=False)
            yield SelectionList[str]()

    def on_mount(self) -> None:
        self._fill("")
        self.query_one(SelectionList).focus()

    def _fill(self, pattern: str) -> None:
        listed = self.query_one(SelectionList)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # "[[": it would be written over the screen
                found = re.compile(pattern, re.IGNORECASE)
        except (re.error, OverflowError):
            return  # being typed
        # Nobody asks which line is highlighted, and told of one that is gone since, the list would fail.
        with self.prevent(SelectionList.SelectedChanged, SelectionList.OptionHighlighted):
            listed.clear_options()
            listed.add_options(
                Selection(Text(visible(title)), title, title in self._chosen)
                for title in self._titles
                if found.search(title)
            )
            if listed.option_count:
                listed.highlighted = 0

    def on_input_changed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def on_selection_list_selected_changed(self, event: SelectionList.SelectedChanged[str]) -> None:
        listed = event.selection_list
        there = {listed.get_option_at_index(place).value for place in range(listed.option_count)}
        self._chosen = (self._chosen - there) | set(listed.selected)

    def action_list(self) -> None:
        self.query_one(SelectionList).focus()

    def action_take(self) -> None:
        self.dismiss([title for title in self._titles if title in self._chosen])

    def action_usual(self) -> None:
        self.dismiss([])

    def action_leave(self) -> None:
        self.dismiss(None)
