"""One writer to a folder: a lock the system lets go of when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from aat_datasets.errors import InputError
from aat_workbench import liveness

__all__ = ["FolderLock"]

_NAME = ".lock"
_HELD = (errno.EACCES, errno.EAGAIN)


class FolderLock:
    """An exclusive lock on a folder (flock(2) on a file in it), held until ``release`` or the process's end.

    Another process is kept out, and so is a second lock in this one. The file stays: what it holds (the process and its
    machine) is for the message only. A file system without such locks is written to without one.

    Args:
        folder: the folder.
        what: what it holds, for the message.

    Raises InputError naming the holder where there is one; OSError where the folder cannot be written.
    """

    def __init__(self, folder: Path, what: str) -> None:
        self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 200, 0).decode("utf-8", "replace").strip()
            if error.errno in _HELD:
                self.release()
                raise InputError(
                    f"{what} is under way in {holder or 'another process'}", "wait until it ends, or stop it there"
                ) from None
        with contextlib.suppress(OSError):  # a full disk costs the name in the message, and the writer will tell
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"process {os.getpid()} on {liveness.host()}\n".encode(), 0)

    def release(self) -> None:
        """Lets go; more than once is no harm."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
