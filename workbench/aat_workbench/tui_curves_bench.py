"""How fast the Training pane is on long runs, and on one that grows: opening, redrawing, and what memory it takes.

Everything is measured from outside, in a pseudo-terminal, on the program as a user starts it. Needs Linux, for the memory
of another process. ``python -m aat_workbench.tui_curves_bench RUN_FOLDER SECONDS`` is the training that grows.
"""

from __future__ import annotations

import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from aat_datasets.errors import EngineError, InputError
from aat_models import config as configs
from aat_models.events import Evaluation, Started, Step
from aat_workbench import liveness
from aat_workbench.pseudo_terminal import PseudoTerminal
from aat_workbench.runs import RunFolder, RunStatus, find_run
from aat_workbench.tui_bench import APP, DOWN, SHARE, UP, percentile

__all__ = ["bench_curves", "bench_live", "grow", "make_long_runs"]

EVENTS_A_SECOND = 50
PINNED = 7  # runs over one another, with the one under the cursor: all the colours there are
KEYS = 100
METRICS = ("loss", "loss_adv", "rho_mean", "rho_p10", "rho_p90", "lr", "examples_per_second", "fooled")
_CURVE = re.compile(r"A clean \d")
Figures = dict[str, Any]


def make_long_runs(runs: int, points: int, root: Path) -> None:
    """Runs of ``points`` records of one metric each, and an evaluation every 1,000; those that are there are kept."""
    for number in range(runs):
        name = f"long-{number:02}"
        if (root / name / "status.json").exists() and RunFolder(root / name).written_status().step == points:
            continue
        folder = RunFolder.create(configs.apply(configs.Config(), {"run": name}), root)
        draw = random.Random(number)
        with folder.events_path.open("w", encoding="utf-8") as file:
            for step in range(1, points + 1):
                falling = math.exp(-3 * step / points)
                stamp = f'"time":{1.75e9 + step / 50:.2f},"step":{step}'
                file.write(
                    f'{{"type":"step",{stamp},"total":{points},"epoch":{step / 1e4:.4f},"stage":"encoder",'
                    f'"metrics":{{"loss":{2 * falling + draw.random() / 5:.6f}}}}}\n'
                )
                if step % 1000 == 0:
                    accuracy = f'{{"accuracy":{1 - falling / 2 + draw.random() / 50:.4f}}}'
                    file.write(f'{{"type":"evaluation",{stamp},"split":"dev","metrics":{accuracy}}}\n')
        folder.write_status(RunStatus(state="done", step=points, total=points))


def bench_curves(runs: int, points: int, size: tuple[int, int], data: Path | None) -> Iterator[str | Figures]:
    """Lines of narration, and last the figures: times in milliseconds, memory in MiB.

    ``data`` is a folder for the runs that is kept, and used again where it holds them already. Raises InputError where
    this system cannot tell another process's memory, EngineError where the app does not show what it should.
    """
    _needs_linux()
    with tempfile.TemporaryDirectory(prefix="aat-bench-") as name:
        root = data.absolute() / "runs" if data is not None else Path(name) / "runs"
        environment = _environment(root, Path(name))
        yield f"making {runs} runs of {points:,} records"
        make_long_runs(runs, points, root)
        for digest in root.glob("*/curves.jsonl"):
            digest.unlink()
        with PseudoTerminal(_watch(), size=size, environment=environment) as terminal:
            first = yield from _open(terminal)
            deadline = time.monotonic() + 60 + runs * points / 20_000
            while len(list(root.glob("*/curves.jsonl"))) < runs and any(_long(path) for path in root.iterdir()):
                terminal.feed(terminal.drain(0.2, 1.0), lambda: False)
                if time.monotonic() > deadline:
                    raise EngineError("not every run was read", f"{len(list(root.glob('*/curves.jsonl')))} of {runs}")
            first["every_run"] = round(1000 * (time.perf_counter() - terminal.started), 1)
        yield "read all"
        again: list[Figures] = []
        for _ in range(3):
            with PseudoTerminal(_watch(), size=size, environment=environment) as terminal:
                again.append((yield from _open(terminal)))
        with PseudoTerminal(_watch(), size=size, environment=environment) as terminal:
            yield from _open(terminal)
            _settle(terminal)
            pinned = min(PINNED, runs - 2)  # two at least for the cursor to move between
            for _ in range(pinned):
                terminal.press(b" " + DOWN)
                _settle(terminal)
            yield "redrawing"
            spent = _cpu_seconds(terminal.pid)
            redraw = _cursor_keys(terminal, KEYS, runs - pinned)
            spent = _cpu_seconds(terminal.pid) - spent
            memory = {field: _memory(terminal.pid, field) for field in ("VmRSS", "VmHWM")}
    yield {
        "runs": runs,
        "points": points,
        "megabytes": round(sum(path.stat().st_size for path in root.glob("*/events.jsonl")) / 1e6) if data else None,
        "size": list(size),
        "cores": os.cpu_count(),
        "first_open_ms": first,
        "open_ms": {key: statistics.median(one[key] for one in again) for key in again[0]},
        "redraw_ms": {**_spread(redraw), "cpu_mean": round(1000 * spent / KEYS, 1)},
        "memory_mib": {"now": memory["VmRSS"], "peak": memory["VmHWM"]},
    }


def bench_live(seconds: float, size: tuple[int, int]) -> Iterator[str | Figures]:
    """The same for a run that grows by 50 events a second, of eight metrics each, for ``seconds``."""
    _needs_linux()
    with tempfile.TemporaryDirectory(prefix="aat-bench-") as name:
        root = Path(name) / "runs"
        environment = _environment(root, Path(name))
        folder = RunFolder.create(configs.apply(configs.Config(), {"run": "growing"}), root)
        writer = subprocess.Popen(
            [sys.executable, "-m", "aat_workbench.tui_curves_bench", str(folder.path), str(seconds + 60)],
            env={**os.environ, **environment},
        )
        try:
            with PseudoTerminal(_watch(), size=size, environment=environment) as terminal:
                yield from _open(terminal)
                yield from _watch_it_grow(terminal, folder, seconds)
        finally:
            writer.terminate()
            writer.wait()


def _watch_it_grow(terminal: PseudoTerminal, folder: RunFolder, seconds: float) -> Iterator[str | Figures]:
    times: list[float] = []
    memory: list[float] = []
    painted = terminal.bytes
    began, spent = time.monotonic(), _cpu_seconds(terminal.pid)
    while (past := time.monotonic() - began) < seconds:
        times += _chart_keys(terminal, 2)
        if past >= len(memory) * max(seconds / 20, 1):
            memory.append(_memory(terminal.pid, "VmRSS"))
            yield f"{past:.0f} of {seconds:.0f} s"
        terminal.feed(terminal.drain(1.0, 1.0), lambda: False)
    wall = time.monotonic() - began
    half = len(times) // 2
    yield {
        "seconds": round(wall, 1),
        "events": folder.status().step,
        "key_to_paint_ms": {
            "all": _spread(times),
            "first_half": _spread(times[:half]),
            "second_half": _spread(times[half:]),
        },
        "memory_mib": {"each": memory, "growth_second_half": round(memory[-1] - memory[len(memory) // 2], 1)},
        "cpu_share": round((_cpu_seconds(terminal.pid) - spent) / wall, 3),
        "bytes_a_second": round((terminal.bytes - painted) / wall),
    }


def _needs_linux() -> None:
    if not Path("/proc/self/status").exists():
        raise InputError("this bench needs Linux", "it reads the app's memory from /proc")


def _environment(root: Path, work: Path) -> dict[str, str]:
    return {
        "AAT_RUNS": str(root),
        "AAT_DATA": str(work / "data"),
        "AAT_MIRROR": "",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


def _watch() -> list[str]:
    return [*APP, "watch"]


def _long(folder: Path) -> bool:
    from aat_workbench.curve_digest import LONG

    return (folder / "events.jsonl").stat().st_size > LONG


def _open(terminal: PseudoTerminal) -> Generator[str, None, Figures]:
    """From the start of the process to the pane with its runs, and to the curves of the run under the cursor."""
    try:
        pane = terminal.wait(lambda: "best dev" in terminal.text() and "done" in terminal.text(), 60)
        curves = terminal.wait(lambda: _CURVE.search(terminal.text()) is not None, 120)
    except TimeoutError as error:
        raise EngineError("the app did not show what it should", str(error)) from None
    spent = _cpu_seconds(terminal.pid)
    yield "opened"
    return {
        "pane": round(1000 * (pane - terminal.started), 1),
        "curves": round(1000 * (curves - terminal.started), 1),
        "cpu": round(1000 * spent),
    }


def _settle(terminal: PseudoTerminal) -> None:
    terminal.feed(terminal.drain(0.3, 3.0), lambda: False)


def _cursor_keys(terminal: PseudoTerminal, count: int, room: int) -> list[float]:
    """Milliseconds from a key that moves the cursor to another run until all charts are drawn with its curves."""
    times: list[float] = []
    for number in range(count):
        key = DOWN if number % (2 * (room - 1)) < room - 1 else UP
        times.append(_repainted(terminal, key, whole=True))
    return times


def _chart_keys(terminal: PseudoTerminal, count: int) -> list[float]:
    """Milliseconds from a key that turns the charts' page to the first paint."""
    return [_repainted(terminal, b"v") for _ in range(count)]


def _repainted(terminal: PseudoTerminal, key: bytes, *, whole: bool = False) -> float:
    """Milliseconds from ``key`` to the first paint in which the charts look different, or with ``whole`` to the last of it."""
    terminal.feed(terminal.drain(0.1, 1.0), lambda: False)  # what is still on its way belongs to the key before

    def charts() -> object:
        return terminal.looks(10, terminal.lines - 10)

    before = charts()
    pressed = terminal.press(key)
    try:
        seen = terminal.wait(lambda: charts() != before, 10.0)
    except TimeoutError as error:
        raise EngineError("the charts did not change with the key", str(error)) from None
    if whole:
        rest = terminal.drain(0.1, 2.0)
        terminal.feed(rest, lambda: False)
        seen = rest[-1][0] if rest and rest[-1][0] - seen < 0.4 else seen
    return 1000 * (seen - pressed)


def _spread(times: list[float]) -> Figures:
    return {
        "p50": round(statistics.median(times), 1),
        "p95": round(percentile(times, SHARE), 1),
        "most": round(max(times), 1),
        "keys": len(times),
    }


def _memory(pid: int, field: str) -> float:
    """``VmRSS`` or ``VmHWM`` (the highest so far) of a process, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024, 1)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def grow(folder: RunFolder, seconds: float) -> None:
    """Write what a training of 50 records a second would, for ``seconds``."""
    draw = random.Random(0)
    total = int(seconds * EVENTS_A_SECOND)
    status = RunStatus(
        state="running", pid=os.getpid(), host=liveness.host(), process_start=liveness.process_start(os.getpid()),
        started=time.time(), total=total,
    )  # fmt: skip
    with folder.writer() as writer:
        writer.append(Started(run=folder.name, total=total, stages=["encoder"], parameters=1000, labels=["a", "b"]))
        began = time.monotonic()
        for step in range(1, total + 1):
            falling = math.exp(-3 * step / total)
            metrics = {name: place + falling + draw.random() / 5 for place, name in enumerate(METRICS)}
            writer.append(Step(step=step, total=total, epoch=step / 1000, stage="encoder", metrics=metrics))
            if step % 100 == 0:
                metrics = {"accuracy": 1 - falling / 2, "robust_accuracy": 0.5 - falling / 2}
                writer.append(Evaluation(step=step, split="dev", metrics=metrics))
            if step % EVENTS_A_SECOND == 0:
                status.step, status.heartbeat = step, time.time()
                folder.write_status(status, lasting=False)
            time.sleep(max(0.0, began + step / EVENTS_A_SECOND - time.monotonic()))


if __name__ == "__main__":
    path = Path(sys.argv[1])
    grow(find_run(path.name, path.parent), float(sys.argv[2]))
