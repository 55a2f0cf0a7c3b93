"""Trainings as processes of their own: they outlive the terminal they were started from.

A session of their own, nothing shared with the terminal, everything printed goes to the run's ``log.txt``; they take
one processor thread less than there are, wait passively and are nice, so that the screen beside them stays fluid.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import aat_datasets
import aat_models
from aat_datasets.errors import InputError
from aat_models.config import Config
from aat_workbench.runs import RunFolder, elsewhere, runs_root
from aat_workbench.status import RunStatus
from aat_workbench.threads import thread_settings

__all__ = ["child_environment", "resume_training", "start_demo", "start_process", "start_training"]

NICE = 10
_children: list[subprocess.Popen[bytes]] = []  # kept so that their exit codes are collected


def child_environment(root: Path | None = None) -> dict[str, str]:
    """This process's environment for a child that computes: thread settings, and the packages this process uses."""
    environment = {**os.environ, **thread_settings()}
    packages = [Path(aat_datasets.__path__[0]), Path(aat_models.__path__[0]), Path(__file__).parent]
    folders = {str(package.parent) for package in packages}
    inherited = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join([*sorted(folders), *([inherited] if inherited else [])])
    if root is not None:
        environment["AAT_RUNS"] = str(root.absolute())
    return environment


def start_training(config: Config, *, runs_root: Path | None = None, queued: bool = False) -> RunFolder:
    """Start a training as a detached process; returns its folder, queued, at once.

    ``queued``: it waits for its turn, see ``queue``.
    Raises InputError where the dataset is not known, the run's name is taken or the folder cannot be written.
    """
    from aat_datasets.catalog import card

    card(config.data.dataset)
    folder = RunFolder.create(config, runs_root)
    if queued:
        _enter(folder)
        return folder
    arguments = ["train", "--config", str(folder.config_path.absolute()), "--run", folder.name]
    start_process(arguments, folder)
    return folder


def resume_training(folder: RunFolder, *, queued: bool = False) -> RunFolder:
    """Start a detached process that goes on with a run from its latest checkpoint, when its turn comes where ``queued``.

    A run that waits for its turn begins now. Raises InputError where a process is at work in it, or nothing is left to do.
    """
    status = folder.status()
    if status.waiting and not queued:
        from aat_workbench import queue

        queue.start_now(folder)
        return folder
    if status.active:
        raise InputError(f"run {folder.name} is {status.state}")
    if status.state == "done" and status.step >= status.total:
        raise InputError(f"run {folder.name} is done: all {status.total} steps")
    if host := elsewhere(folder.path.parent):
        host.resume(folder.name, queued)
        return folder
    if queued:
        _enter(folder)
        return folder
    about_to = RunStatus(
        state="queued", heartbeat=time.time(), step=status.step, total=status.total, metrics=status.metrics
    )
    folder.write_status(about_to)
    start_process(["train", "--run", folder.name, "--resume"], folder)
    return folder


def _enter(folder: RunFolder) -> None:
    from aat_workbench import queue

    queue.enter(folder)
    queue.advance(folder.path.parent)


def start_demo(root: Path | None = None) -> Path:
    """Start the whole demo, trainings and attacks, as one detached process; returns its log.

    Its runs, ``demo-clean-1`` and ``demo-aat-1`` or the next free numbers, appear in ``root`` one after the other;
    finished ones of an earlier demo are used. Raises InputError where ``root`` cannot be written.
    """
    root = root or runs_root()
    log = root / "_demo" / "log.txt"
    if host := elsewhere(root):
        raise InputError(f"{root} mirrors the runs of {host.place}", "the demo begins there, not here")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        _start(["demo", "--headless", "--keep"], log, root)
    except OSError as error:
        raise InputError(f"{error.filename or root}: {error.strerror}") from None
    return log


def start_process(
    arguments: list[str], folder: RunFolder, where: str = "", environment: Mapping[str, str] | None = None
) -> int:
    """Start ``aat-workbench ARGUMENTS`` detached, printing into the run's log; returns the process's number.

    ``where`` is the folder it works in and ``environment`` variables that go before this process's own. Raises OSError.
    """
    return _start(arguments, folder.log_path, folder.path.parent, where, environment)


def _start(
    arguments: list[str], log_path: Path, root: Path, where: str = "", environment: Mapping[str, str] | None = None
) -> int:
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
