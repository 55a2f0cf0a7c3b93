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
from collections.abc import Iterator
from pathlib import Path

import msgspec

from aat_datasets.errors import ConfigError, InputError
from aat_workbench import detached, durable, liveness
from aat_workbench.runs import RunFolder, list_runs
from aat_workbench.status import RunStatus
from aat_workbench.turns import PATIENCE, Turn, drop, folder_of, locked, still, turns, unbegun, writing

__all__ = ["advance", "enter", "parallel", "places", "set_parallel", "start_now", "take"]

_KEPT = ("AAT_", "CUDA_VISIBLE_DEVICES")  # variables a training is begun with, whoever begins it


def parallel(root: Path) -> int:
    """How many trainings may be at work in the runs folder ``root`` at a time. Raises ConfigError."""
    text = os.environ.get("AAT_PARALLEL", "")
    if not text:
        try:
            text = (folder_of(root) / "parallel").read_text(encoding="utf-8")
        except OSError:
            return 1
    if not text.strip().isdecimal() or int(text) < 1:
        raise ConfigError(f"AAT_PARALLEL: expected a number from 1, got {text.strip()!r}")
    return int(text)


def set_parallel(root: Path, count: int) -> None:
    """Have ``count`` trainings at a time from now on. Raises InputError where that cannot be written."""
    with writing(root):
        durable.replace(folder_of(root) / "parallel", f"{count}\n".encode())


def places(root: Path) -> dict[str, int]:
    """The runs that wait, and how many are before each of them, itself counted."""
    return {run: place for place, run in enumerate(dict.fromkeys(turn.run for _, turn in turns(root)), start=1)}


def enter(folder: RunFolder) -> None:
    """Have a run that nobody works on wait for its turn, behind all others. Raises InputError where that cannot be written."""
    now = time.time()
    root = folder.path.parent
    with writing(root):
        before = folder.written_status()
        folder.write_status(unbegun(before, queued=now))
        kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
        turn = Turn(folder.name, str(Path.cwd()), kept)
        name = f"{time.time_ns():020d}-{folder.name}.json"
        durable.replace(folder_of(root) / name, msgspec.json.encode(turn))


def take(folder: RunFolder) -> None:
    """Take a run out of the queue to train it here and now. Raises InputError where it has begun already."""
    with locked(folder.path.parent, PATIENCE):
        folder.write_status(unbegun(still(folder)))
        drop(folder)


def start_now(folder: RunFolder) -> None:
    """Begin a run that waits, whoever is before it. Raises InputError where it has begun already."""
    with locked(folder.path.parent, PATIENCE):
        still(folder)
        turn = next((turn for _, turn in turns(folder.path.parent) if turn.run == folder.name), Turn(folder.name))
        _begin(turn, folder)


def advance(root: Path, patience: float = 0.0) -> list[RunFolder]:
    """Begin the runs whose turn it is; returns them. Quick where nothing waits.

    Where another process is taking turns it has ``patience`` seconds to finish; else nothing is begun here.
    """
    begun: list[RunFolder] = []
    if not turns(root):
        return begun
    with contextlib.suppress(InputError), locked(root, patience):
        waiting = list(_waiting(root))
        free = max(0, parallel(root) - _busy(root)) if waiting else 0
        for turn, folder in waiting[:free]:
            _begin(turn, folder)
            begun.append(folder)
    return begun


def _begin(turn: Turn, folder: RunFolder) -> None:
    folder.write_status(unbegun(folder.written_status()))
    arguments = ["train", "--run", folder.name, "--resume"]
    try:
        detached.start_process(arguments, folder.log_path, folder.path.parent, turn.folder, turn.environment)
    except OSError as error:
        folder.write_status(RunStatus(state="failed", error=f"{error.filename or 'python'}: {error.strerror}"))
    drop(folder)


def _waiting(root: Path) -> Iterator[tuple[Turn, RunFolder]]:
    """The turns of runs that do wait, first come first; the files of others are removed."""
    for path, turn in turns(root):
        folder = RunFolder(root / turn.run)
        if folder.exists() and folder.written_status().waiting:
            yield turn, folder
        else:
            path.unlink(missing_ok=True)


def _busy(root: Path) -> int:
    """Trainings at work on this machine, or about to be."""
    found = [folder.status() for folder in list_runs(root)]
    return sum(status.active and not status.waiting and status.host in ("", liveness.host()) for status in found)
