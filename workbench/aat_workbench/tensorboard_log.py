"""A run's curves as TensorBoard's event files: written live into the run folder, or of a finished run.

Steps go under ``train/``, what the adversary adapts under ``adversary/``, evaluations under their split's name. Going on
from a checkpoint begins a new file with TensorBoard's own mark of a restart, behind which later steps no longer count.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from aat_datasets.errors import InputError
from aat_models.events import Evaluation, Event, Resumed, Step
from aat_workbench import liveness
from aat_workbench.foreign import tfevents
from aat_workbench.foreign.event_folder import event_files
from aat_workbench.foreign.tfrecords import framed
from aat_workbench.runs import RunFolder

__all__ = ["BoardWriter", "export"]

_ADAPTED = re.compile(r"rho_|weight_|error_|beta$|kappa$|fooled$|certified$")


class BoardWriter:
    """Appends events to a new file in ``folder``, which is made where it is missing. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / _name(folder)
        self._file = self.path.open("xb", buffering=0)
        self._write(tfevents.encode_version(time.time()))

    def take(self, event: Event) -> None:
        """Write what of ``event`` is a curve, stamped with its time. Raises OSError."""
        match event:
            case Step():
                values = {_tag(name): value for name, value in event.metrics.items()}
            case Evaluation():
                values = {f"{event.split}/{name}": value for name, value in event.metrics.items()}
            case Resumed():
                self._write(tfevents.encode_restart(event.time, event.step + 1))
                return
            case _:
                return
        if values:
            self._write(tfevents.encode(event.time, event.step, values))

    def _write(self, message: bytes) -> None:
        record = memoryview(framed(message))
        while record:  # an unbuffered write may take less than all of it
            record = record[self._file.write(record) or 0 :]

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> BoardWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _tag(name: str) -> str:
    return f"{'adversary' if _ADAPTED.match(name) else 'train'}/{name}"


def _name(folder: Path) -> str:
    """A name behind those that are there: TensorBoard reads a run's files by name, and that must be by time."""
    times = [int(found[1]) for path in event_files(folder) if (found := re.search(r"tfevents\.(\d+)\.", path.name))]
    host = re.sub(r"[^\w-]", "-", liveness.host()) or "host"
    return (
        f"events.out.tfevents.{max([int(time.time()), *(moment + 1 for moment in times)]):010d}.{host}.{os.getpid()}.0"
    )


def export(folders: Iterable[RunFolder], out: Path) -> list[Path]:
    """Write the curves of runs below ``out``, a folder a run, each in one step; returns these folders.

    One that is there already is replaced where event files are all it holds. Raises InputError where it holds anything
    else, a run has no curves yet, or nothing can be written there.
    """
    made: list[Path] = []
    for folder in folders:
        target = out / folder.name
        try:
            if target.exists() and (not target.is_dir() or set(target.iterdir()) != set(event_files(target))):
                raise InputError(f"{target} is there already, and holds more than event files", "name another --out")
            _export(folder, target)
        except OSError as error:
            raise InputError(f"{error.filename or target}: {error.strerror}", "nothing can be written there") from None
        made.append(target)
    return made


def _export(folder: RunFolder, target: Path) -> None:
    records = [record for record in folder.history() if isinstance(record, Step | Evaluation)]
    if not records:
        raise InputError(f"run {folder.name} has no curves yet", "nothing was recorded so far")
    partial = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        with BoardWriter(partial) as writer:
            for record in records:
                writer.take(record)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(target)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
