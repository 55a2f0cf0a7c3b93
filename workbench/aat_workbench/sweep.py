"""Sweeps: many trainings from one file, a few at a time, taken up again where they were left.

A sweep file::

    name = "ablation"          # runs are called ablation-…
    parallel = 2               # trainings at work at once

    [base]                     # dotted config keys every training shares
    "data.dataset" = "sst2-sentences"

    [grid]                     # every combination of these
    "adversary.name" = ["none", "aat"]
    seed = [0, 1, 2]

With ``samples = 20`` that many combinations are drawn at random instead, without repetition. Each training is a
detached process in a run folder named after its values: running the file again starts what is missing, goes on with
what was interrupted, and leaves alone what is done.
"""

from __future__ import annotations

import itertools
import random
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from aat_datasets.errors import ConfigError, InputError
from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Notice, Progress
from aat_workbench import jobs
from aat_workbench.runs import RunFolder, find_run, in_its_language
from aat_workbench.status import RunStatus

__all__ = ["Sweep", "Trial", "read", "rows", "run_sweep"]

POLL_SECONDS = 0.5


class _File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    grid: dict[str, list[Any]]
    base: dict[str, Any] = {}
    parallel: int = 1
    samples: int = 0
    seed: int = 0


class Trial(NamedTuple):
    """One training of a sweep: its run's name, what sets it apart, its whole config."""

    run: str
    values: dict[str, Any]
    config: Config


class Sweep(NamedTuple):
    name: str
    parallel: int
    trials: list[Trial]


def read(path: Path) -> Sweep:
    """The trainings a sweep file asks for. Raises ConfigError naming the key that is wrong."""
    try:
        file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: {error}", "a sweep has name, [grid], and perhaps [base], parallel, samples"
        ) from None
    if file.parallel < 1 or file.samples < 0:
        raise ConfigError(f"{path}: parallel is at least 1, samples at least 0")
    empty = [key for key, choices in file.grid.items() if not choices]
    if not file.grid or empty:
        raise ConfigError(f"{path}: [grid] lists no values" + (f" for {empty[0]}" if empty else ""))
    combinations = [dict(zip(file.grid, values, strict=True)) for values in itertools.product(*file.grid.values())]
    if 0 < file.samples < len(combinations):
        combinations = random.Random(file.seed).sample(combinations, file.samples)
    trials: dict[str, Trial] = {}
    for values in combinations:
        name = "-".join([file.name, *(_slug(value) for value in values.values())])
        if name in trials:
            raise ConfigError(f"{path}: two trainings would be called {name}", "choose values that differ in letters")
        trials[name] = Trial(
            name, values, in_its_language(configs.apply(Config(), {**file.base, **values, "run": name}))
        )
    return Sweep(file.name, file.parallel, list(trials.values()))


def _slug(value: Any) -> str:
    """A value as a part of a folder's name."""
    text = "+".join(str(part) for part in cast("list[object]", value)) if isinstance(value, list) else str(value)
    return re.sub(r"[^a-z0-9.+]+", "_", text.lower()) or "none"


def run_sweep(sweep: Sweep, root: Path | None = None) -> Iterator[Notice | Progress]:
    """Train what is not trained yet, ``parallel`` at a time; yields what begins and ends.

    Stopped in the middle, the trainings at work go on by themselves; the next call waits for them too. A training that
    failed is told and left as it is: remove its run to try it again.
    """
    waiting = list(sweep.trials)
    working: dict[str, RunFolder] = {}
    ended = 0
    while waiting or working:
        while waiting and len(working) < sweep.parallel:
            trial = waiting.pop(0)
            folder, said = _begin(trial, root)
            if folder is None:
                ended += 1
            else:
                working[trial.run] = folder
            yield Notice(message=f"{trial.run}: {said}")
        for name, folder in list(working.items()):
            status = folder.status()
            if not status.active:
                del working[name]
                ended += 1
                yield Notice(
                    message=f"{name}: {_outcome(status)}", level="info" if status.state == "done" else "warning"
                )
        yield Progress(done=ended, total=len(sweep.trials), message=", ".join(working) or "sweep")
        if working:
            time.sleep(POLL_SECONDS)


def _begin(trial: Trial, root: Path | None) -> tuple[RunFolder | None, str]:
    """The folder of a training now at work, ``None`` where there is nothing to do; and what was done, in words."""
    try:
        folder = find_run(trial.run, root)
    except InputError:
        return jobs.start_training(trial.config, runs_root=root), "started"
    if folder.config != trial.config:
        raise InputError(f"run {trial.run} was made with another config", "remove it, or give the sweep another name")
    status = folder.status()
    if status.active:
        return folder, "already at work"
    if status.state in ("done", "failed"):
        return None, _outcome(status)
    if folder.latest() is None:
        folder.remove()
        return jobs.start_training(trial.config, runs_root=root), "started again: it had no checkpoint yet"
    return jobs.resume_training(folder), f"goes on at step {status.step}"


def _outcome(status: RunStatus) -> str:
    return f"failed: {status.error}" if status.state == "failed" else status.state


def rows(sweep: Sweep, root: Path | None = None) -> list[dict[str, Any]]:
    """A record a training: what sets it apart, its state, and its summary where it is done."""
    found: list[dict[str, Any]] = []
    for trial in sweep.trials:
        record: dict[str, Any] = {"run": trial.run, **trial.values}
        try:
            status = find_run(trial.run, root).status()
        except InputError:
            found.append({**record, "state": "missing"})
            continue
        record["state"] = status.state
        found.append({**record, "summary": status.summary} if status.summary else record)
    return found
