"""Evaluations on disk: ``$AAT_RUNS/_evaluations/evaluation-K/evaluation.json``, one table each."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.errors import InputError
from aat_workbench import durable

__all__ = ["evaluations_root", "keep", "read"]


def evaluations_root(runs_root: Path | None = None) -> Path:
    """The folder evaluations are kept in."""
    from aat_workbench.runs import runs_root as default_root

    return (runs_root or default_root()) / "_evaluations"


def keep(table: dict[str, Any], root: Path) -> Path:
    """A new folder with the table, which learns its path. Raises InputError where it cannot be written."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = root / f"evaluation-{number}"
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                break
            number += 1
        table["path"] = str(path)
        durable.replace(path / "evaluation.json", msgspec.json.format(msgspec.json.encode(table)) + b"\n")
    except OSError as error:
        raise InputError(f"{error.filename or root}: {error.strerror}", "the table cannot be kept") from None
    return path


def read(path: Path) -> dict[str, Any]:
    """The table in an evaluation's folder. Raises InputError where there is none."""
    try:
        return msgspec.json.decode((path / "evaluation.json").read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise InputError(f"{path}: not an evaluation's folder", "it has no evaluation.json that can be read") from None
