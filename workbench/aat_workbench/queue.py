"""Trainings that wait for their turn: at most so many at a time, first come, first served.

There is no process that keeps the queue. A training that ends begins the next one, and so does whoever looks at the runs and
finds a turn that nobody took: a trainer was killed, or the machine went down.

::

    runs/.queue/
      00001750000000000000000-NAME.json   a turn: which run, and the surroundings it was asked for in
      parallel                            how many at a time (AAT_PARALLEL goes before it)
      .lock                               held while turns are taken: two processes never begin the same run, or one too many
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec

from aat_datasets.errors import AatError, ConfigError, InputError
from aat_workbench import durable, jobs, liveness
from aat_workbench.locking import FolderLock
from aat_workbench.runs import RunFolder, list_runs
from aat_workbench.status import RunStatus

__all__ = ["advance", "enter", "leave", "parallel", "places", "set_parallel", "start_now", "take"]

PATIENCE = 5.0  # seconds to wait for another process that is taking turns
_KEPT = ("AAT_", "CUDA_VISIBLE_DEVICES")  # variables a training is begun with, whoever begins it


class Turn(msgspec.Struct):
    """One run's place, and the folder and variables it was asked for in; the name of its file orders the turns."""

    run: str
    folder: str = ""
    environment: dict[str, str] = {}


def parallel(root: Path) -> int:
    """How many trainings may be at work in the runs folder ``root`` at a time. Raises ConfigError."""
    text = os.environ.get("AAT_PARALLEL", "")
    if not text:
        try:
            text = (_folder(root) / "parallel").read_text(encoding="utf-8")
        except OSError:
            return 1
    if not text.strip().isdecimal() or int(text) < 1:
        raise ConfigError(f"AAT_PARALLEL: expected a number from 1, got {text.strip()!r}")
    return int(text)


def set_parallel(root: Path, count: int) -> None:
    """Have ``count`` trainings at a time from now on. Raises InputError where that cannot be written."""
    with _writing(root):
        durable.replace(_folder(root) / "parallel", f"{count}\n".encode())


def places(root: Path) -> dict[str, int]:
    """The runs that wait, and how many are before each of them, itself counted."""
    return {run: place for place, run in enumerate(dict.fromkeys(turn.run for _, turn in _turns(root)), start=1)}


def enter(folder: RunFolder) -> None:
    """Have a run that nobody works on wait for its turn, behind all others. Raises InputError where that cannot be written."""
    now = time.time()
    root = folder.path.parent
    with _writing(root):
        before = folder.written_status()
        folder.write_status(_queued(before, queued=now))
        kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
        turn = Turn(folder.name, str(Path.cwd()), kept)
        name = f"{time.time_ns():020d}-{folder.name}.json"
        durable.replace(_folder(root) / name, msgspec.json.encode(turn))


def leave(folder: RunFolder) -> None:
    """Take a run out of the queue; it can be resumed later. Raises InputError where it has begun already."""
    with _locked(folder.path.parent, PATIENCE):
        status = _still(folder)
        folder.write_status(msgspec.structs.replace(status, state="interrupted", queued=0.0))
        _drop(folder)


def take(folder: RunFolder) -> None:
    """Take a run out of the queue to train it here and now. Raises InputError where it has begun already."""
    with _locked(folder.path.parent, PATIENCE):
        folder.write_status(_queued(_still(folder)))
        _drop(folder)


def start_now(folder: RunFolder) -> None:
    """Begin a run that waits, whoever is before it. Raises InputError where it has begun already."""
    with _locked(folder.path.parent, PATIENCE):
        _still(folder)
        turn = next((turn for _, turn in _turns(folder.path.parent) if turn.run == folder.name), Turn(folder.name))
        _begin(turn, folder)


def advance(root: Path, patience: float = 0.0) -> list[RunFolder]:
    """Begin the runs whose turn it is; returns them. Quick where nothing waits.

    Where another process is taking turns it has ``patience`` seconds to finish; else nothing is begun here.
    """
    begun: list[RunFolder] = []
    if not _turns(root):
        return begun
    with contextlib.suppress(InputError), _locked(root, patience):
        waiting = list(_waiting(root))
        free = max(0, parallel(root) - _busy(root)) if waiting else 0
        for turn, folder in waiting[:free]:
            _begin(turn, folder)
            begun.append(folder)
    return begun


def _begin(turn: Turn, folder: RunFolder) -> None:
    folder.write_status(_queued(folder.written_status()))
    try:
        jobs.start_process(["train", "--run", folder.name, "--resume"], folder, turn.folder, turn.environment)
    except OSError as error:
        folder.write_status(RunStatus(state="failed", error=f"{error.filename or 'python'}: {error.strerror}"))
    _drop(folder)


def _queued(before: RunStatus, queued: float = 0.0) -> RunStatus:
    """A status without a process; ``queued`` makes it one that waits, else it is about to begin."""
    return RunStatus(
        state="queued",
        heartbeat=time.time(),
        queued=queued,
        step=before.step,
        total=before.total,
        metrics=before.metrics,
    )


def _still(folder: RunFolder) -> RunStatus:
    status = folder.written_status()
    if not status.waiting:
        raise InputError(f"run {folder.name} waits no more: it is {folder.status().state}")
    return status


def _waiting(root: Path) -> Iterator[tuple[Turn, RunFolder]]:
    """The turns of runs that do wait, first come first; the files of others are removed."""
    for path, turn in _turns(root):
        folder = RunFolder(root / turn.run)
        if folder.exists() and folder.written_status().waiting:
            yield turn, folder
        else:
            path.unlink(missing_ok=True)


def _busy(root: Path) -> int:
    """Trainings at work on this machine, or about to be."""
    found = [folder.status() for folder in list_runs(root)]
    return sum(status.active and not status.waiting and status.host in ("", liveness.host()) for status in found)


def _turns(root: Path) -> list[tuple[Path, Turn]]:
    found: list[tuple[Path, Turn]] = []
    try:
        paths = sorted(path for path in _folder(root).iterdir() if path.suffix == ".json" and path.name[0] != ".")
    except OSError:
        return found
    for path in paths:
        try:
            turn = msgspec.json.decode(path.read_bytes(), type=Turn)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if turn.run == Path(turn.run).name:
            found.append((path, turn))
    return found


def _drop(folder: RunFolder) -> None:
    for path, turn in _turns(folder.path.parent):
        if turn.run == folder.name:
            path.unlink(missing_ok=True)


def _folder(root: Path) -> Path:
    return root / ".queue"


@contextlib.contextmanager
def _writing(root: Path) -> Generator[None]:
    """Makes the queue's folder; an error of the system becomes one in words."""
    try:
        _folder(root).mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(f"{error.filename or root}: {error.strerror}") from None


@contextlib.contextmanager
def _locked(root: Path, patience: float) -> Generator[None]:
    """Nobody else takes turns meanwhile. Raises InputError where somebody still does after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    with _writing(root):
        while True:
            try:
                lock = FolderLock(_folder(root), "the queue")
                break
            except AatError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.02)
        try:
            yield
        finally:
            lock.release()
