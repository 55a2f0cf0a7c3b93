"""The Training pane: the runs, their curves over one another, their log and configs.

What is done to a run is in ``run_control``, how curves are drawn in ``run_charts``.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import ContentSwitcher, Input

from aat_workbench import queue
from aat_workbench.terminal import visible
from aat_workbench.tui import run_view
from aat_workbench.tui.messages import PaneMessage, RunSelected, TrainOn
from aat_workbench.tui.pane import PaneCommand
from aat_workbench.tui.run_tables import (
    CONFIG_COLUMNS,
    LOG_COLUMNS,
    LogRows,
    config_rows,
    run_columns,
    run_fits,
    run_row,
)
from aat_workbench.tui.run_view import RunView
from aat_workbench.tui.screens.run_charts import SLOTS, RunCharts
from aat_workbench.tui.screens.run_control import RunControl
from aat_workbench.tui.screens.training_look import ABOUT, BINDINGS, CSS, ON_A_RUN, ON_OUR_RUN
from aat_workbench.tui.widgets.curves import CurveChart
from aat_workbench.tui.widgets.finding import FindLine
from aat_workbench.tui.widgets.overview import Overview
from aat_workbench.tui.widgets.table import VirtualTable

__all__ = ["TrainingPane"]

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_PER_LOOK = 0.03  # of the screen's own time


class TrainingPane(RunControl, can_focus=False):
    """See the module."""

    ABOUT = ABOUT
    BINDINGS: ClassVar[list[BindingType]] = BINDINGS
    DEFAULT_CSS = CSS

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._views: dict[str, RunView] = {}
        self._all: list[RunView] = []
        self._ordered: list[RunView] = []  # those the filter lets through
        self._wanted = ""  # the filter
        self._fewer = ""  # and what is said of it
        self._on_foreign: bool | None = None  # what the keys shown are for
        self._places: dict[str, int] = {}
        self._pinned: list[str] = []
        self._drawn: object = None
        self._logs = LogRows()
        self._drawing = False
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        with ContentSwitcher(initial="runs-view", id="training-views"):
            with Vertical(id="runs-view"):
                with Vertical(id="runs-box", classes="box") as box:
                    box.border_title = "Runs"
                    yield FindLine("name, tag, dataset, adversary, state …", id="find-run")
                    yield VirtualTable(run_columns(120), empty="no run fits", id="runs")
                yield RunCharts(id="charts")
                with Horizontal(id="below"):
                    with Vertical(id="log-box", classes="box") as box:
                        box.border_title = "Log"
                        yield VirtualTable(LOG_COLUMNS, header=False, quiet=True, empty="nothing said yet", id="log")
                    with Vertical(id="config-box", classes="box") as box:
                        box.border_title = "Config"
                        yield VirtualTable(CONFIG_COLUMNS, header=False, quiet=True, empty="no run", id="config")
            yield Overview(id="overview")

    def on_mount(self) -> None:
        self._timer = self.set_interval(SECONDS_BETWEEN_LOOKS, self.look, pause=True)
        self.watch(self.query_one("#runs", VirtualTable), "cursor", self._follow, init=False)

    def _follow(self) -> None:
        """Draw the run the cursor came to in the same turn, so that one painting shows both."""
        if not self._drawing:
            self._draw()

    def shown(self) -> None:
        self.look()
        self.go_to(self.workbench.selected_run)
        if self.workbench.mirror is not None and self.workbench.selected_run not in self._views:
            self._awaited = self.workbench.selected_run
        if self._timer is not None:
            self._timer.resume()
        self.focus_first()

    def hidden(self) -> None:
        if self._timer is not None:
            self._timer.pause()

    def focus_first(self) -> None:
        if self._all:
            self.focus_on(self.query_one("#runs", VirtualTable))
        else:
            self.focus_on(self.query_one(Overview))

    # What is shown

    @property
    def run(self) -> RunView | None:
        """The run under the cursor."""
        cursor = self.query_one("#runs", VirtualTable).cursor
        return self._ordered[cursor] if cursor < len(self._ordered) else None

    def _shown(self) -> list[RunView]:
        """The runs that are charted: the pinned ones, and the one under the cursor first."""
        current = self.run
        others = [self._views[name] for name in self._pinned if name in self._views]
        return [current, *(view for view in others if view is not current)] if current else others

    def look(self) -> None:
        """Read what the runs wrote since the last look, and draw what changed."""
        before = self.run
        shown = [view.name for view in self._shown()]
        watched = self.workbench.watched
        self._all, complete = run_view.refresh(
            self._views, self.workbench.runs_root, shown, SECONDS_PER_LOOK, watched.views() if watched else ()
        )
        self._places = queue.places(self.workbench.runs_root)
        self._filter()
        self._pinned = [name for name in self._pinned if name in self._views]
        switcher = self.query_one("#training-views", ContentSwitcher)
        wanted = "runs-view" if self._all else "overview"
        if switcher.current != wanted:
            had_focus = self.has_focus_within
            switcher.current = wanted
            self.refresh_bindings()
            if had_focus:
                self.focus_first()
        if self._awaited in self._views:
            self.go_to(self._awaited)
            self._awaited = ""
        elif before is not None:
            self.go_to(before.name)
        self._draw()
        if not complete:
            self.set_timer(0.05, self.look)

    def go_to(self, name: str) -> None:
        names = [view.name for view in self._ordered]
        if name in names:
            self.query_one("#runs", VirtualTable).cursor = names.index(name)

    def _filter(self) -> None:
        self._ordered = [view for view in self._all if run_fits(view, self._wanted)]

    def _draw(self, force: bool = False) -> None:
        shown = self._shown()
        charts = self.query_one(RunCharts)
        charts.give_slots(shown)
        seen = [(v.name, v.changed, self._places.get(v.name)) for v in self._ordered]
        widths = [self.query_one(id, VirtualTable).size.width for id in ("#log", "#config")]
        key = (seen, [v.name for v in shown], tuple(self._pinned), self.size, widths)
        if key == self._drawn and not force:
            return
        self._drawn = key
        self._drawing = True
        try:
            self._draw_all(shown)
        finally:
            self._drawing = False

    def _draw_all(self, shown: list[RunView]) -> None:
        charts = self.query_one(RunCharts)
        self._draw_runs(shown)
        charts.draw(shown, self._count_of_charts())
        current = self.run
        log = self.query_one("#log", VirtualTable)
        follow = log.cursor >= log.total - 1
        log.set_list(self._logs.of(current, log.size.width) if current else [])
        if follow:
            log.action_last()
        config = self.query_one("#config", VirtualTable)
        config.set_list(config_rows(shown, charts.slots, config.size.width))

    def _draw_runs(self, shown: list[RunView]) -> None:
        table = self.query_one("#runs", VirtualTable)
        table.set_columns(run_columns(self.size.width))
        box = self.query_one("#runs-box", Vertical)
        most = 12 if self.has_class("-large") else 6 if self.has_class("-short") else 9
        box.styles.height = min(most, max(6, len(self._all) + 3))
        fewer = f"{len(self._ordered)} of {len(self._all)} · {self._wanted}" if self._wanted else ""
        if fewer != self._fewer:
            self._fewer = fewer
            box.border_subtitle = Content(visible(fewer))
        slots = self.query_one(RunCharts).slots
        names = {view.name for view in shown}
        table.set_list(
            [
                run_row(
                    view,
                    slots[view.name] if view.name in names else -1,
                    view.name in self._pinned,
                    self.size.width,
                    self._places.get(view.name, 0),
                )
                for view in self._ordered
            ]
        )

    def _count_of_charts(self) -> int:
        return 6 if self.has_class("-large") else 2 if self.has_class("-short") else 4

    def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        self.set_class(width < 110, "-narrow")
        self.set_class(height < 30, "-short")
        self.set_class(height < 18, "-tiny")
        self.set_class(width >= 160 and height >= 40, "-large")
        self._draw(force=True)
        self.call_after_refresh(self._draw)  # log and config are folded to widths they have by then

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        if message.table.id == "runs":
            self._draw()
            run = self.run
            if run is not None and run.foreign != self._on_foreign:
                self._on_foreign = run.foreign
                self.refresh_bindings()
            if run is not None:
                self.post_message(RunSelected(run.name))

    # Actions: what is shown

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that act on a run are there while there is one, those that control it where it is ours."""
        if action in ON_OUR_RUN and self._ordered and self.run is not None and self.run.foreign:
            return False
        return action not in ON_A_RUN or bool(self._all)

    def action_find(self) -> None:
        self.query_one(FindLine).begin()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "find-run":
            before = self.run
            self._wanted = event.value.strip()
            self._filter()
            if before is not None:
                self.go_to(before.name)
            self._draw(force=True)

    def on_find_line_left(self) -> None:
        self.focus_on(self.query_one("#runs", VirtualTable))

    def action_pin(self) -> None:
        view = self.run
        if view is None:
            return
        if view.name in self._pinned:
            self._pinned.remove(view.name)
        elif len(self._pinned) < SLOTS:
            self._pinned.append(view.name)
        self._draw()

    def action_view(self) -> None:
        self.query_one(RunCharts).turn_page()
        self._draw(force=True)

    def action_axis(self) -> None:
        self.query_one(RunCharts).turn_axis()
        self._draw(force=True)

    def action_smooth(self) -> None:
        self.query_one(RunCharts).turn_smoothing()
        self._draw(force=True)

    @work
    async def action_metrics(self) -> None:
        from aat_workbench.tui.metric_picker import MetricPicker

        charts = self.query_one(RunCharts)
        titles = await self.app.push_screen_wait(MetricPicker(*charts.choices(self._shown())))
        if titles is not None:
            charts.chosen = titles
            self._draw(force=True)

    def action_config(self) -> None:
        self.toggle_class("-config")
        self.call_after_refresh(self._draw)

    def action_zoom(self) -> None:
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif isinstance(self.screen.focused, CurveChart):
            self.screen.maximize(self.screen.focused)
        else:
            self.screen.maximize(self.query_one("#chart-0", CurveChart))

    def receive(self, message: PaneMessage) -> None:
        if isinstance(message, TrainOn):
            self.open_form(message.dataset)

    def commands(self) -> Iterable[PaneCommand]:
        yield from super().commands()
        if self.run is not None:
            yield PaneCommand("Next charts", "Key v", self.action_view)
            yield PaneCommand("Choose charts", "Key o; any figure the runs recorded", self.action_metrics)
            yield PaneCommand("Curves by step, epoch or time", "Key x", self.action_axis)
            yield PaneCommand("Smooth the curves", "Key m; more, then not at all", self.action_smooth)
            yield PaneCommand("Find runs", "Key /", self.action_find)
