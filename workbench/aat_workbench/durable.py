"""Files that are either the old or the new ones, never half of one, whenever the power goes."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

__all__ = ["replace", "sync_file", "sync_folder"]


def replace(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Put ``content`` at ``path`` in one step: a reader sees the old file or the new one.

    ``durable`` waits until the disk has it; a heartbeat, which the next one replaces, need not.
    Raises OSError; then the old file stands and no temporary one is left.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Wait until the disk has what was written to ``path``."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names in ``path``; some network disks cannot, and need not, be asked."""
    with contextlib.suppress(OSError):
        sync_file(path)
