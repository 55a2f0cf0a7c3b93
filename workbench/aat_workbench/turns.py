"""The turns of trainings that wait, as files in the runs folder; ``queue`` says whose turn it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from aat_datasets.errors import AatError, InputError
from aat_workbench.locking import FolderLock
from aat_workbench.status import RunStatus

if TYPE_CHECKING:
    from aat_workbench.runs import RunFolder

__all__ = ["PATIENCE", "Turn", "drop", "folder_of", "leave", "locked", "still", "turns", "unbegun", "writing"]

PATIENCE = 5.0  # seconds to wait for another process that is taking turns


class Turn(msgspec.Struct):
    """One run's place, and the folder and variables it was asked for in; the name of its file orders the turns."""

    run: str
    folder: str = ""
    environment: dict[str, str] = {}


def folder_of(root: Path) -> Path:
    """Where the turns of the runs in ``root`` are kept."""
    return root / ".queue"


def turns(root: Path) -> list[tuple[Path, Turn]]:
    """The turns with their files, first come first; a file that cannot be read is none."""
    found: list[tuple[Path, Turn]] = []
    try:
        paths = sorted(path for path in folder_of(root).iterdir() if path.suffix == ".json" and path.name[0] != ".")
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


def drop(folder: RunFolder) -> None:
    """Remove the turns of a run, whatever its status."""
    for path, turn in turns(folder.path.parent):
        if turn.run == folder.name:
            path.unlink(missing_ok=True)


def still(folder: RunFolder) -> RunStatus:
    """The status of a run that waits. Raises InputError where it does not any more."""
    status = folder.written_status()
    if not status.waiting:
        raise InputError(f"run {folder.name} waits no more: it is {folder.status().state}")
    return status


def unbegun(before: RunStatus, queued: float = 0.0) -> RunStatus:
    """A status without a process; ``queued`` makes it one that waits, else it is about to begin."""
    return RunStatus(
        state="queued",
        heartbeat=time.time(),
        queued=queued,
        step=before.step,
        total=before.total,
        metrics=before.metrics,
    )


def leave(folder: RunFolder) -> None:
    """Take a run out of the queue; it can be resumed later. Raises InputError where it has begun already."""
    with locked(folder.path.parent, PATIENCE):
        status = still(folder)
        folder.write_status(msgspec.structs.replace(status, state="interrupted", queued=0.0))
        drop(folder)


@contextlib.contextmanager
def writing(root: Path) -> Generator[None]:
    """Makes the queue's folder; an error of the system becomes one in words."""
    try:
        folder_of(root).mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(f"{error.filename or root}: {error.strerror}") from None


@contextlib.contextmanager
def locked(root: Path, patience: float) -> Generator[None]:
    """Nobody else takes turns meanwhile. Raises InputError where somebody still does after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    with writing(root):
        while True:
            try:
                lock = FolderLock(folder_of(root), "the queue")
                break
            except AatError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.02)
        try:
            yield
        finally:
            lock.release()
