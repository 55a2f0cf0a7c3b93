"""What a watcher asks of a training: one small file a command in the run's ``control`` folder.

Files, because they work between terminals, users and machines that share nothing but the disk.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from aat_datasets.errors import InputError, UnknownNameError
from aat_workbench import durable

__all__ = ["COMMANDS", "Command", "Verb", "clear", "parse", "pending", "send"]

Verb = Literal["pause", "resume", "stop", "checkpoint", "set"]
COMMANDS: tuple[str, ...] = get_args(Verb)


class Command(msgspec.Struct, frozen=True):
    """One command; ``value`` is ``KEY=VALUE`` for ``set`` and empty for the others; ``path`` the file it came in."""

    verb: Verb
    value: str = ""
    path: Path = Path()

    def done(self) -> None:
        """Take the command's file away: it has been carried out, or refused."""
        with contextlib.suppress(OSError):
            self.path.unlink()


def parse(text: str) -> Command:
    """The command in ``stop`` or ``set lr=1e-3``. Raises InputError naming what is wrong."""
    verb, _, value = text.strip().partition(" ")
    value = value.strip()
    if verb not in COMMANDS:
        raise UnknownNameError("command", verb, COMMANDS)
    key, equals, amount = value.partition("=")
    if verb == "set" and not (equals and key.strip() and amount.strip()):
        raise InputError(f"set: expected KEY=VALUE, got {value!r}", "for example: set lr=1e-3")
    if verb != "set" and value:
        raise InputError(f"{verb} takes no value, got {value!r}")
    return Command(cast(Verb, verb), value)


def send(folder: Path, text: str) -> Command:
    """Drop a command into the control folder ``folder``. Raises InputError where it is none or cannot be written."""
    command = parse(text)
    try:
        folder.mkdir(exist_ok=True)
        durable.replace(folder / f"{time.time_ns():020d}.cmd", text.strip().encode())
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from None
    return command


def pending(folder: Path) -> list[Command]:
    """The commands not yet carried out, oldest first. A file that is no command is set aside as ``*.bad``."""
    found: list[Command] = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".cmd")
    except OSError:
        return found
    for path in paths:
        try:
            command = parse(path.read_text(encoding="utf-8", errors="replace"))
        except InputError:
            with contextlib.suppress(OSError):
                path.rename(path.with_suffix(".bad"))
        except OSError:
            continue  # another reader was first
        else:
            found.append(msgspec.structs.replace(command, path=path))
    return found


def clear(folder: Path) -> None:
    """Forget commands that were meant for an earlier process."""
    for command in pending(folder):
        command.done()
