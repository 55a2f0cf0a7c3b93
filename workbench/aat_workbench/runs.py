"""Runs on disk: one folder a run, made so that any number of watchers may read while one process writes.

::

    runs/sst2-bilstm-aat-1/
      config.toml     complete and resolved: running it again reproduces the run
      events.jsonl    what happened, one record a line (eventlog.py)
      status.json     what is happening (RunStatus), replaced in one step
      control/        what watchers ask for, one small file a command (control.py)
      checkpoints/    step-00001200/ …, and the files latest and best that name one (checkpoints.py)
      attacks/        one folder an attack
      log.txt         what a detached process printed
      tensorboard/    the curves again, where train.tensorboard asks for them (tensorboard_log.py)
      curves.jsonl    a digest of a long events.jsonl; may be deleted (curve_digest.py)
      not-finite-00000012.json   the batch on which a loss or gradient was not a number

A folder of runs may be the mirror of another host's: ``mount`` says so, and what is asked of a run in it goes to the
host. Nothing here imports torch.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from aat_datasets.errors import CheckpointError, InputError, UnknownNameError
from aat_datasets.preprocess import normal_steps
from aat_datasets.shelf import card
from aat_models import config as configs
from aat_models import live
from aat_models.config import Config, DataConfig
from aat_models.events import Event
from aat_workbench import checkpoints, control, durable, turns
from aat_workbench.eventlog import EventTail, RunWriter, drop_after, history
from aat_workbench.status import RunState, RunStatus
from aat_workbench.threads import default_threads

__all__ = [
    "Elsewhere",
    "EventTail",
    "RunFolder",
    "RunState",
    "RunStatus",
    "RunWriter",
    "drop_after",
    "elsewhere",
    "find_run",
    "history",
    "in_its_language",
    "list_runs",
    "mount",
    "resolve",
    "resolve_target",
    "runs_root",
]

_NAME = re.compile(r"[^\W_][\w.+-]{0,99}")


class Elsewhere(Protocol):
    """A host whose runs are mirrored here. What is asked of a run is on its way when a method returns."""

    @property
    def place(self) -> str:
        """What the host is called in messages."""
        ...

    def send(self, run: str, command: str, at: int = 0) -> None: ...

    def resume(self, run: str, queued: bool = False) -> None: ...

    def note(self, run: str, text: str, tags: list[str]) -> None: ...

    def remove(self, run: str) -> None: ...


_mounted: dict[Path, Elsewhere] = {}


def mount(root: Path, host: Elsewhere | None) -> None:
    """From now on the folder of runs ``root`` is the mirror of a host's; None: no longer."""
    if host is None:
        _mounted.pop(root, None)
    else:
        _mounted[root] = host


def elsewhere(root: Path) -> Elsewhere | None:
    """The host whose runs the folder ``root`` mirrors; None for runs of this machine."""
    return _mounted.get(root) if _mounted else None


class RunFolder:
    """One run's folder.

    Args:
        path: the folder; see ``create`` for a new one and ``open`` for one that must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.events_path = path / "events.jsonl"
        self.status_path = path / "status.json"
        self.config_path = path / "config.toml"
        self.control_path = path / "control"
        self.checkpoints_path = path / "checkpoints"
        self.attacks_path = path / "attacks"
        self.log_path = path / "log.txt"
        self.tensorboard_path = path / "tensorboard"

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @classmethod
    def create(cls, config: Config, root: Path | None = None) -> RunFolder:
        """Make the folder of a new run, queued, under the name in ``config.run`` or the next free one.

        Raises InputError where the name is taken or unfit, the folder cannot be written, or a dataset that augments
        does not fit.
        """
        root = root or runs_root()
        if host := elsewhere(root):
            raise InputError(f"{root} mirrors the runs of {host.place}", "a run begins there, not here")
        config = _pinned(config)
        try:
            root.mkdir(parents=True, exist_ok=True)
            path = _claim(root, config)
            config = resolve(config, path.name)
            (path / "control").mkdir()
            folder = cls(path)
            durable.replace(folder.config_path, configs.dump(config).encode())
            folder.write_status(RunStatus(state="queued", heartbeat=time.time()))
        except OSError as error:
            where = error.filename or root
            raise InputError(f"{where}: {error.strerror}", "AAT_RUNS names the folder runs are kept in") from None
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run in the folder ``path``. Raises InputError where there is none."""
        folder = cls(path)
        if not folder.exists():
            raise InputError(f"{path}: not a run folder", "it has no config.toml")
        return folder

    def exists(self) -> bool:
        return self.config_path.is_file()

    @property
    def config(self) -> Config:
        """The run's config. Raises ConfigError."""
        return configs.load(self.config_path)

    def written_status(self) -> RunStatus:
        """The status as its process last wrote it; ``interrupted`` where there is none that can be read."""
        try:
            return msgspec.json.decode(self.status_path.read_bytes(), type=RunStatus)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return RunStatus()

    def status(self) -> RunStatus:
        """The status as a watcher should show it: see ``RunStatus.as_seen``. Of a mirrored run, the host has judged."""
        written = self.written_status()
        return written if elsewhere(self.path.parent) else written.as_seen(time.time())

    def write_status(self, status: RunStatus, *, lasting: bool = True) -> None:
        """Replace the status in one step. Raises OSError."""
        durable.replace(self.status_path, msgspec.json.encode(status), durable=lasting)

    def writer(self) -> RunWriter:
        """The appender to ``events.jsonl``; only the run's own process has one."""
        return RunWriter(self.events_path)

    def tail(self) -> EventTail:
        """A new incremental reader of the events."""
        return EventTail(self.events_path)

    def write_batch(self, batch: dict[str, Any]) -> Path:
        """Keep the batch that a training failed on; see ``aat_datasets.errors.NotFiniteError``. Raises OSError."""
        path = self.path / f"not-finite-{batch['step']:08d}.json"
        durable.replace(path, msgspec.json.format(msgspec.json.encode(batch)) + b"\n")
        return path

    def history(self) -> list[Event]:
        """Every record that still counts."""
        return history(self.events_path)

    def send(self, command: str, at: int = 0) -> None:
        """Ask the run's process for ``pause``, ``resume``, ``stop``, ``checkpoint`` or ``set KEY=VALUE``.

        It is carried out at step ``at``, or at once where that is past.
        Raises InputError where it is no command, or no process is there to hear it; ConfigError or UnknownNameError where
        the key may not change while training, or its value is unfit.
        """
        asked = control.parse(command)
        status = self.status()
        if not status.active:
            raise InputError(f"run {self.name} is not running: {status.state}")
        if asked.verb == "set":
            live.change(self.config, asked.value)
        if host := elsewhere(self.path.parent):
            host.send(self.name, command, at)
            return
        if status.waiting and asked.verb != "set":
            if asked.verb != "stop":
                raise InputError(f"run {self.name} waits for its turn", "stop takes it out of the queue")
            turns.leave(self)
            return
        control.send(self.control_path, command, at)

    def latest(self) -> Path | None:
        """The checkpoint to go on from: the one ``latest`` names, or else the newest complete one."""
        return checkpoints.named(self.checkpoints_path, "latest") or next(reversed(self.steps()), None)

    def best(self) -> Path | None:
        """The best checkpoint, or else the latest."""
        return checkpoints.named(self.checkpoints_path, "best") or self.latest()

    def steps(self) -> list[Path]:
        """The complete checkpoints, by step."""
        return checkpoints.steps(self.checkpoints_path)

    def checkpoint(self, which: str = "best") -> Path:
        """The checkpoint folder for ``best``, ``latest`` or ``step-1200``. Raises CheckpointError."""
        if which in ("best", "latest"):
            path = self.best() if which == "best" else self.latest()
            if path is None:
                raise CheckpointError(f"run {self.name} has no checkpoint yet", f"its state is {self.status().state}")
            return path
        match = re.fullmatch(r"step-(\d+)", which)
        found = self.steps()
        if match is None:
            raise CheckpointError(f"{self.name}@{which}: no such checkpoint", "use best, latest or step-NUMBER")
        for path in found:
            if checkpoints.step_of(path) == int(match[1]):
                return path
        there = ", ".join(f"step-{checkpoints.step_of(path)}" for path in found) or "none"
        raise CheckpointError(f"run {self.name} has no checkpoint {which}", f"there: {there}")

    def remove(self) -> None:
        """Delete the folder. Raises InputError where the run is at work or the folder cannot be deleted."""
        status = self.status()
        if status.active and not status.waiting:
            raise InputError(f"run {self.name} is {status.state}", f"first: runs control {self.name} stop")
        if host := elsewhere(self.path.parent):
            host.remove(self.name)
            return
        if status.waiting:
            turns.leave(self)
        try:
            shutil.rmtree(self.path)
        except OSError as error:
            raise InputError(f"{error.filename or self.path}: {error.strerror}") from None


def runs_root() -> Path:
    """The folder runs are kept in: ``AAT_RUNS``, or ``./runs``."""
    return Path(os.environ.get("AAT_RUNS") or "runs")


def resolve(config: Config, name: str) -> Config:
    """``config`` with everything filled in that it left open: the run's name, the number of threads, the preprocessing."""
    threads = config.train.threads or default_threads()
    return msgspec.structs.replace(
        in_its_language(config), run=name, train=msgspec.structs.replace(config.train, threads=threads)
    )


def in_its_language(config: Config) -> Config:
    """``config`` with the preprocessing of its dataset's language, where it asks for none of its own."""
    if config.data.preprocess != DataConfig().preprocess:
        return config
    try:
        steps = list(normal_steps(card(config.data.dataset).language))
    except InputError:  # whoever opens the dataset says what is wrong with it
        return config
    return msgspec.structs.replace(config, data=msgspec.structs.replace(config.data, preprocess=steps))


def list_runs(root: Path | None = None) -> list[RunFolder]:
    """The runs in ``root``, newest first. A root that is not there, or cannot be read, holds none."""
    try:
        folders = [RunFolder(path) for path in (root or runs_root()).iterdir() if _NAME.fullmatch(path.name)]
        return sorted((f for f in folders if f.exists()), key=lambda f: (-_born(f), f.name))
    except OSError:
        return []


def find_run(name: str, root: Path | None = None) -> RunFolder:
    """The run of that name, or in the folder of that path. Raises UnknownNameError with the nearest names."""
    folder = RunFolder((root or runs_root()) / name)
    if _NAME.fullmatch(name) and folder.exists():
        return folder
    folder = RunFolder(Path(name))
    if os.sep in name and folder.exists():
        return folder
    raise UnknownNameError("run", name, (folder.name for folder in list_runs(root)))


def resolve_target(target: str, root: Path | None = None) -> Path:
    """The checkpoint folder for ``RUN``, ``RUN@latest``, ``RUN@step-1200``, a run's folder or a checkpoint's folder.

    Without ``@…`` it is the run's best. Raises UnknownNameError or CheckpointError.
    """
    path = Path(target)
    if (path / "model.safetensors").is_file():
        return path
    name, at, which = target.rpartition("@")
    return find_run(name if at else target, root).checkpoint(which if at else "best")


def _pinned(config: Config) -> Config:
    """``config`` with the datasets that augment by their fingerprint: what is in them may change, the run may not."""
    if not config.data.augment:
        return config
    from aat_datasets.catalog import open_dataset
    from aat_models.augment import pinned

    entries = pinned(config.data.augment, open_dataset(config.data.dataset))
    data = msgspec.structs.replace(config.data, augment=entries)
    return msgspec.structs.replace(config, data=data)


def _born(folder: RunFolder) -> float:
    try:
        return folder.config_path.stat().st_mtime
    except OSError:
        return 0.0


def _claim(root: Path, config: Config) -> Path:
    """Make the run's folder: exactly one of two processes that ask for the same name gets it."""
    if config.run:
        if not _NAME.fullmatch(config.run):
            hint = "letters, digits and . _ + - only, a letter or digit first"
            raise InputError(f"run name {config.run!r} is unfit", hint)
        path = root / config.run
        try:
            path.mkdir()
        except FileExistsError:
            raise InputError(
                f"run {config.run} exists already", f"--resume goes on with it; runs rm {config.run} deletes it"
            ) from None
        return path
    for name in _names(config):
        try:
            (root / name).mkdir()
        except FileExistsError:
            continue
        return root / name
    raise InputError(f"{root}: no free name for the run", "give one with --run")


def _names(config: Config) -> Iterable[str]:
    parts = (config.data.dataset, config.model.encoder, config.adversary.name)
    stem = re.sub(r"[^\w.+-]", "-", "-".join(parts)).lstrip("_.+-") or "run"
    return (f"{stem[:90]}-{number}" for number in range(1, 100_000))
