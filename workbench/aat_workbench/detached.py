"""Processes of one's own that outlive the terminal they were started from.

A session of their own, nothing shared with the terminal, everything printed goes to a log; they take one processor thread
less than there are, wait passively and are nice, so that the screen beside them stays fluid.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import aat_datasets
import aat_models
from aat_workbench.threads import several, thread_settings

__all__ = ["child_environment", "start_process"]

NICE = 10
# What torchrun tells its processes: a training begun by one of them is none of them.
_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_", "GROUP_", "ROLE_", "MASTER_", "TORCHELASTIC_")
_children: list[subprocess.Popen[bytes]] = []  # kept so that their exit codes are collected


def child_environment(root: Path | None = None) -> dict[str, str]:
    """This process's environment for a child that computes: thread settings, and the packages this process uses."""
    own = {name: value for name, value in os.environ.items() if not (several() and name.startswith(_TORCHRUN))}
    environment = {**own, **thread_settings()}
    packages = [Path(aat_datasets.__path__[0]), Path(aat_models.__path__[0]), Path(__file__).parent]
    folders = {str(package.parent) for package in packages}
    inherited = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join([*sorted(folders), *([inherited] if inherited else [])])
    if root is not None:
        environment["AAT_RUNS"] = str(root.absolute())
    return environment


def start_process(
    arguments: list[str], log_path: Path, root: Path, where: str = "", environment: Mapping[str, str] | None = None
) -> int:
    """Start ``aat-workbench ARGUMENTS`` detached, on the runs in ``root``, printing into a log; returns the process's number.

    ``where`` is the folder it works in and ``environment`` variables that go before this process's own. Raises OSError.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    with log_path.open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "aat_workbench.cli.main", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**child_environment(root), **(environment or {}), "AAT_RUNS": str(root.absolute())},
            cwd=where if where and Path(where).is_dir() else None,
            start_new_session=True,
        )
    _children.append(child)
    with contextlib.suppress(OSError, AttributeError):  # not on every system; the training runs without it
        os.setpriority(os.PRIO_PROCESS, child.pid, NICE)
    return child.pid
