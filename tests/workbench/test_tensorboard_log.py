"""Curves for TensorBoard: written while a run trains, over a resume, and of a finished run."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from aat_datasets.errors import InputError
from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Evaluation, Step
from aat_workbench.cli.main import main
from aat_workbench.foreign.event_folder import EventFolder
from aat_workbench.foreign.sources import Source
from aat_workbench.runs import RunFolder
from aat_workbench.tensorboard_log import BoardWriter, export
from aat_workbench.training import run_training
from aat_workbench.tui.foreign_view import ForeignView

from .test_training_runs import Core

CONFIG = configs.apply(Config(), {"run": "one", "train.tensorboard": True})


class Broken(Core):
    """Fails at its 25th step, behind the checkpoint at 20."""

    def look(self) -> Any:
        if self.step == 25:
            raise RuntimeError("power cut")
        return super().look()


def single(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def expected(folder: RunFolder) -> dict[str, list[tuple[int, float, float]]]:
    """``{tag: [(step, time, value)]}`` of what counts in the run's own records."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    for record in folder.history():
        if isinstance(record, Step | Evaluation):
            prefix = record.split if isinstance(record, Evaluation) else "train"
            for name, value in record.metrics.items():
                found.setdefault(f"{prefix}/{name}", []).append((record.step, record.time, single(value)))
    return found


def accumulated(path: Path) -> dict[str, list[tuple[int, float, float]]]:
    """The same by TensorBoard's own reader."""
    module = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard, an extra, is not there"
    )
    accumulator = module.EventAccumulator(str(path), size_guidance={module.SCALARS: 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(e.step, e.wall_time, e.value) for e in accumulator.Scalars(tag)] for tag in tags}


def broken_and_resumed(root: Path) -> RunFolder:
    with pytest.raises(RuntimeError, match="power cut"):
        list(run_training(CONFIG, runs_root=root, opener=Broken))
    list(run_training(CONFIG, runs_root=root, opener=Core, resume=True))
    return RunFolder.open(root / "one")


def test_tensorboard_reads_what_a_run_wrote_over_a_resume(tmp_path: Path) -> None:
    folder = broken_and_resumed(tmp_path)
    assert len(list(folder.tensorboard_path.iterdir())) == 2
    wanted = expected(folder)
    assert [step for step, _, _ in wanted["train/loss"]] == list(range(2, 61, 2))
    assert accumulated(folder.tensorboard_path) == wanted


def test_our_own_reader_gives_the_same(tmp_path: Path) -> None:
    folder = broken_and_resumed(tmp_path)
    view = ForeignView(Source("one", folder.tensorboard_path, "TensorBoard"))
    view.update()
    for tag, points in expected(folder).items():
        assert list(view.series[tag].xs) == [step for step, _, _ in points]
        assert list(view.series[tag].ys) == [value for _, _, value in points]
    assert "begins again at step 21" in [line.text for line in view.log]


def test_a_run_that_begins_again_begins_its_curves_again(tmp_path: Path) -> None:
    class Early(Core):
        def look(self) -> Any:
            if self.step == 5:
                raise RuntimeError("power cut")
            return super().look()

    with pytest.raises(RuntimeError, match="power cut"):
        list(run_training(CONFIG, runs_root=tmp_path, opener=Early))
    list(run_training(CONFIG, runs_root=tmp_path, opener=Core, resume=True))
    folder = RunFolder.open(tmp_path / "one")
    assert len(list(folder.tensorboard_path.iterdir())) == 1
    assert [point.x for point in EventFolder(folder.tensorboard_path).poll()][:3] == [2, 4, 6]


def test_without_the_key_nothing_is_written(tmp_path: Path) -> None:
    list(run_training(Config(run="one"), runs_root=tmp_path, opener=Core))
    assert not (tmp_path / "one" / "tensorboard").exists()


def test_a_folder_that_cannot_be_written_does_not_end_the_training(tmp_path: Path) -> None:
    folder = RunFolder.create(CONFIG, tmp_path)
    folder.tensorboard_path.write_text("in the way")
    events = list(run_training(folder.config, runs_root=tmp_path, opener=Core))
    assert events[-1].__class__.__name__ == "Done"
    warnings = [record.message for record in folder.history() if record.__class__.__name__ == "Notice"]  # type: ignore[union-attr]
    assert len(warnings) == 1 and warnings[0].startswith("nothing more is written for TensorBoard")


def test_what_the_adversary_adapts_is_a_group_of_its_own(tmp_path: Path) -> None:
    metrics = {"loss": 0.5, "lr": 0.1, "rho_mean": 0.25, "weight_word": 0.5, "beta": 1.0}
    with BoardWriter(tmp_path) as writer:
        writer.take(Step(time=1.0, step=1, total=2, epoch=0.5, stage="encoder", metrics=metrics))
    (point,) = EventFolder(tmp_path).poll()
    assert [name for name, _ in point.values] == [
        *("train/loss", "train/lr", "adversary/rho_mean", "adversary/weight_word", "adversary/beta"),
    ]


def test_files_of_one_second_are_named_by_their_order(tmp_path: Path) -> None:
    paths: list[Path] = []
    for _ in range(3):
        with BoardWriter(tmp_path) as writer:
            paths.append(writer.path)
    assert sorted(paths) == paths


def test_a_finished_run_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    for name in ("one", "two"):
        list(run_training(Config(run=name), runs_root=tmp_path / "runs", opener=Core))
    for _ in range(2):  # a second export replaces the first
        with pytest.raises(SystemExit, match="0"):
            main(["report", "one", "two", "--format", "tensorboard", "--out", str(tmp_path / "out")])
        assert capsys.readouterr().out.strip() == str(tmp_path / "out")
        for name in ("one", "two"):
            wanted = expected(RunFolder.open(tmp_path / "runs" / name))
            assert len(list((tmp_path / "out" / name).iterdir())) == 1
            assert accumulated(tmp_path / "out" / name) == wanted


def test_an_export_replaces_nothing_else(tmp_path: Path) -> None:
    list(run_training(Config(run="one"), runs_root=tmp_path / "runs", opener=Core))
    folder = RunFolder.open(tmp_path / "runs" / "one")
    (tmp_path / "out" / "one").mkdir(parents=True)
    (tmp_path / "out" / "one" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="more than event files"):
        export([folder], tmp_path / "out")
    assert (tmp_path / "out" / "one" / "mine.txt").read_text() == "x"
    empty = RunFolder.create(Config(run="empty"), tmp_path / "runs")
    with pytest.raises(InputError, match="no curves yet"):
        export([empty], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one"]
