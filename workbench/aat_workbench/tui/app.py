"""The terminal app: four panes that share one engine and one runs folder.

``WorkbenchApp(runs_root, session).run()``. The process imports no torch; a pane's module is imported and its widgets
are mounted when it is first shown, so that the first paint waits for one pane only.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import events, work
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from textual.screen import ModalScreen, Screen
from textual.widgets import ContentSwitcher, Static

from aat_datasets.errors import AatError

from ..terminal import visible
from .chrome import KeyBar, TopBar
from .messages import AttackTarget, GenerateFrom, PaneMessage, ProbeText, RunSelected, TrainOn
from .pane import HasProcess, Pane, SessionLike
from .themes import FALLBACKS, THEMES

if TYPE_CHECKING:
    from aat_models.config import Config
    from aat_workbench.status import RunStatus

    from ..mirror import Mirror
    from .foreign_view import Watched
    from .run_ends import Ends

__all__ = ["MINIMUM", "PANES", "WorkbenchApp"]

MINIMUM = (60, 16)
SECONDS_BETWEEN_LOOKS = 1.0


class PaneEntry(NamedTuple):
    """A pane by name; ``module`` is imported when the pane is first shown."""

    name: str
    title: str
    module: str
    widget: str


PANES = (
    PaneEntry("datasets", "Datasets", "datasets", "DatasetsPane"),
    PaneEntry("training", "Training", "training", "TrainingPane"),
    PaneEntry("adversarial", "Adversarial", "adversarial", "AdversarialPane"),
    PaneEntry("generate", "Generate", "generate", "GeneratePane"),
)


class WorkbenchApp(App[None]):
    """The workbench.

    Args:
        runs_root: folder of runs; by default ``AAT_RUNS``, else ``runs`` here.
        session: an engine session, or a stand-in for one; by default one is made when a pane first asks for it.
        start_pane: name of the pane shown first.
        theme: name of a theme.
        mirror: runs of another host, where runs, engine and trainings are; ``session`` is with the engine there.
        watched: files and folders of trainings that are not ours, for the Training pane. Raises InputError where one
            holds none.
    """

    TITLE = "aat-workbench"
    ENABLE_COMMAND_PALETTE = True
    CSS = """
    Screen { background: $background; color: $foreground; }
    ModalScreen { background: $background 70%; }
    ContentSwitcher { height: 1fr; }
    #too-small { display: none; width: 1fr; height: 1fr; content-align: center middle; text-align: center; }
    .-too-small ContentSwitcher { display: none; }
    .-too-small #too-small { display: block; }
    Input > .input--placeholder, Input > .input--suggestion, TextArea > .text-area--gutter { color: $faint; }
    TextArea > .text-area--cursor-gutter { color: $foreground; }
    CommandPalette #--container { width: 92%; max-width: 90; }
    CommandPalette SearchIcon { color: $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            # Priority: what is typed next reaches the pane it opens, however fast it is typed.
            Binding(
                str(number),
                f"open_pane('{entry.name}')",
                entry.title,
                show=False,
                id=f"pane.{entry.name}",
                priority=True,
            )
            for number, entry in enumerate(PANES, start=1)
        ),
        Binding("question_mark", "pane_help", "help", key_display="?", id="app.help"),
        Binding("ctrl+p", "command_palette", "commands", key_display="^p", id="app.commands"),
        Binding("ctrl+q", "quit", "quit", key_display="^q", id="app.quit", priority=True),
    ]

    selected_run: reactive[str] = reactive("", repaint=False)

    def __init__(
        self,
        runs_root: Path | None = None,
        session: SessionLike | None = None,
        start_pane: str = "datasets",
        theme: str = "workbench-dark",
        mirror: Mirror | None = None,
        watched: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self.watched: Watched | None = None
        if watched:
            from .foreign_view import Watched

            self.watched = Watched(watched)
        self.runs_root = mirror.root if mirror else runs_root or Path(os.environ.get("AAT_RUNS") or "runs")
        self.mirror = mirror
        self._session = session
        self._start_pane = start_pane
        self._ends: Ends | None = None
        for own in THEMES:
            self.register_theme(own)
        self.theme = theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return FALLBACKS

    def compose(self) -> ComposeResult:
        yield TopBar([(entry.name, entry.title) for entry in PANES])
        yield ContentSwitcher(id="panes")
        yield Static("", id="too-small", markup=False)
        yield KeyBar()

    async def on_mount(self) -> None:
        if self.mirror is not None:
            self._follow(self.mirror)
        await self.open_pane(self._start_pane)
        self.call_after_refresh(self._look)
        self.set_interval(SECONDS_BETWEEN_LOOKS, self._look)

    def _look(self) -> None:
        """Show the training that is at work, and the engine's state, in the header; tell which ended, and begin who waits."""
        from aat_workbench import queue

        from .run_ends import Ends

        bar = next(iter(self.query(TopBar)), None)
        if bar is None:  # the app is on its way out
            return
        if self._ends is None:
            self._ends = Ends(self.runs_root)
        active, ended = self._ends.look()
        bar.job = ""
        for name, status in sorted(active, key=lambda one: one[1].waiting)[:1]:
            step = f"{status.step:,}".replace(",", " ")
            bar.job = f"{name} ▸ {status.state} {step} · {status.progress:.0%}"
        for name, status in ended:
            self.tell_end(name, status)
        with contextlib.suppress(AatError):  # the command line says what is wrong with AAT_PARALLEL
            queue.advance(self.runs_root)
        if self.mirror is not None:
            lost = self.mirror.trouble is not None
            bar.engine = (
                f"{self.mirror.place}: connection lost, trying again" if lost else f"engine on {self.mirror.place}"
            )
        elif isinstance(self._session, HasProcess):
            bar.engine = "engine on" if self._session.pid else "engine off"

    def tell_end(self, name: str, status: RunStatus) -> None:
        """A notice that a run has ended, and one to the terminal."""
        from .run_ends import outcome, terminal_notice

        self.say(
            f"{name}: {status.state}",
            outcome(status),
            severity="information" if status.state == "done" else "error" if status.state == "failed" else "warning",
        )
        notice = terminal_notice(f"{name} {status.state}", outcome(status))
        if notice and self._driver is not None and not self.is_headless:
            self._driver.write(notice)

    # Another host

    def _follow(self, mirror: Mirror) -> None:
        """Have the runs folder follow the host's, and what is asked of its runs go there."""
        from aat_workbench.runs import mount

        def turned() -> None:
            trouble = mirror.trouble
            if trouble is None:
                self.say(f"{mirror.place} is there again", "what happened meanwhile is being read")
            else:
                self.say(trouble.message, trouble.hint, severity="error")
            self._look()

        mount(mirror.root, mirror)
        mirror.on_change = turned
        mirror.on_error = lambda error: self.say(error.message, error.hint, severity="error")
        self.run_worker(mirror.run(), group="mirror")
        self.say(f"runs and models are those of {mirror.place}", "the Datasets pane shows the data of this machine")

    async def start_training(self, config: Config, *, queued: bool = False) -> str:
        """Start a training where the runs are, when its turn comes where ``queued``; the run's name. Raises AatError."""
        from aat_workbench import jobs

        if self.mirror is not None:
            return await self.mirror.start(config, queued=queued)
        return jobs.start_training(config, runs_root=self.runs_root, queued=queued).name

    async def start_demo(self) -> str:
        """Start the demo where the runs are; where its log is. Raises AatError."""
        from aat_workbench import jobs

        return await self.mirror.start_demo() if self.mirror is not None else str(jobs.start_demo(self.runs_root))

    async def dataset_names(self) -> list[str]:
        """The datasets where the models are. Raises AatError."""
        if self.mirror is not None:
            return await self.mirror.dataset_names()
        from aat_datasets import catalog

        return await asyncio.to_thread(catalog.names)

    # Panes

    @property
    def panes(self) -> ContentSwitcher:
        return self.query_one("#panes", ContentSwitcher)

    @property
    def pane(self) -> Pane | None:
        """The pane in view; ``None`` before the first is mounted."""
        current = self.panes.current
        return self.panes.get_child_by_id(current, Pane) if current else None

    async def open_pane(self, name: str) -> Pane:
        """Show the pane of that name, mounting it on its first show, and return it."""
        switcher = self.panes
        before = self.pane
        if before is not None and before.id == name:
            return before
        if before is not None:
            before.hidden()
        if not any(child.id == name for child in switcher.children):
            entry = next(entry for entry in PANES if entry.name == name)
            module = importlib.import_module(f"{__package__}.screens.{entry.module}")
            made: Pane = getattr(module, entry.widget)(id=name)
            await switcher.add_content(made)
        switcher.current = name
        self.query_one(TopBar).current = name
        after = switcher.get_child_by_id(name, Pane)
        after.shown()
        return after

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "open_pane":  # a form keeps its screen, a line that is typed into its digits
            return not isinstance(self.screen, ModalScreen) and not (
                self.focused is not None and self.focused.check_consume_key("1", "1")
            )
        return super().check_action(action, parameters)

    async def action_open_pane(self, name: str) -> None:
        await self.open_pane(name)

    async def on_top_bar_chosen(self, message: TopBar.Chosen) -> None:
        await self.open_pane(message.pane)

    async def _route(self, message: PaneMessage) -> None:
        message.stop()
        pane = await self.open_pane(message.pane)
        pane.receive(message)

    async def on_probe_text(self, message: ProbeText) -> None:
        await self._route(message)

    async def on_attack_target(self, message: AttackTarget) -> None:
        await self._route(message)

    async def on_generate_from(self, message: GenerateFrom) -> None:
        await self._route(message)

    async def on_train_on(self, message: TrainOn) -> None:
        await self._route(message)

    def on_run_selected(self, message: RunSelected) -> None:
        self.selected_run = message.run

    # Engine

    @property
    def session(self) -> SessionLike:
        """The engine session; made on first use, its process started by its first call."""
        if self._session is None:
            from aat_workbench.session import Session

            self._session = Session(runs_root=self.runs_root, on_restart=self._restarted)
        return self._session

    def _restarted(self) -> None:
        self.say("the engine was started again", "its process had ended", severity="warning")

    async def _shutdown(self) -> None:
        """Workers end first: an answer that comes while the widgets are taken away would find none to tell."""
        self.workers.cancel_all()
        await asyncio.sleep(0)
        await super()._shutdown()

    async def on_unmount(self) -> None:
        if self.mirror is not None:
            from aat_workbench.runs import mount

            mount(self.mirror.root, None)
        if self._session is not None:
            await self._session.close()

    # Notices, help, commands, size

    def say(self, message: str, hint: str = "", severity: SeverityLevel = "information") -> None:
        """A notice over the pane. The texts may come from anywhere: they are made visible and hold no markup."""
        self.notify(visible(hint), title=visible(message), severity=severity, markup=False, timeout=6)

    def action_pane_help(self) -> None:
        from .overlays import HelpOverlay

        pane = self.pane
        if pane is not None and not isinstance(self.screen, HelpOverlay):
            self.push_screen(HelpOverlay(pane))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        pane = self.pane
        if pane is not None:
            for command in pane.commands():
                yield SystemCommand(command.title, command.help, command.run)
        for number, entry in enumerate(PANES, start=1):
            if pane is None or pane.id != entry.name:
                yield SystemCommand(
                    f"Open {entry.title}", f"Key {number}", lambda name=entry.name: self._open_later(name)
                )
        yield SystemCommand("Theme", "Change the colours", self.action_change_theme)
        yield SystemCommand("Help", "What this pane's keys do", self.action_pane_help)
        yield SystemCommand("Save a picture", "Write this screen to an SVG file", self.deliver_screenshot)
        yield SystemCommand("Quit", "Leave; trainings that run go on", self.action_quit)

    @work
    async def _open_later(self, name: str) -> None:
        await self.open_pane(name)

    def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        small = width < MINIMUM[0] or height < MINIMUM[1]
        if self.screen.has_class("-too-small") and not small and self.pane is not None:
            self.call_after_refresh(self.pane.focus_first)
        self.screen.set_class(small, "-too-small")
        if small:
            wanted = f"{MINIMUM[0]} × {MINIMUM[1]}"
            self.query_one("#too-small", Static).update(f"This terminal is {width} × {height}.\nNeeded: {wanted}.")
