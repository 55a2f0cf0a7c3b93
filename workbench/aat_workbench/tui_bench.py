"""How fast the app is for the person in front of it: cold start, and a key to its paint while a training runs beside.

Everything is measured from outside, in a pseudo-terminal, on the program as a user starts it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from aat_datasets.errors import EngineError
from aat_workbench.pseudo_terminal import PseudoTerminal
from aat_workbench.surroundings import surrounded_by

__all__ = ["bench_tui", "percentile"]

HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("hello, world")
Hello().run()
"""
APP = [sys.executable, "-m", "aat_workbench.cli.start"]  # what the console script runs
DOWN, UP = b"\x1b[B", b"\x1b[A"
ALONE, BESIDE = "idle", "training"
SHARE = 0.95


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie; nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, round(share * len(ranked)) - 1))]


def bench_tui(rounds: int, keys: int, size: tuple[int, int], dataset: str) -> Iterator[str | dict[str, Any]]:
    """Lines of narration, and last the figures. Times are in milliseconds.

    Raises InputError where a part is not installed, EngineError where the app or the training does not run.
    """
    with tempfile.TemporaryDirectory(prefix="aat-bench-") as name:
        environment = {
            "AAT_RUNS": str(Path(name) / "runs"),
            "AAT_DATA": str(Path(name) / "data"),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        yield f"preparing {dataset}"
        with surrounded_by(environment):  # the preparation and the training are of this process
            from aat_datasets.catalog import open_dataset

            open_dataset(dataset)  # read once beforehand: what is measured is the app
            start = yield from _cold_start(rounds, size, environment)
            reaction = yield from _reaction(keys, size, environment, dataset)
    yield {"size": list(size), "cores": os.cpu_count(), "dataset": dataset, **start, **reaction}


def _cold_start(
    rounds: int, size: tuple[int, int], environment: dict[str, str]
) -> Generator[str, None, dict[str, Any]]:
    """From the start of the process to the first screen with content; both programs in turn, so that both see the
    same machine."""
    programs = {
        "hello": ([sys.executable, "-c", HELLO], "hello, world"),
        "app": (APP, "1 Datasets"),
    }
    times: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(-1, rounds):  # the first round fills the file caches and is not counted
        for name, (command, sign) in programs.items():
            with PseudoTerminal(command, size=size, environment=environment) as terminal:
                seen = _wait(terminal, sign)
                if number >= 0:
                    times[name].append(1000 * (seen - terminal.started))
        yield f"cold start, round {number + 1} of {rounds}"
    hello, app = (statistics.median(times[name]) for name in ("hello", "app"))
    return {
        "cold_start_ms": {"app": round(app, 1), "hello": round(hello, 1), "ratio": round(app / hello, 3)},
        "cold_start_runs_ms": {name: [round(t, 1) for t in values] for name, values in times.items()},
    }


def _reaction(
    keys: int, size: tuple[int, int], environment: dict[str, str], dataset: str
) -> Generator[str, None, dict[str, Any]]:
    """From a key to the moved cursor, in blocks with the training stopped and going on in turn."""
    times: dict[str, list[float]] = {ALONE: [], BESIDE: []}
    with PseudoTerminal(APP, size=size, environment=environment) as terminal:
        _wait(terminal, "1 Datasets")
        _wait(terminal, f"{dataset} · ")  # the only dataset that is ready opens by itself, the cursor in its rows
        yield "starting a training"
        with _training(dataset, Path(environment["AAT_RUNS"])) as pid:
            blocks = 4
            for block in range(blocks):
                for kind in (ALONE, BESIDE):
                    os.kill(pid, signal.SIGSTOP if kind == ALONE else signal.SIGCONT)
                    time.sleep(0.5)
                    times[kind] += _keys(terminal, -(-keys // blocks))
                    yield f"key to paint, {kind}, block {block + 1} of {blocks}"
    figures: dict[str, Any] = {
        kind: {
            "p50": round(statistics.median(values), 1),
            "p95": round(percentile(values, SHARE), 1),
            "keys": len(values),
        }
        for kind, values in times.items()
    }
    ratio = figures[BESIDE]["p95"] / figures[ALONE]["p95"]
    return {"key_to_paint_ms": {**figures, "ratio_p95": round(ratio, 3)}}


def _wait(terminal: PseudoTerminal, sign: str) -> float:
    try:
        return terminal.wait(lambda: sign in terminal.text())
    except TimeoutError as error:
        raise EngineError(f"the app did not show {sign!r}", str(error)) from None


def _keys(terminal: PseudoTerminal, count: int) -> list[float]:
    """Milliseconds from each of ``count`` keys to the first paint in which the rows look different."""
    draw = random.Random(count)
    times: list[float] = []
    for number in range(count):
        terminal.feed(terminal.drain(0.06, 1.0), lambda: False)  # what is still on its way belongs to the key before
        before = terminal.looks(2, terminal.lines - 1)
        pressed = terminal.press(DOWN if number % 30 < 20 else UP)
        seen = terminal.wait(lambda before=before: terminal.looks(2, terminal.lines - 1) != before, 10.0)
        times.append(1000 * (seen - pressed))
        time.sleep(draw.uniform(0.03, 0.12))
    return times


@contextlib.contextmanager
def _training(dataset: str, root: Path) -> Generator[int]:
    """A real training as the app starts one, its steps begun; gives its process."""
    from aat_models import config as configs
    from aat_workbench.jobs import start_training

    settings = {"data.dataset": dataset, "adversary.name": "aat", "train.epochs": 200}
    folder = start_training(configs.apply(configs.Config(), settings), runs_root=root)
    deadline = time.monotonic() + 300
    try:
        while folder.status().step < 1:
            status = folder.status()
            if not status.active or time.monotonic() > deadline:
                log = folder.log_path.read_text(errors="replace")[-600:] if folder.log_path.exists() else ""
                raise EngineError(f"the training beside did not begin: {status.state}", status.error or log)
            time.sleep(0.2)
        yield folder.status().pid
    finally:
        pid = folder.status().pid
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid:
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
