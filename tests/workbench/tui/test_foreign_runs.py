"""The Training pane on trainings of other tools: shown like runs, followed, and not controlled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aat_datasets.errors import InputError
from aat_workbench.foreign import tfevents
from aat_workbench.foreign.tfrecords import framed
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.foreign_view import ForeignView, Watched
from aat_workbench.tui.screens.training import TrainingPane
from aat_workbench.tui.screens.training_look import ON_A_RUN, ON_OUR_RUN
from aat_workbench.tui.widgets.charts import charts_of, foreign_charts
from aat_workbench.tui.widgets.curves import CurveChart

from .. import fixed_run
from .shell_support import HOSTILE, check_cells, sees, until

SIZE = (120, 40)


def event_file(folder: Path, name: str, count: int = 20) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    records = [tfevents.encode_version(1.0)]
    for step in range(1, count + 1):
        records.append(
            tfevents.encode(1e9 + step, step, {"train/loss": 1 / step, "val/loss": 2 / step, "acc": step / 50})
        )
    path.write_bytes(b"".join(map(framed, records)))
    return path


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    event_file(tmp_path / "logs" / "one", "events.out.tfevents.1")
    event_file(tmp_path / "logs" / "two", "events.out.tfevents.1", 40)
    (tmp_path / "logs" / "keras.csv").write_text("epoch,accuracy,val_accuracy\n0,0.5,0.25\n1,0.75,0.5\n")
    os.utime(tmp_path / "logs" / "keras.csv", (1e9, 1e9))
    return tmp_path / "logs"


def legends(app: WorkbenchApp) -> list[str]:
    return [chart.render_line(0).text for chart in app.query(CurveChart) if chart.display]


async def test_runs_of_other_tools_stand_beside_ours(logs: Path, tmp_path: Path) -> None:
    fixed_run.make_runs(tmp_path / "runs")
    app = WorkbenchApp(tmp_path / "runs", start_pane="training", watched=[logs])
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, "keras", "one", "two", "sst2-bilstm-aat-1", "○ quiet", "▶ growing")
        assert any(line.startswith("A accuracy 0.750") and "A· val_accuracy 0.500" in line for line in legends(app))
        await sees(pilot, "read from", "CSV")
        await pilot.press("down")
        await until(
            pilot, lambda: any("A train/loss 0.050" in line and "val/loss 0.100" in line for line in legends(app))
        )
        assert any("acc 0.400" in line for line in legends(app))
        await pilot.press("space", "down")  # two runs over one another
        await until(pilot, lambda: any(line.startswith("B 0.025  B· 0.050  A 0.050") for line in legends(app)))
        check_cells(app)


async def test_they_are_followed(logs: Path, tmp_path: Path) -> None:
    app = WorkbenchApp(tmp_path / "runs", start_pane="training", watched=[logs / "one"])
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: any("train/loss 0.050" in line for line in legends(app)))
        with (logs / "one" / "events.out.tfevents.1").open("ab") as file:
            file.write(framed(tfevents.encode(2e9, 21, {"train/loss": 7.5})))
        await until(pilot, lambda: any("train/loss 7.5" in line for line in legends(app)))
        event_file(logs / "one" / "later", "events.out.tfevents.1")
        await sees(pilot, "later")


async def test_they_cannot_be_controlled(logs: Path, tmp_path: Path) -> None:
    fixed_run.make_run(tmp_path / "runs", "sst2-bilstm-aat-1")
    app = WorkbenchApp(tmp_path / "runs", start_pane="training", watched=[logs / "one"])
    before = sorted(logs.rglob("*"))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, "▶ growing")
        pane = app.pane
        assert isinstance(pane, TrainingPane)
        assert all(pane.check_action(action, ()) is False for action in ON_OUR_RUN)
        assert all(pane.check_action(action, ()) for action in ON_A_RUN - ON_OUR_RUN)
        await pilot.press("p", "s", "k", "r", "a", "g", "d")
        await pilot.pause()
        assert app.pane is pane and len(app.screen_stack) == 1
        assert sorted(logs.rglob("*")) == before
        assert "Start a training" in {command.title for command in pane.commands()}
        controls = ("run", "note", "setting", "attack", "generate", "checkpoint")
        told = [command.title.lower() for command in pane.commands()]
        assert not [title for title in told if any(word in title.split() for word in controls)]
        await pilot.press("down")
        assert all(pane.check_action(action, ()) for action in ON_A_RUN)
        assert "Pause the run, or go on" in {command.title for command in pane.commands()}


async def test_hostile_names_and_tags_are_seen_and_not_obeyed(tmp_path: Path) -> None:
    folder = tmp_path / "[bold]\x1b[2J"
    folder.mkdir()
    values = {text[:60]: 0.5 for text in HOSTILE}
    (folder / "events.out.tfevents.1").write_bytes(
        framed(tfevents.encode(1e9, 1, values)) + framed(tfevents.encode(1e9, 2, values)) + b"\xff" * 40
    )
    app = WorkbenchApp(tmp_path / "runs", start_pane="training", watched=[folder])
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, "[bold]␛[2J", "could not be read")
        for _ in range(5):
            check_cells(app)
            await pilot.press("v")


def test_a_step_that_falls_begins_the_curve_again_there(tmp_path: Path) -> None:
    path = event_file(tmp_path, "events.out.tfevents.1")
    (watched,) = Watched([path]).views()
    watched.update()
    with path.open("ab") as file:
        file.write(framed(tfevents.encode(2e9, 11, {"acc": 9.0})))
    watched.update()
    assert isinstance(watched, ForeignView)
    assert list(watched.series["acc"].xs) == list(range(1, 12))
    assert list(watched.series["train/loss"].xs) == list(range(1, 21))
    path.unlink()
    path.write_bytes(framed(tfevents.encode(1.0, 1, {"other": 1.0})))
    watched.update()
    assert list(watched.series) == ["other"]


def test_a_path_without_curves_is_an_error_before_the_app_opens(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no curves in it"):
        WorkbenchApp(tmp_path, watched=[tmp_path])


def test_figures_of_training_and_held_out_texts_share_a_chart() -> None:
    names = ["val_loss", "train_loss", "Accuracy/test", "Accuracy/train", "lr", "trainer/speed", "validation.f1", "dev"]
    assert [[metric.name for metric in kind.metrics] for kind in foreign_charts(names)] == [
        *(["train_loss", "val_loss"], ["Accuracy/train", "Accuracy/test"], ["lr"], ["trainer/speed"]),
        *(["validation.f1"], ["dev"]),
    ]
    best = {metric.name: metric.best for kind in foreign_charts(names) for metric in kind.metrics}
    assert (best["val_loss"], best["Accuracy/test"], best["lr"]) == ("min", "max", "")
    assert charts_of([]) == charts_of([])
