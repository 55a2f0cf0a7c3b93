"""Trainings as processes of their own, see ``detached``; what they print goes to the run's ``log.txt``."""

from __future__ import annotations

from pathlib import Path

from aat_datasets.errors import InputError
from aat_models.config import Config
from aat_workbench import detached, queue
from aat_workbench.runs import RunFolder, elsewhere, runs_root
from aat_workbench.turns import unbegun

__all__ = ["resume_training", "start_demo", "start_training"]


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
    detached.start_process(arguments, folder.log_path, folder.path.parent)
    return folder


def resume_training(folder: RunFolder, *, queued: bool = False) -> RunFolder:
    """Start a detached process that goes on with a run from its latest checkpoint, when its turn comes where ``queued``.

    A run that waits for its turn begins now. Raises InputError where a process is at work in it, or nothing is left to do.
    """
    status = folder.status()
    if status.waiting and not queued:
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
    folder.write_status(unbegun(status))
    detached.start_process(["train", "--run", folder.name, "--resume"], folder.log_path, folder.path.parent)
    return folder


def _enter(folder: RunFolder) -> None:
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
        detached.start_process(["demo", "--headless", "--keep"], log, root)
    except OSError as error:
        raise InputError(f"{error.filename or root}: {error.strerror}") from None
    return log
