"""Commands under torchrun: two real processes, one run folder, one of them killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aat_datasets.sources import data_root
from aat_models.events import Checkpointed, Done, Evaluation, Failed, Resumed, Step
from aat_workbench.runs import RunFolder

TOP = Path(__file__).resolve().parents[2]
SETTINGS = {
    "data.limit": "240", "train.batch_size": "20", "train.log_every": "2", "train.evaluate_every": "10",
    "train.evaluate_limit": "100", "model.encoder": "cnn", "model.hidden": "16", "adversary.name": "aat", "train.epochs": "4",
}  # fmt: skip


def torchrun(place: Path, *arguments: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join(str(TOP / name) for name in ("datasets", "models", "workbench"))
    settings = {
        "PYTHONPATH": paths, "AAT_RUNS": str(place / "runs"), "AAT_DATA": str(data_root()), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    launch = ["-m", "torch.distributed.run", "--standalone", "--no-python", "--nproc-per-node", "2", "--"]
    command = [sys.executable, *launch, sys.executable, "-m", "aat_workbench.cli.start", *arguments]
    return subprocess.Popen(
        command, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def training(place: Path, run: str, *more: str) -> subprocess.Popen[str]:
    chosen = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return torchrun(place, "train", "--run", run, *(more or chosen))


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=200)
    return process.returncode, said


def until(process: subprocess.Popen[str], holds: Callable[[], bool]) -> None:
    while not holds():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def follower(launcher: int, leader: int) -> int:
    """The process of rank 1: the child of the launcher that is not rank 0's."""
    found = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return next(int(number) for number in found if int(number) != leader)


@pytest.mark.slow
def test_one_that_is_killed_ends_the_other_and_they_go_on_exactly(tmp_path: Path) -> None:
    code, said = ended(training(tmp_path, "whole"))
    assert code == 0, said
    whole = RunFolder(tmp_path / "runs" / "whole")
    assert isinstance(whole.history()[-1], Done) and [p.name for p in (tmp_path / "runs").iterdir()] == ["whole"]

    process = training(tmp_path, "killed")
    folder = RunFolder(tmp_path / "runs" / "killed")
    until(process, lambda: len(folder.steps()) >= 1)
    os.kill(follower(process.pid, folder.written_status().pid), signal.SIGKILL)
    code, said = ended(process)
    assert code != 0
    assert "another process of this command is gone" in said
    failed = folder.history()[-1]
    assert isinstance(failed, Failed) and "another process" in failed.error and folder.status().state == "failed"

    code, said = ended(training(tmp_path, "killed", "--resume"))
    assert code == 0, said
    records = folder.history()
    assert any(isinstance(record, Resumed) for record in records)
    steps = [record.step for record in records if isinstance(record, Step)]
    assert steps == [record.step for record in whole.history() if isinstance(record, Step)]
    for kind in (Evaluation, Checkpointed):
        mine = [(record.step, getattr(record, "metrics", None)) for record in records if isinstance(record, kind)]
        assert mine == [(r.step, getattr(r, "metrics", None)) for r in whole.history() if isinstance(r, kind)]
    for name in ("model.safetensors", "state.safetensors"):
        assert (folder.checkpoint("latest") / name).read_bytes() == (whole.checkpoint("latest") / name).read_bytes()


def test_what_cannot_be_begun_is_said_once_and_both_end(tmp_path: Path) -> None:
    code, said = ended(torchrun(tmp_path, "train", "--run", "..", "--set", "data.limit=20"))
    assert code != 0
    assert said.count("run name '..' is unfit") == 1 and "is gone" not in said


def attacked(*more: str) -> tuple[str, ...]:
    return ("attack", "builtin:tiny", "--recipe", "deepwordbug", "-n", "60", "--json", *more)


def test_an_attack_shared_out_finds_what_one_process_finds(tmp_path: Path) -> None:
    import json

    paths = os.pathsep.join(str(TOP / name) for name in ("datasets", "models", "workbench"))
    alone = subprocess.run(
        [sys.executable, "-m", "aat_workbench.cli.start", *attacked()],
        env={**os.environ, "PYTHONPATH": paths, "AAT_RUNS": str(tmp_path / "one"), "AAT_DATA": str(data_root())},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert alone.returncode == 0, alone.stderr
    process = torchrun(tmp_path, *attacked())
    printed, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    one, two = json.loads(alone.stdout), json.loads(printed)
    timed = {"path", "seconds", "examples_per_second", "queries_per_second", "forward_share"}
    assert {key: one[key] for key in one.keys() - timed} == {key: two[key] for key in two.keys() - timed}
    found = []
    for path in (one["path"], two["path"]):
        lines = [json.loads(line) for line in (Path(path) / "results.jsonl").read_text().splitlines()]
        found.append(
            {line.pop("id"): {k: v for k, v in line.items() if k not in ("time", "seconds")} for line in lines}
        )
    assert found[0] == found[1] and len(found[0]) == 60
    assert sorted(path.name for path in Path(two["path"]).glob("results*")) == ["results.jsonl"]


def test_parts_of_a_shared_attack_that_was_killed_are_gone_on_with(tmp_path: Path) -> None:
    process = torchrun(tmp_path, *attacked())
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    (path,) = (tmp_path / "runs").rglob("results.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:20]))  # as if both had been killed: some here, some there, the last line torn
    (path.parent / "results-1.jsonl").write_bytes(b"".join(lines[15:40]) + lines[41][:30])
    (path.parent / "summary.json").unlink()
    process = torchrun(tmp_path, *attacked("--resume"))
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    again = path.read_bytes().splitlines(keepends=True)
    assert again[:40] == lines[:40]  # what was there is there once, and was not asked again
    assert len(again) == 60 and (path.parent / "summary.json").is_file()
    assert [name.name for name in path.parent.glob("results*")] == ["results.jsonl"]
