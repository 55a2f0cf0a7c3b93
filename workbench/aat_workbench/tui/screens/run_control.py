"""What is done to the run under the cursor: pause, stop, resume, change, note, delete; and how runs are begun."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Iterable

from textual import work

from aat_datasets.errors import AatError
from aat_models.config import Config
from aat_workbench import jobs, notes
from aat_workbench.tui.messages import AttackTarget, GenerateFrom
from aat_workbench.tui.overlays import Confirm
from aat_workbench.tui.pane import Pane, PaneCommand
from aat_workbench.tui.run_view import RunView

__all__ = ["RunControl"]


class RunControl(Pane, can_focus=False):
    """The actions of a pane that shows runs; the pane says which one is meant, and shows what came of it."""

    _demo_log = ""
    _awaited = ""  # a run that was started and has not been seen yet

    @property
    def run(self) -> RunView | None:
        """The run under the cursor."""
        raise AssertionError("the pane says which")

    def look(self) -> None:
        """Read what the runs wrote, and show it."""

    def go_to(self, name: str) -> None:
        """Put the cursor on a run."""

    def _with_run(self, act: Callable[[RunView], object]) -> None:
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

    # One run

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

    def action_queue(self) -> None:
        self._with_run(lambda view: jobs.resume_training(view.folder, queued=True))

    @work
    async def action_change(self) -> None:
        from aat_workbench.tui.live_form import LiveForm, config_now

        view = self.run
        if view is None:
            return
        if not view.status.active:
            self.workbench.say(f"{view.name} is {view.status.state}", "r goes on with it", severity="warning")
            return
        try:
            form = LiveForm(view.name, config_now(view))
        except AatError as error:
            self.tell(error)
            return
        for assignment in await self.app.push_screen_wait(form) or ():
            try:
                view.folder.send(f"set {assignment}")
            except AatError as error:
                self.tell(error)
            else:
                self.workbench.say(f"asked {view.name} to set {assignment}")

    @work
    async def action_note(self) -> None:
        from aat_workbench.tui.notes_form import NotesForm

        view = self.run
        if view is None:
            return
        written = await self.app.push_screen_wait(NotesForm(view.name, notes.read(view.folder.path)))
        if written is not None:
            try:
                notes.write(view.folder.path, written)
            except AatError as error:
                self.tell(error)
            self.look()

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
        if view.status.active and not view.status.waiting:
            self.workbench.say(f"{view.name} is {view.status.state}", "stop it first: s", severity="warning")
            return
        question = Confirm(f"Delete {view.name}?", "Its curves, checkpoints and attacks are gone then.")
        if await self.app.push_screen_wait(question):
            self._with_run(lambda _: view.folder.remove())

    # New runs

    def action_new_run(self) -> None:
        self.open_form("")

    @work
    async def open_form(self, dataset: str) -> None:
        """The form for a new run, on ``dataset`` where it is named."""
        from aat_workbench.tui.new_run import NewRun

        try:
            names = await self.workbench.dataset_names()
        except AatError as error:
            self.tell(error)
            return
        selected = self.run.config if self.run is not None else None
        form = NewRun(self.workbench.runs_root, dataset, names, selected)
        order = await self.app.push_screen_wait(form)
        if order is not None:
            self.start(order.config, queued=order.queued)

    @work
    async def start(self, config: Config, *, queued: bool = False) -> None:
        """Start a training of its own process, or have it wait for its turn, and put the cursor on it."""
        try:
            self._awaited = await self.workbench.start_training(config, queued=queued)
        except AatError as error:
            self.tell(error)
            return
        self.look()

    def on_overview_new_run(self) -> None:
        self.action_new_run()

    async def on_overview_demo(self) -> None:
        if not self._demo_log:
            try:
                self._demo_log = await self.workbench.start_demo()
            except AatError as error:
                self.tell(error)
                return
        self.workbench.say("the demo has started", f"its runs appear here soon; what it says is in {self._demo_log}")

    def commands(self) -> Iterable[PaneCommand]:
        yield PaneCommand("Start a training", "Key n", self.action_new_run)
        view = self.run
        if view is None:
            return
        if view.status.waiting:
            yield PaneCommand("Start the run now", "Key r; before the others that wait", self.action_resume)
            yield PaneCommand("Take the run out of the queue", "Key s", self.action_stop)
        elif view.status.active:
            yield PaneCommand("Pause the run, or go on", "Key p", self.action_pause)
            yield PaneCommand("Stop the run", "Key s; its checkpoint is kept", self.action_stop)
            yield PaneCommand("Write a checkpoint now", "Key k", self.action_checkpoint)
            yield PaneCommand("Change settings", "Key e; learning rate and adversary", self.action_change)
        else:
            yield PaneCommand("Resume the run", "Key r; from its latest checkpoint", self.action_resume)
            yield PaneCommand("Resume when its turn comes", "Behind those that wait", self.action_queue)
            yield PaneCommand("Delete the run", "Key d; asks first", self.action_delete)
        yield PaneCommand("Note and tags", "Key t", self.action_note)
        yield PaneCommand("Attack this run", "Key a", self.action_attack)
        yield PaneCommand("Generate with this run", "Key g", self.action_generate)
