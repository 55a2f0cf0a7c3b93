"""Which process a status speaks of, and whether it still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path

__all__ = ["alive", "host", "process_start"]


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


def process_start(pid: int) -> int:
    """When process ``pid`` began, in clock ticks since boot; 0 where the system does not say.

    A number of a process is used again after its end; the pair of number and start is not.
    """
    fields = _stat(pid)
    return int(fields[19]) if fields else 0


def alive(pid: int, start: int = 0) -> bool:
    """Whether process ``pid`` of this machine runs, and is the one that began at ``start`` (0: any).

    An ended process whose parent has not yet asked for its exit code counts as ended.
    """
    if pid <= 0:
        return False
    fields = _stat(pid)
    if fields:
        return fields[0] not in ("Z", "X") and (start == 0 or int(fields[19]) == start)
    if Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it lives, and belongs to somebody else
    return True


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the state on (proc(5), field 3); empty where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the name in field 2 may hold spaces and parentheses
