"""Settings that a training took and no checkpoint holds: it takes them again, at the same steps, when it goes on.

The records are the truth: a setting's record is on disk before its command's file goes. A training that goes on from a
checkpoint finds those after it and has them wait, as commands for their steps, so that it becomes what it was to become.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from aat_models import events
from aat_models.events import Checkpointed, ControlApplied
from aat_workbench import control
from aat_workbench.control import Command

__all__ = ["take_again"]


def take_again(events_path: Path, folder: Path, step: int | None) -> set[str]:
    """Put the settings that the checkpoint of ``step`` does not hold back into the control folder ``folder``.

    ``step`` is None where there is no checkpoint. Commands whose effect it holds are taken away. Returns the ids of those that
    wait, but whose records still count: they are not to be recorded again. Raises InputError.
    """
    held: set[str] = set()
    after: dict[str, ControlApplied] = {}
    for record in _records(events_path):
        if isinstance(record, ControlApplied):
            if record.id not in held:
                after.setdefault(record.id, record)
        elif record.step == step:
            held |= after.keys()
            after.clear()
    for command in control.pending(folder):
        if command.id in held:
            command.done()
    for id, record in after.items():
        control.put(Command("set", record.value, record.by, record.step, True, folder / f"{id}.cmd"))
    return {id for id, record in after.items() if step is not None and record.step <= step}


def _records(path: Path) -> Iterator[ControlApplied | Checkpointed]:
    """Every setting and checkpoint ever recorded, those a later resume took back too."""
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        for line in file:
            if b'"control"' not in line and b'"checkpoint"' not in line:  # spares reading millions of others
                continue
            try:
                record = events.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            if isinstance(record, Checkpointed) or (
                isinstance(record, ControlApplied) and record.command == "set" and record.id
            ):
                yield record
