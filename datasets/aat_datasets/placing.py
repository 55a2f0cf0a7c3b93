"""A folder that appears whole: written under another name beside its place, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from pathlib import Path

from aat_datasets.errors import DataError

__all__ = ["place", "sweep", "temporary"]

_STALE = 24 * 3600  # seconds after which an abandoned temporary folder is removed


def place(work: Path, folder: Path) -> None:
    """Rename the finished folder into place; the last of two processes wins, both having written the same."""
    marker = work / "meta.json"
    with marker.open("rb+") as file:
        os.fsync(file.fileno())
    for _ in range(20):
        if folder.exists():
            old = temporary(folder)
            with contextlib.suppress(FileNotFoundError):  # another process moved it first
                folder.rename(old / "was")
            shutil.rmtree(old, ignore_errors=True)
        try:
            work.rename(folder)
            return
        except OSError:
            if not folder.exists():
                raise
            time.sleep(0.01)
    raise DataError(f"{folder}: another process keeps writing it")


def temporary(folder: Path) -> Path:
    """A new folder beside ``folder``, with the permissions of the user's umask (mkdtemp would shut others out)."""
    work = folder.parent / f".tmp-{folder.name}-{os.getpid()}-{secrets.token_hex(4)}"
    work.mkdir()
    return work


def sweep(root: Path) -> None:
    """Remove temporary folders that a killed process left a day ago."""
    for left in root.glob(".tmp-*"):
        try:
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue  # its owner removed it just now
