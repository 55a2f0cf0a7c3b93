"""Checkpoints on disk: whole or not there, whenever the writer is killed.

``checkpoints/step-00001200/`` is filled under a temporary name, synced, renamed, and last given its marker; only then
do the small text files ``latest`` and ``best`` name it. The marker holds the name of the best checkpoint at that time,
so that a training that goes on from ``latest`` also knows its ``best`` again, wherever its writer was killed.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from aat_datasets.errors import CheckpointError
from aat_workbench import durable

__all__ = ["MARKER", "commit", "complete", "named", "prune", "rewind", "step_of", "steps"]

MARKER = "complete"
_NAME = re.compile(r"step-(\d+)")


def step_of(path: Path) -> int:
    """The step in a checkpoint folder's name. Raises CheckpointError where it holds none."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise CheckpointError(f"{path}: not a checkpoint folder", "its name is step- and a number")
    return int(match[1])


def complete(path: Path) -> bool:
    """Whether a checkpoint was written to its end."""
    return (path / MARKER).is_file()


def steps(folder: Path) -> list[Path]:
    """The complete checkpoints in ``folder``, by step."""
    try:
        paths = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and complete(path)]
    except OSError:
        return []
    return sorted(paths, key=step_of)


def named(folder: Path, name: str) -> Path | None:
    """The complete checkpoint that ``latest`` or ``best`` names, ``None`` where there is none."""
    try:
        text = (folder / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    path = folder / text
    return path if _NAME.fullmatch(text) and complete(path) else None


def commit(folder: Path, step: int, fill: Callable[[Path], None], *, best: bool, keep: int = 2) -> Path:
    """Write the checkpoint of ``step``; ``fill`` writes its files into the folder it is given.

    Raises OSError; what was complete before still is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    final = folder / f"step-{step:08d}"
    temporary = folder / f".{final.name}.{secrets.token_hex(4)}"
    temporary.mkdir()
    try:
        fill(temporary)
        for path in temporary.rglob("*"):
            if path.is_file():
                durable.sync_file(path)
        durable.sync_folder(temporary)
        if final.exists():
            final.rename(folder / f".old-{secrets.token_hex(4)}")
        temporary.rename(final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    durable.sync_folder(folder)
    known = named(folder, "best")
    best_name = final.name if best or known is None else known.name
    durable.replace(final / MARKER, best_name.encode())
    durable.replace(folder / "latest", final.name.encode())
    durable.replace(folder / "best", best_name.encode())
    prune(folder, keep)
    return final


def rewind(folder: Path, path: Path) -> None:
    """Go back to checkpoint ``path``: it is the latest, its best is the best, and later ones are removed."""
    durable.replace(folder / "latest", path.name.encode())
    best = (path / MARKER).read_text(encoding="utf-8").strip()
    durable.replace(folder / "best", (best if complete(folder / best) and best else path.name).encode())
    for later in steps(folder):
        if step_of(later) > step_of(path):
            _remove(later)


def prune(folder: Path, keep: int = 2) -> None:
    """Remove all but the last ``keep`` checkpoints and those that ``latest`` and ``best`` name."""
    kept = set(steps(folder)[-keep:]) | {named(folder, "latest"), named(folder, "best")}
    for path in steps(folder):
        if path not in kept:
            _remove(path)
    sweep(folder)


def sweep(folder: Path) -> None:
    """Remove what killed writers left half done."""
    for path in folder.iterdir():
        half_done = path.name.startswith((".step-", ".old-"))
        if half_done or (_NAME.fullmatch(path.name) and path.is_dir() and not complete(path)):
            shutil.rmtree(path, ignore_errors=True)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        (path / MARKER).unlink()  # from here on it is no checkpoint, however far the removal gets
    shutil.rmtree(path, ignore_errors=True)
