"""What a watcher asks of a training: one small file a command in the run's ``control`` folder.

Files, because they work between terminals, users and machines that share nothing but the disk. A file's first line is the
command; the lines ``by NAME``, ``at STEP`` and ``again`` may follow. Its name is the command's own for ever: a record bears it.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import time
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from aat_datasets.errors import InputError, UnknownNameError
from aat_workbench import durable, liveness

__all__ = ["COMMANDS", "Command", "Verb", "asker", "clear", "parse", "pending", "put", "send"]

Verb = Literal["pause", "resume", "stop", "checkpoint", "set"]
COMMANDS: tuple[str, ...] = get_args(Verb)


class Command(msgspec.Struct, frozen=True):
    """One command.

    ``value`` is ``KEY=VALUE`` for ``set`` and empty for the others; ``by`` says who sent it; it waits for the step ``at``.
    ``again``: it was carried out there before, so that settings sent later wait behind it. ``path`` is the file it came in.
    """

    verb: Verb
    value: str = ""
    by: str = ""
    at: int = 0
    again: bool = False
    path: Path = Path()

    @property
    def id(self) -> str:
        """What tells it from every other command of its run."""
        return self.path.stem

    def done(self) -> None:
        """Take the command's file away: it has been carried out, or refused."""
        with contextlib.suppress(OSError):
            self.path.unlink()


def parse(text: str) -> Command:
    """The command in ``stop`` or ``set lr=1e-3``, and what its further lines say. Raises InputError naming what is wrong."""
    first, *more = text.strip().splitlines() or [""]
    verb, _, value = first.strip().partition(" ")
    value = value.strip()
    if verb not in COMMANDS:
        raise UnknownNameError("command", verb, COMMANDS)
    key, equals, amount = value.partition("=")
    if verb == "set" and not (equals and key.strip() and amount.strip()):
        raise InputError(f"set: expected KEY=VALUE, got {value!r}", "for example: set lr=1e-3")
    if verb != "set" and value:
        raise InputError(f"{verb} takes no value, got {value!r}")
    rest = {name: said.strip() for name, _, said in (line.partition(" ") for line in more)}
    at = rest.get("at", "0")
    if not at.isdecimal():
        raise InputError(f"at: expected a step, got {at!r}")
    return Command(cast(Verb, verb), value, rest.get("by", ""), int(at), "again" in rest)


def asker() -> str:
    """Who sends commands from here: ``NAME@HOST``."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        name = str(os.getuid())
    return f"{name}@{liveness.host()}"


def send(folder: Path, text: str, at: int = 0) -> Command:
    """Drop a command into the control folder ``folder``; it is carried out at step ``at``, or at once where that is past.

    Raises InputError where it is none or cannot be written.
    """
    command = parse(text)
    path = folder / f"{time.time_ns():020d}.cmd"
    return put(msgspec.structs.replace(command, by=asker(), at=at, path=path))


def put(command: Command) -> Command:
    """Write the file of a command. Raises InputError where it cannot be written."""
    lines = [f"{command.verb} {command.value}".strip()]
    lines += [f"by {command.by}"] if command.by else []
    lines += [f"at {command.at}"] if command.at else []
    lines += ["again"] if command.again else []
    try:
        command.path.parent.mkdir(exist_ok=True)
        durable.replace(command.path, "\n".join(lines).encode("utf-8", "replace"))
    except OSError as error:
        raise InputError(f"{command.path.parent}: {error.strerror}") from None
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
