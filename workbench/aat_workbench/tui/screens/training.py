"""The Training pane: the runs, their curves over one another, their log and configs; start, pause, stop, delete."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import ContentSwitcher

from aat_datasets.errors import AatError
from aat_models.config import Config
from aat_workbench import jobs
from aat_workbench.tui import run_view
from aat_workbench.tui.messages import AttackTarget, GenerateFrom, PaneMessage, RunSelected, TrainOn
from aat_workbench.tui.overlays import Confirm
from aat_workbench.tui.pane import Pane, PaneCommand
from aat_workbench.tui.run_tables import CONFIG_COLUMNS, LOG_COLUMNS, config_rows, log_rows, run_columns, run_row
from aat_workbench.tui.run_view import RunView
from aat_workbench.tui.screens.training_look import ABOUT, BINDINGS, CSS, ON_A_RUN, ON_OUR_RUN
from aat_workbench.tui.widgets.charts import ChartKind, charts_of, curves_of
from aat_workbench.tui.widgets.curves import CurveChart
from aat_workbench.tui.widgets.overview import Overview
from aat_workbench.tui.widgets.table import VirtualTable

__all__ = ["TrainingPane"]

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_PER_LOOK = 0.03  # of the screen's own time
SLOTS = 8  # runs over one another: as many as there are colours


class TrainingPane(Pane):
    """See the module."""

    ABOUT = ABOUT
    BINDINGS: ClassVar[list[BindingType]] = BINDINGS
    DEFAULT_CSS = CSS

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._views: dict[str, RunView] = {}
        self._ordered: list[RunView] = []
        self._pinned: list[str] = []
        self._slots: dict[str, int] = {}
        self._first_chart = 0
        self._charts = charts_of(())
        self._drawn: object = None
        self._timer: Timer | None = None
        self._demo_log: Path | None = None

    def compose(self) -> ComposeResult:
        with ContentSwitcher(initial="runs-view", id="training-views"):
            with Vertical(id="runs-view"):
                with Vertical(id="runs-box", classes="box") as box:
                    box.border_title = "Runs"
                    yield VirtualTable(run_columns(120), id="runs")
                with Grid(id="charts"):
                    for place in range(6):
                        yield CurveChart(id=f"chart-{place}")
                with Horizontal(id="below"):
                    with Vertical(id="log-box", classes="box") as box:
                        box.border_title = "Log"
                        yield VirtualTable(LOG_COLUMNS, header=False, quiet=True, empty="nothing said yet", id="log")
                    with Vertical(id="config-box", classes="box") as box:
                        box.border_title = "Config"
                        yield VirtualTable(CONFIG_COLUMNS, header=False, quiet=True, empty="no run", id="config")
            yield Overview(id="overview")

    def on_mount(self) -> None:
        for chart in self.query(CurveChart):
            chart.add_class("box")
        self._timer = self.set_interval(SECONDS_BETWEEN_LOOKS, self.look, pause=True)

    def shown(self) -> None:
        self.look()
        self._point_at(self.workbench.selected_run)
        if self._timer is not None:
            self._timer.resume()
        self.focus_first()

    def hidden(self) -> None:
        if self._timer is not None:
            self._timer.pause()

    def focus_first(self) -> None:
        if self._ordered:
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
        self._ordered, complete = run_view.refresh(
            self._views, self.workbench.runs_root, shown, SECONDS_PER_LOOK, watched.views() if watched else ()
        )
        self._pinned = [name for name in self._pinned if name in self._views]
        switcher = self.query_one("#training-views", ContentSwitcher)
        wanted = "runs-view" if self._ordered else "overview"
        if switcher.current != wanted:
            had_focus = self.has_focus_within
            switcher.current = wanted
            self.refresh_bindings()
            if had_focus:
                self.focus_first()
        if before is not None and before.name in self._views:
            self._point_at(before.name)
        self._draw()
        if not complete:
            self.set_timer(0.05, self.look)

    def _point_at(self, name: str) -> None:
        names = [view.name for view in self._ordered]
        if name in names:
            self.query_one("#runs", VirtualTable).cursor = names.index(name)

    def _draw(self, force: bool = False) -> None:
        shown = self._shown()
        self._give_slots(shown)
        key = ([(v.name, v.changed) for v in self._ordered], [v.name for v in shown], tuple(self._pinned), self.size)
        if key == self._drawn and not force:
            return
        self._drawn = key
        table = self.query_one("#runs", VirtualTable)
        table.set_columns(run_columns(self.size.width))
        most = 12 if self.has_class("-large") else 6 if self.has_class("-short") else 9
        self.query_one("#runs-box").styles.height = min(most, max(6, len(self._ordered) + 3))
        names = {view.name for view in shown}
        table.set_list(
            [
                run_row(
                    view,
                    self._slots[view.name] if view.name in names else -1,
                    view.name in self._pinned,
                    self.size.width,
                )
                for view in self._ordered
            ]
        )
        self._draw_charts(shown)
        current = self.run
        log = self.query_one("#log", VirtualTable)
        follow = log.cursor >= log.total - 1
        log.set_list(log_rows(current, log.size.width) if current else [])
        if follow:
            log.action_last()
        self.query_one("#config", VirtualTable).set_list(config_rows(shown, self._slots))

    def _give_slots(self, shown: list[RunView]) -> None:
        """A colour and letter to every charted run; a run keeps its own while it is charted or pinned."""
        names = [view.name for view in shown]
        self._slots = {name: slot for name, slot in self._slots.items() if name in names}
        for name in names:
            if name not in self._slots:
                free = [slot for slot in range(SLOTS) if slot not in self._slots.values()]
                self._slots[name] = free[0] if free else SLOTS - 1

    def _chart_kinds(self) -> list[ChartKind | None]:
        """What each of the six chart places shows at this size; ``None`` where the place is not there."""
        count = 6 if self.has_class("-large") else 2 if self.has_class("-short") else 4
        charts = self._charts
        kinds = [charts[(self._first_chart + place) % len(charts)] for place in range(min(count, len(charts)))]
        return [*kinds, *([None] * (6 - len(kinds)))]

    def _draw_charts(self, shown: list[RunView]) -> None:
        waiting = bool(shown) and shown[0].status.active
        empty = "nothing recorded yet" if waiting else "this run has no such figures"
        if shown and shown[0].waiting:
            empty = "reading what it recorded …"
        self._charts = charts_of(shown)
        for place, kind in enumerate(self._chart_kinds()):
            chart = self.query_one(f"#chart-{place}", CurveChart)
            chart.display = kind is not None
            if kind is not None:
                chart.border_title = Content(kind.title)  # never markup: the titles of other tools' charts are theirs
                chart.set_curves(curves_of(kind, shown, self._slots), empty)

    def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        self.set_class(width < 110, "-narrow")
        self.set_class(height < 30, "-short")
        self.set_class(height < 18, "-tiny")
        self.set_class(width >= 160 and height >= 40, "-large")
        self._draw(force=True)

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        if message.table.id == "runs":
            self._draw()
            self.refresh_bindings()
            if self.run is not None:
                self.post_message(RunSelected(self.run.name))

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that act on a run are there while there is one, those that control it where it is ours."""
        if action in ON_OUR_RUN and self._ordered and self.run is not None and self.run.foreign:
            return False
        return action not in ON_A_RUN or bool(self._ordered)

    def _with_run(self, act: Callable[[RunView], None]) -> None:
        """Act on the run under the cursor; what goes wrong is told, not thrown."""
        view = self.run
        if view is None:
            return
        try:
            act(view)
        except AatError as error:
            self.tell(error)
        self.look()

    def tell(self, error: AatError) -> None:
        """Show an error: what is wrong and what to do."""
        self.workbench.say(error.message, error.hint, severity="error")

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
        count = sum(kind is not None for kind in self._chart_kinds())
        following = self._first_chart + count
        self._first_chart = following if following < len(self._charts) else 0
        self._draw(force=True)

    def action_config(self) -> None:
        self.toggle_class("-config")

    def action_zoom(self) -> None:
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif isinstance(self.screen.focused, CurveChart):
            self.screen.maximize(self.screen.focused)
        else:
            self.screen.maximize(self.query_one("#chart-0", CurveChart))

    def action_pause(self) -> None:
        self._with_run(lambda view: view.folder.send("resume" if view.status.state == "paused" else "pause"))

    def action_stop(self) -> None:
        self._with_run(lambda view: view.folder.send("stop"))

    def action_checkpoint(self) -> None:
        self._with_run(lambda view: view.folder.send("checkpoint"))

    def action_resume(self) -> None:
        def resume(view: RunView) -> None:
            if view.status.state == "paused":
                view.folder.send("resume")
            else:
                jobs.resume_training(view.folder)

        self._with_run(resume)

    def action_attack(self) -> None:
        if self.run is not None:
            self.post_message(AttackTarget(self.run.name))

    def action_generate(self) -> None:
        if self.run is not None:
            self.post_message(GenerateFrom(self.run.name))

    @work
    async def action_delete(self) -> None:
        view = self.run
        if view is None:
            return
        if view.status.active:
            self.workbench.say(f"{view.name} is {view.status.state}", "stop it first: s", severity="warning")
            return
        question = Confirm(f"Delete {view.name}?", "Its curves, checkpoints and attacks are gone then.")
        if await self.app.push_screen_wait(question):
            self._with_run(lambda view: view.folder.remove())

    # New runs

    def action_new_run(self) -> None:
        self._open_form("")

    @work
    async def _open_form(self, dataset: str) -> None:
        from aat_datasets import catalog
        from aat_workbench.tui.new_run import NewRun

        form = NewRun(self.workbench.runs_root, dataset, catalog.names())
        config = await self.app.push_screen_wait(form)
        if config is not None:
            self.start(config)

    def start(self, config: Config) -> None:
        """Start a training of its own process and put the cursor on it."""
        try:
            folder = jobs.start_training(config, runs_root=self.workbench.runs_root)
        except AatError as error:
            self.tell(error)
            return
        self.look()
        self._point_at(folder.name)
        self._draw()

    def on_overview_new_run(self) -> None:
        self.action_new_run()

    def on_overview_demo(self) -> None:
        if self._demo_log is None:
            try:
                self._demo_log = jobs.start_demo(self.workbench.runs_root)
            except AatError as error:
                self.tell(error)
                return
        self.workbench.say("the demo has started", f"its runs appear here soon; what it says is in {self._demo_log}")

    def receive(self, message: PaneMessage) -> None:
        if isinstance(message, TrainOn):
            self._open_form(message.dataset)

    def commands(self) -> Iterable[PaneCommand]:
        yield PaneCommand("Start a training", "Key n", self.action_new_run)
        view = self.run
        if view is None or view.foreign:
            return
        if view.status.active:
            yield PaneCommand("Pause the run, or go on", "Key p", self.action_pause)
            yield PaneCommand("Stop the run", "Key s; its checkpoint is kept", self.action_stop)
            yield PaneCommand("Write a checkpoint now", "Key k", self.action_checkpoint)
        else:
            yield PaneCommand("Resume the run", "Key r; from its latest checkpoint", self.action_resume)
            yield PaneCommand("Delete the run", "Key d; asks first", self.action_delete)
        yield PaneCommand("Attack this run", "Key a", self.action_attack)
        yield PaneCommand("Generate with this run", "Key g", self.action_generate)
        yield PaneCommand("Next charts", "Key v", self.action_view)
