"""What happens to runs under the app's feet: torn lines, folders that go, disks that are full or read-only, clocks that jump."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aat_models import config as configs
from aat_models import events
from aat_models.config import Config
from aat_models.events import Step
from aat_workbench.runs import RunFolder, RunStatus
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.run_view import RunView

from .. import fixed_run
from .shell_support import check_cells, screen_text, sees, until
from .training_support import app_on, pane_of

SIZE = (120, 40)
RUNNING = "sst2-bilstm-aat-1"


class Disk:
    """A file system of its own, of a given size."""

    def __init__(self, path: Path, size: str) -> None:
        self.path = path
        path.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True, text=True
        )
        if made.returncode:
            pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], check=True, capture_output=True)

    def fill(self) -> Path:
        """A file that takes what is left."""
        path = self.path / "ballast"
        with path.open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                while True:
                    try:
                        file.write(b"x" * size)
                    except OSError:
                        break
        return path

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Three runs on a disk of two megabytes."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only the superuser may mount a file system")
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    made = Disk(tmp_path / "runs", "2m")
    fixed_run.make_runs(made.path)
    yield made
    made.close()


def said(app: WorkbenchApp, text: str) -> int:
    """How many of the notices in view say ``text``; on the screen a long path breaks their lines."""
    return sum(text in notice.title for notice in app._notifications)


def step(number: int, when: float) -> Step:
    return Step(time=when, step=number, total=2000, epoch=1.0, stage="encoder", metrics={"loss": 0.25})


async def test_a_full_disk_is_said_and_nothing_is_lost(disk: Disk) -> None:
    app = app_on(disk.path)
    before = (disk.path / RUNNING / "events.jsonl").read_bytes()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, RUNNING)
        ballast = disk.fill()
        await pilot.press("p")
        await until(pilot, lambda: said(app, "No space left on device"))
        pane_of(app).start(configs.apply(Config(), {"data.dataset": "support", "run": "another"}))
        await until(pilot, lambda: said(app, "No space left on device") > 1)
        check_cells(app)
        assert (disk.path / RUNNING / "events.jsonl").read_bytes() == before
        ballast.unlink()
        await pilot.press("k")
        control = disk.path / RUNNING / "control"
        assert [path.read_text().split("\n")[0] for path in control.iterdir() if path.suffix == ".cmd"] == [
            "checkpoint"
        ]


async def test_a_training_that_fills_its_disk_says_so_in_the_pane(disk: Disk) -> None:
    app = app_on(disk.path)
    settings = {
        "data.dataset": "support",
        "run": "another",
        "data.limit": 64,
        "train.epochs": 1,
        "model.encoder": "bow",
    }
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, RUNNING)
        pane_of(app).start(configs.apply(Config(), settings))
        folder = RunFolder(disk.path / "another")
        await until(pilot, lambda: folder.status().state == "failed", seconds=60)
        pane_of(app).look()
        await sees(pilot, "another", "aat-workbench:")  # what it printed is in the log, over several lines
        view = pane_of(app).run
        assert view is not None and view.name == "another"
        told = view.log[-1].text
        assert "No space left on device" in told and "no checkpoint was taken yet" in told
        assert "Traceback" not in folder.log_path.read_text()


async def test_runs_that_may_not_be_written_are_shown_and_refused_work(disk: Disk) -> None:
    app = app_on(disk.path)
    disk.remount("ro")
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, RUNNING, "sst2-bilstm-none-1")
        await pilot.press("p")
        await until(pilot, lambda: said(app, "Read-only file system"))
        pane_of(app).start(configs.apply(Config(), {"data.dataset": "support"}))
        await until(pilot, lambda: said(app, "Read-only file system") > 1)
        await pilot.press("down", "d")
        await sees(pilot, "Delete sst2-bilstm-none-1?")
        await pilot.press("y")
        await until(pilot, lambda: said(app, "Read-only file system") > 2)
        check_cells(app)
        disk.remount("rw")
        await pilot.press("up", "p")
        assert any((disk.path / RUNNING / "control").iterdir())


async def test_a_torn_line_is_waited_for(runs: Path) -> None:
    app = app_on(runs)
    path = runs / RUNNING / "events.jsonl"
    line = events.encode(step(1260, fixed_run.BEGIN + 300)) + b"\n"
    async with app.run_test(size=SIZE) as pilot:
        view = pane_of(app).run
        assert view is not None and view.name == RUNNING
        seen = len(view.series["loss"].xs)
        with path.open("ab") as file:
            file.write(line[:40])
        pane_of(app).look()
        assert len(view.series["loss"].xs) == seen
        with path.open("ab") as file:
            file.write(line[40:])
        pane_of(app).look()
        assert (len(view.series["loss"].xs), view.series["loss"].xs[-1]) == (seen + 1, 1260)
        await pilot.pause()
        check_cells(app)


async def test_folders_that_go_take_their_row_along_and_the_last_one_the_table(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, RUNNING)
        shutil.rmtree(runs / RUNNING)
        await pilot.press("p", "v", "c")  # on a run that is no more, before the next look
        pane_of(app).look()
        await until(pilot, lambda: RUNNING not in screen_text(app).split("╰")[0])
        assert pane_of(app).run is not None
        shutil.rmtree(runs)
        pane_of(app).look()
        await sees(pilot, "demo")
        check_cells(app)


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0, -3.0e9], ids=["a day back", "a day on", "before 1970"])
def test_a_clock_that_is_set_moves_no_estimate(runs: Path, jump: float) -> None:
    view = RunView(RunFolder(runs / RUNNING))
    view.update()
    calm = view.remaining()
    assert 0 < calm < 3600
    with (runs / RUNNING / "events.jsonl").open("ab") as file:
        for place in range(4):
            number = 1260 + 20 * place
            file.write(events.encode(step(number, fixed_run.BEGIN + 2 + number * 0.15 + jump)) + b"\n")
    view.update()
    while view.behind:
        view.update()
    assert view.remaining() == pytest.approx(calm * (2000 - 1320) / (2000 - 1240), rel=0.05)
    assert all(line.seconds >= 0 for line in view.log)


def test_a_clock_that_is_set_ends_no_run_of_this_machine(runs: Path) -> None:
    status = msgspec.json.decode((runs / RUNNING / "status.json").read_bytes(), type=RunStatus)
    for now in (0.0, fixed_run.BEGIN, fixed_run.BEGIN + 10 * 365 * 86_400.0):
        assert status.as_seen(now).state == "running"
