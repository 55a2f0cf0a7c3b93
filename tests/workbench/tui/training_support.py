"""The Training pane as its tests reach it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from aat_models.config import Config
from aat_workbench import jobs
from aat_workbench.runs import RunFolder
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.screens.training import TrainingPane
from aat_workbench.tui.widgets.curves import CurveChart


def app_on(runs: Path) -> WorkbenchApp:
    return WorkbenchApp(runs, start_pane="training")


def pane_of(app: WorkbenchApp) -> TrainingPane:
    pane = app.pane
    assert isinstance(pane, TrainingPane)
    return pane


def chart(app: WorkbenchApp, place: int = 0) -> list[str]:
    """The lines of a chart."""
    widget = app.query_one(f"#chart-{place}", CurveChart)
    return [widget.render_line(y).text for y in range(widget.size.height)]


class Start(NamedTuple):
    config: Config
    queued: bool


def caught_starts(monkeypatch: pytest.MonkeyPatch) -> list[Start]:
    """What would be started: its folder is made, and no process."""
    started: list[Start] = []

    def start(config: Config, *, runs_root: Path | None = None, queued: bool = False) -> RunFolder:
        started.append(Start(config, queued))
        return RunFolder.create(config, runs_root)

    monkeypatch.setattr(jobs, "start_training", start)
    return started
