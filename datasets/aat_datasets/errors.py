"""Every error a user can cause, in one tree, for all three packages.

::

    AatError                      base; never raised itself
    ├── InputError                wrong input; one line, exit code 2
    │   ├── UnknownNameError      a dataset, recipe, run, model … that does not exist; offers the nearest names
    │   ├── ConfigError           a config key of the wrong name, type or range
    │   ├── DataError             a file, column, label, split or checksum that does not fit
    │   ├── CheckpointError       a checkpoint that is absent, truncated or of another architecture
    │   ├── HostError             another host that cannot be reached, or has not got this package in this version
    │   └── VictimError           a model under attack that answers wrongly or not at all
    ├── CertificateError          an attack broke what was proved unbreakable; exit code 1
    ├── EngineError               the engine process failed or went away; exit code 1
    └── TrainingError             training cannot go on (no space left, another process of it gone); exit code 1
        └── NotFiniteError        a loss or gradient is not a number; carries the batch

The message says what is wrong and where; ``hint`` says what to do. Neither holds a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "AatError",
    "CertificateError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "EngineError",
    "HostError",
    "InputError",
    "NotFiniteError",
    "RejectsError",
    "TrainingError",
    "UnknownNameError",
    "VictimError",
    "named",
]


class AatError(Exception):
    """Base of the tree.

    Args:
        message: one line: what is wrong, and where.
        hint: one line: what to do about it; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InputError(AatError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class UnknownNameError(InputError):
    """A name that is not among the known ones.

    Args:
        kind: what was looked for, as a word a user knows: ``dataset``, ``recipe``, ``run``.
        name: what was given.
        known: the names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        if near:
            hint = "did you mean " + " or ".join(near) + "?"
        elif names:
            shown = ", ".join(names[:12])
            hint = f"known: {shown}" + (" …" if len(names) > 12 else "")
        else:
            hint = f"there is no {kind} yet"
        super().__init__(f"no {kind} named {name!r}", hint)
        self.kind = kind
        self.name = name


class ConfigError(InputError):
    """A config key of the wrong name, type or range."""


class DataError(InputError):
    """A file, column, label, split or checksum that does not fit."""


class RejectsError(DataError):
    """More lines of the files are rejected than is let pass unasked; asked, the rest is kept."""


class CheckpointError(InputError):
    """A checkpoint that is absent, truncated, or of another architecture."""


class HostError(InputError):
    """Another host that cannot be reached, refuses the key, or has not got this package in this version."""


class VictimError(InputError):
    """A model under attack that answers wrongly or not at all."""


class CertificateError(AatError):
    """An attack broke a text that was certified, or an accuracy lies on the wrong side of a certified one."""


class EngineError(AatError):
    """The engine process failed, went away, or speaks another version."""


class TrainingError(AatError):
    """Training cannot go on."""


class NotFiniteError(TrainingError):
    """A loss or a gradient is infinite or not a number.

    Args:
        message, hint: as for all of them.
        batch: what it was met on, plain values: step, stage, figures, and the examples with row, label, ids and text.
    """

    def __init__(self, message: str, hint: str, batch: dict[str, Any]) -> None:
        super().__init__(message, hint)
        self.batch = batch


def named(kind: str, message: str, hint: str = "") -> AatError:
    """The error of the tree whose class is called ``kind``, as another process told it; an EngineError where it is none."""
    found = globals().get(kind)
    of_the_tree = found if isinstance(found, type) and issubclass(found, AatError) else EngineError
    made = of_the_tree.__new__(of_the_tree)
    AatError.__init__(made, message, hint)  # UnknownNameError's own would make the message again
    return made
