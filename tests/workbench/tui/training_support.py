"""The Training pane as its tests reach it."""

from __future__ import annotations

from pathlib import Path

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
