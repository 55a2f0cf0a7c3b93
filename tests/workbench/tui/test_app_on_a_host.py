"""The app on the runs of another host: a real engine process stands for it, and a mirror lies between."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual.widgets import Input

from aat_workbench import control, mirror
from aat_workbench.mirror import Mirror
from aat_workbench.runs import RunFolder, elsewhere
from aat_workbench.session import Session
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.chrome import TopBar
from aat_workbench.tui.new_run import NewRun
from aat_workbench.tui.overlays import Confirm
from aat_workbench.tui.screens.adversarial import AdversarialPane
from aat_workbench.tui.screens.training import TrainingPane
from aat_workbench.tui.widgets.field import Choice

from .. import fixed_run
from .shell_support import screen_text, sees, until

SIZE = (140, 40)
RUNNING, DONE = "sst2-bilstm-aat-1", "sst2-bilstm-none-1"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    monkeypatch.setattr(mirror, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(mirror, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(mirror, "SECONDS_BETWEEN_LOOKS", 0.05)
    fixed_run.make_runs(tmp_path / "there")
    return tmp_path / "there"


@pytest.fixture
async def app(there: Path, tmp_path: Path) -> AsyncIterator[WorkbenchApp]:
    here = tmp_path / "here"
    here.mkdir()
    session = Session(runs_root=there, log=tmp_path / "engine.log")
    yield WorkbenchApp(session=session, start_pane="training", mirror=Mirror(here, session, "me@gpu"))
    await session.close()
    assert elsewhere(here) is None


def pane_of(app: WorkbenchApp) -> TrainingPane:
    return app.query_one(TrainingPane)


async def test_runs_of_the_host_are_shown_paused_and_deleted(app: WorkbenchApp, there: Path) -> None:
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, RUNNING, "engine on me@gpu", "▶ running", ".812", "clean 0.224")
        await sees(pilot, "the Datasets pane shows the data of this machine")
        await pilot.press("p")
        asked = there / RUNNING / "control"
        await until(pilot, lambda: [command.verb for command in control.pending(asked)] == ["pause"])
        with RunFolder(there / RUNNING).writer() as writer:
            for record in RunFolder(there / RUNNING).history()[-1:]:
                record.time += 1
                record.metrics = {"loss": 0.125}  # pyright: ignore[reportAttributeAccessIssue]
                writer.append(record)
        await sees(pilot, "clean 0.125")
        await pilot.press("down", "d")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: DONE not in screen_text(app))
        assert not (there / DONE).exists()
        await pilot.press("1")
        await sees(pilot, "Datasets of this machine")


async def test_what_the_host_refuses_is_told(app: WorkbenchApp) -> None:
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, RUNNING)
        assert app.mirror is not None
        app.mirror.send("gone-since", "checkpoint")  # as for a run that is deleted there in the same moment
        await sees(pilot, "no run named 'gone-since'")


async def test_a_new_run_begins_on_the_host(app: WorkbenchApp, there: Path) -> None:
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, RUNNING)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewRun))
        app.screen.query_one("#field-run", Input).value = "mine"
        await sees(pilot, "✓ mine")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: (run := pane_of(app).run) is not None and run.name == "mine")
        status = RunFolder(there / "mine").status
        await until(pilot, lambda: status().state == "running")
        os.kill(status().pid, signal.SIGKILL)
        await sees(pilot, "! interrupted")  # the host has looked


async def test_models_of_the_host_are_attacked(app: WorkbenchApp) -> None:
    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        await sees(pilot, RUNNING)
        await pilot.press("3")
        pane = app.query_one(AdversarialPane)
        await sees(pilot, f"{DONE}")
        pane.controls.target = "builtin:tiny"
        await until(pilot, lambda: "support" in str(pane.query_one("#data", Choice)._options))
        await pilot.press("a")
        await until(pilot, lambda: len(pane.table.results) == 50 and not pane.attacking, 60)
        await sees(pilot, "✗ BROKEN")


async def test_a_lost_connection_is_told_and_tried_again(app: WorkbenchApp, there: Path) -> None:
    session = app.session
    assert isinstance(session, Session)
    command = session._command
    async with app.run_test(size=(80, 30), notifications=True) as pilot:
        await sees(pilot, RUNNING[:12])
        bar = app.query_one(TopBar)
        session._command = ["false"]
        assert session.pid is not None
        os.kill(session.pid, signal.SIGKILL)
        await until(pilot, lambda: bar.engine == "me@gpu: connection lost, trying again")
        await sees(pilot, "me@gpu: connection lost")
        with RunFolder(there / RUNNING).writer() as writer:
            for record in RunFolder(there / RUNNING).history()[-3:]:
                writer.append(record)
        session._command = command
        await sees(pilot, "me@gpu is there again")
        await until(pilot, lambda: bar.engine == "engine on me@gpu")
        here = app.runs_root / RUNNING / "events.jsonl"
        await until(pilot, lambda: here.read_bytes() == (there / RUNNING / "events.jsonl").read_bytes())
