"""Trains a run: the core yields events, this keeps the folder.

The order of what reaches the disk is what lets a killed training go on exactly: records up to a checkpoint are synced
before the checkpoint is begun, ``latest`` names it only when it is whole, and a resumed training begins with a
``Resumed`` that takes back every record of a later step.

Nothing here imports torch until a training begins.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aat_datasets.errors import AatError, ConfigError, InputError, NotFiniteError, TrainingError
from aat_models.config import Config
from aat_models.events import (
    Checkpointed,
    ControlApplied,
    Done,
    Evaluation,
    Event,
    Failed,
    Notice,
    Resumed,
    Started,
    Step,
)
from aat_models.live import written
from aat_workbench import checkpoints, control, liveness, queue, replaying
from aat_workbench.interrupts import Interrupts
from aat_workbench.runs import RunFolder, RunStatus, find_run, resolve
from aat_workbench.status import RunState
from aat_workbench.trainer import CheckpointDue, Opener, open_core
from aat_workbench.turns import PATIENCE

if TYPE_CHECKING:
    from aat_workbench.tensorboard_log import BoardWriter

__all__ = ["claim", "drive", "resumable", "run_training"]

HEARTBEAT_SECONDS = 2.0
PAUSE_SECONDS = 0.2


def run_training(
    config: Config,
    *,
    runs_root: Path | None = None,
    resume: bool = False,
    opener: Opener = open_core,
    signals: bool = True,
) -> Iterator[Event]:
    """Train in a run folder of its own and yield what happens, as it is recorded there.

    Args:
        config: ``config.run`` names the run; empty, the next free name is taken.
        runs_root: folder of runs; by default ``AAT_RUNS``, else ``./runs``.
        resume: go on with the run ``config.run`` from its latest checkpoint.
        opener: makes the trainer.
        signals: on Ctrl-C or SIGTERM take a checkpoint first, then raise KeyboardInterrupt; a second one raises at
            once. In force while the iterator is, and in the main thread only.

    Raises:
        InputError, ConfigError: at once, where the run cannot be begun.
        AatError: after a ``Failed`` event, where the training cannot go on.
    """
    folder = claim(config, runs_root, resume=resume)
    return drive(folder, resume=resume, opener=opener, signals=signals)


def claim(config: Config, runs_root: Path | None = None, *, resume: bool = False) -> RunFolder:
    """The folder to train in: a new one, one that was queued for this config, or with ``resume`` the run's own.

    Raises InputError where another process is at work in it or nothing is left to do, ConfigError where a run is to go
    on with another config than its own.
    """
    if resume:
        folder = resumable(config, runs_root)
        return _taken(folder, folder.status())
    if config.run:
        with contextlib.suppress(InputError):
            folder = find_run(config.run, runs_root)
            status = folder.status()
            if status.state == "queued" and folder.config == config:
                return _taken(folder, status)
    return RunFolder.create(config, runs_root)


def resumable(config: Config, runs_root: Path | None = None) -> RunFolder:
    """The folder of the run that is to go on. Raises InputError or ConfigError as ``claim`` does."""
    if not config.run:
        raise InputError("--resume needs the name of a run", "give it with --run")
    folder = find_run(config.run, runs_root)
    status = folder.status()
    if status.active and status.state != "queued":
        raise InputError(f"run {folder.name} is {status.state} in process {status.pid} on {status.host}")
    if status.state == "done" and status.step >= status.total:
        raise InputError(f"run {folder.name} is done: all {status.total} steps", "begin another with --run")
    own = folder.config
    if resolve(config, own.run) != own:
        raise ConfigError(
            f"run {folder.name} goes on with its own config, which differs from the one given",
            f"only give --run {folder.name} --resume; runs control {folder.name} set lr=… changes the rate",
        )
    return folder


def _taken(folder: RunFolder, status: RunStatus) -> RunFolder:
    if status.waiting:
        queue.take(folder)
    return folder


def drive(
    folder: RunFolder, *, resume: bool = False, opener: Opener = open_core, signals: bool = True
) -> Iterator[Event]:
    """Train in a claimed folder; see ``run_training``. In the end, whatever it is, the next of the queue begins."""
    try:
        yield from _Drive(folder, opener).run(resume, signals)
    finally:
        with contextlib.suppress(AatError, OSError):
            queue.advance(folder.path.parent, PATIENCE)


class _Drive:
    """One process's work on one run."""

    def __init__(self, folder: RunFolder, opener: Opener) -> None:
        self.folder = folder
        self.config = folder.config
        self.opener = opener
        self.status = RunStatus()
        self.paused = False
        self.recorded: set[str] = set()  # ids of settings that are to be taken again, and have their record
        self.board: BoardWriter | None = None

    def run(self, resume: bool, signals: bool) -> Iterator[Event]:
        checkpoint = self._go_back() if resume else None
        self._announce(checkpoints.step_of(checkpoint) if checkpoint is not None else 0)
        with self.folder.writer() as self.writer, Interrupts(signals) as self.interrupts, self._board_closed():
            try:
                if self.config.train.tensorboard:
                    self._to_board(None)
                yield from self._train(checkpoint)
            except (GeneratorExit, KeyboardInterrupt):
                self._end("interrupted")
                raise
            except Exception as error:
                yield self._fail(error)
                if isinstance(error, OSError):
                    raise TrainingError(_explain(error), self._kept()) from error
                raise

    def _go_back(self) -> Path | None:
        """Make the folder what it was at its latest checkpoint; without one, begin again."""
        checkpoint = self.folder.latest()
        for command in control.pending(self.folder.control_path):
            if command.verb != "set":
                command.done()
        if checkpoint is None:
            replaying.take_again(self.folder.events_path, self.folder.control_path, None)
            self.folder.events_path.unlink(missing_ok=True)
            shutil.rmtree(self.folder.tensorboard_path, ignore_errors=True)
            return None
        checkpoints.rewind(self.folder.checkpoints_path, checkpoint)
        step = checkpoints.step_of(checkpoint)
        taken = any(isinstance(record, Checkpointed) and record.step == step for record in self.folder.history())
        if not taken:  # the process died between the checkpoint and its record
            with self.folder.writer() as writer:
                writer.append(self._checkpointed(checkpoint))
        self.recorded = replaying.take_again(self.folder.events_path, self.folder.control_path, step)
        return checkpoint

    def _announce(self, step: int) -> None:
        now = time.time()
        before = self.folder.written_status()
        self.status = RunStatus(
            state="running",
            pid=os.getpid(),
            host=liveness.host(),
            process_start=liveness.process_start(os.getpid()),
            started=now,
            heartbeat=now,
            step=step,
            total=before.total,
            metrics=before.metrics,
        )
        self.folder.write_status(self.status)

    def _train(self, checkpoint: Path | None) -> Iterator[Event]:
        self.trainer = self.opener(self.config, checkpoint)
        self.interrupts.wait_for_me = True
        asked = done = False
        for record in self.trainer.events():
            if isinstance(record, Event):
                done = done or isinstance(record, Done)
                yield self._record(record)
            else:
                yield self._commit(record)
                if asked:
                    break
            if not done:
                yield from self._obey()
            if self.interrupts.seen and not asked and not done:
                asked = True
                self.trainer.control("checkpoint")
        if asked and not done:
            yield self._record(Notice(message=f"interrupted; {self._kept()}", level="warning"))
            raise KeyboardInterrupt
        self._end("done" if done else "interrupted")

    def _record(self, event: Event) -> Event:
        """Note what the status shows of an event, and append it to the run's events."""
        status = self.status
        match event:
            case Started():
                event.run = self.folder.name
                status.total = event.total
            case Step():
                status.step, status.total, status.stage = event.step, event.total, event.stage
            case Evaluation():
                status.step = event.step
                status.metrics = {**status.metrics, **event.metrics}  # each stage measures figures of its own
            case Resumed():
                status.step = event.step
            case Done():
                event.summary = {"run": self.folder.name, **event.summary}
                status.total = event.summary.get("total", status.total)  # fewer where a stage ended early
                status.summary = event.summary
            case _:
                pass
        self.writer.append(event)
        if self.board is not None:
            self._to_board(event)
        self._beat()
        return event

    def _to_board(self, event: Event | None) -> None:
        """Write for TensorBoard, first of all its file; where that fails, say so once and go on without."""
        from aat_workbench.tensorboard_log import BoardWriter

        try:
            if event is None:
                self.board = BoardWriter(self.folder.tensorboard_path)
            elif self.board is not None:
                self.board.take(event)
        except OSError as error:
            self.board = None
            message = f"nothing more is written for TensorBoard: {_explain(error)}"
            self.writer.append(Notice(message=message, level="warning"))

    @contextlib.contextmanager
    def _board_closed(self) -> Generator[None]:
        try:
            yield
        finally:
            if self.board is not None:
                self.board.close()

    def _commit(self, due: CheckpointDue) -> Event:
        self.writer.sync()
        path = checkpoints.commit(self.folder.checkpoints_path, due.step, self.trainer.save, best=due.best)
        self.status.step = due.step
        return self._record(self._checkpointed(path))

    def _checkpointed(self, path: Path) -> Checkpointed:
        best = checkpoints.named(self.folder.checkpoints_path, "best")
        place = path.relative_to(self.folder.path).as_posix()
        return Checkpointed(step=checkpoints.step_of(path), path=place, best=best == path)

    def _obey(self) -> Iterator[Event]:
        """Carry out what watchers asked for; return when the training may go on."""
        yield from self._commands()
        while self.paused and not self.interrupts.seen:
            time.sleep(PAUSE_SECONDS)
            self._beat()
            yield from self._commands()

    def _commands(self) -> Iterator[Event]:
        behind = False  # whether a setting that is to come again, and so comes first, is still waiting
        for command in control.pending(self.folder.control_path):
            if command.at > self.status.step or (behind and command.verb == "set"):
                behind = behind or command.again
                continue
            try:
                event = self._carry_out(command)
            except AatError as error:
                event = Notice(message=f"{command.verb} {command.value}: {error}", level="warning")
            said = command.id not in self.recorded
            if said:
                self._record(event)
                if command.verb == "set":  # before its file goes: see ``replaying``
                    self.writer.sync()
            command.done()
            if said:
                yield event

    def _carry_out(self, command: control.Command) -> Event:
        """Returns what to record. Raises AatError where a setting is refused."""
        event = ControlApplied(step=self.status.step, command=command.verb, by=command.by, id=command.id)
        if command.verb == "set":
            change = self.trainer.change(command.value)
            event.value, event.before = change.text, written(change.old)
        elif command.verb in ("pause", "resume"):
            self.paused = command.verb == "pause"
            self._state("paused" if self.paused else "running")
        else:
            self.trainer.control(command.verb)
        if command.verb == "stop":
            self.paused = False
            self._state("stopping")
        return event

    def _state(self, state: RunState) -> None:
        self.status.state = state
        self.status.heartbeat = time.time()
        self.folder.write_status(self.status)

    def _beat(self) -> None:
        now = time.time()
        if now - self.status.heartbeat >= HEARTBEAT_SECONDS:
            self.status.heartbeat = now
            with contextlib.suppress(OSError):  # a full disk stops the training where something is lost, not here
                self.folder.write_status(self.status, lasting=False)

    def _fail(self, error: Exception) -> Event:
        """Record the failure as far as the disk still takes it, and the batch where it came of one."""
        if isinstance(error, NotFiniteError):
            with contextlib.suppress(OSError):
                error.message += f"; its batch: {self.folder.write_batch(error.batch)}"
        hint = error.hint if isinstance(error, AatError) else self._kept()
        event = Failed(time=time.time(), error=_explain(error), hint=hint)
        with contextlib.suppress(OSError):
            self.writer.append(event)
        self.status.error = event.error
        self._end("failed")
        return event

    def _end(self, state: RunState) -> None:
        with contextlib.suppress(OSError):  # no space left: a watcher then sees that the process is gone
            self._state(state)

    def _kept(self) -> str:
        checkpoint = self.folder.latest()
        if checkpoint is None:
            return "no checkpoint was taken yet"
        return f"kept: {self.folder.name}@step-{checkpoints.step_of(checkpoint)}; --resume goes on from it"


def _explain(error: Exception) -> str:
    if isinstance(error, AatError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'run folder'}: {error.strerror}"
    return f"{type(error).__name__}: {error}"
