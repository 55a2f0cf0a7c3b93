"""How many processor threads a process that computes takes."""

from __future__ import annotations

import os

from aat_datasets.errors import ConfigError

__all__ = ["cores", "default_threads", "several", "thread_settings"]


def several() -> bool:
    """Whether this process is one of several that ``torchrun`` started."""
    return int(os.environ.get("WORLD_SIZE") or "1") > 1


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_threads() -> int:
    """``AAT_THREADS``, or one less than there are processors, so that a screen beside the work stays fluid.

    Where ``torchrun`` started several processes on this machine, they share those.
    """
    given = os.environ.get("AAT_THREADS", "")
    if not given:
        return max(1, (cores() - 1) // int(os.environ.get("LOCAL_WORLD_SIZE") or "1"))
    if not given.isdecimal() or int(given) < 1:
        raise ConfigError(f"AAT_THREADS: expected a number of threads, got {given!r}")
    return int(given)


def thread_settings() -> dict[str, str]:
    """The environment variables of a process that computes, those that are set left as they are.

    They are read when torch is imported, so they are set before.
    """
    wanted = {"OMP_NUM_THREADS": str(default_threads()), "OMP_WAIT_POLICY": "PASSIVE"}
    return {name: os.environ.get(name, value) for name, value in wanted.items()}
