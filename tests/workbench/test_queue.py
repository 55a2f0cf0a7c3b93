"""The queue of trainings: order, limit, two that look at once, and real processes that begin the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aat_datasets.errors import ConfigError, InputError
from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Done
from aat_workbench import detached, jobs, liveness, queue, turns
from aat_workbench.control import pending
from aat_workbench.runs import RunFolder, RunStatus
from aat_workbench.training import claim

from .places import until

TINY = {
    "data.limit": 64, "train.batch_size": 16, "train.epochs": 1, "train.evaluate_limit": 20, "model.encoder": "bow",
    "train.threads": 1, "surface.source": "dataset",
}  # fmt: skip


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the runs a process would have been started for."""
    names: list[str] = []
    monkeypatch.delenv("AAT_PARALLEL", raising=False)
    monkeypatch.setattr(detached, "start_process", lambda arguments, log, *more: names.append(log.parent.name))
    return names


def asked(root: Path, name: str) -> RunFolder:
    return jobs.start_training(configs.apply(Config(), {**TINY, "run": name}), runs_root=root, queued=True)


def at_work(folder: RunFolder) -> None:
    me = os.getpid()
    folder.write_status(
        RunStatus(state="running", pid=me, host=liveness.host(), process_start=liveness.process_start(me))
    )


def test_first_come_first_served_one_at_a_time(tmp_path: Path, begun: list[str]) -> None:
    one, two, three = (asked(tmp_path, name) for name in ("one", "two", "three"))
    assert begun == ["one"] and queue.places(tmp_path) == {"two": 1, "three": 2}
    assert two.status().waiting and not one.status().waiting
    assert queue.advance(tmp_path) == []  # "one" is about to begin
    at_work(one)
    assert queue.advance(tmp_path) == []
    one.write_status(RunStatus(state="done"))
    assert [folder.name for folder in queue.advance(tmp_path)] == ["two"]
    two.write_status(RunStatus(state="running", pid=999_999_999, host=liveness.host()))  # killed
    queue.advance(tmp_path)
    assert begun == ["one", "two", "three"] and queue.places(tmp_path) == {}
    assert three.status().state == "queued" and not three.status().waiting


def test_how_many_at_a_time(tmp_path: Path, begun: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert queue.parallel(tmp_path) == 1
    queue.set_parallel(tmp_path, 2)
    for name in ("one", "two", "three"):
        asked(tmp_path, name)
    assert begun == ["one", "two"]
    monkeypatch.setenv("AAT_PARALLEL", "3")
    queue.advance(tmp_path)
    assert begun == ["one", "two", "three"]
    monkeypatch.setenv("AAT_PARALLEL", "many")
    with pytest.raises(ConfigError, match="AAT_PARALLEL: expected a number"):
        queue.parallel(tmp_path)


def test_a_run_that_waits_is_stopped_started_deleted_and_set(tmp_path: Path, begun: list[str]) -> None:
    asked(tmp_path, "one")
    waiting = [asked(tmp_path, name) for name in ("two", "three", "four")]
    waiting[0].send("stop")
    assert waiting[0].status().state == "interrupted" and queue.places(tmp_path) == {"three": 1, "four": 2}
    with pytest.raises(InputError, match="two waits no more: it is interrupted"):
        turns.leave(waiting[0])
    with pytest.raises(InputError, match="run three waits for its turn"):
        waiting[1].send("pause")
    waiting[1].send("set lr=1e-3")
    assert [command.value for command in pending(waiting[1].control_path)] == ["lr=1e-3"]
    jobs.resume_training(waiting[2])
    assert begun == ["one", "four"] and not waiting[2].status().waiting
    waiting[1].remove()
    assert queue.places(tmp_path) == {} and not waiting[1].path.exists()
    jobs.resume_training(waiting[0], queued=True)
    assert queue.places(tmp_path) == {"two": 1}


def test_a_run_that_waits_is_trained_here_and_now_where_that_is_asked(tmp_path: Path, begun: list[str]) -> None:
    asked(tmp_path, "one")
    two = asked(tmp_path, "two")
    assert claim(two.config, tmp_path, resume=True).name == "two"
    assert queue.places(tmp_path) == {} and not two.status().waiting
    three = asked(tmp_path, "three")
    assert claim(three.config, tmp_path).path == three.path and queue.places(tmp_path) == {}


def test_stray_files_hold_nobody_up(tmp_path: Path, begun: list[str]) -> None:
    one = asked(tmp_path, "one")
    asked(tmp_path, "two")
    (tmp_path / ".queue" / "00000000000000000000-gone.json").write_text('{"run":"gone"}')
    (tmp_path / ".queue" / "00000000000000000001-bad.json").write_text("\x00")
    (tmp_path / ".queue" / "00000000000000000002-up.json").write_text('{"run":"../up"}')
    one.write_status(RunStatus(state="failed"))
    queue.advance(tmp_path)
    assert begun == ["one", "two"]
    assert not (tmp_path / ".queue" / "00000000000000000000-gone.json").exists()


def test_many_that_look_at_once_begin_each_run_once(tmp_path: Path, begun: list[str]) -> None:
    one = asked(tmp_path, "one")
    names = [f"run{number}" for number in range(6)]
    for name in names:
        asked(tmp_path, name)
    one.write_status(RunStatus(state="done"))
    queue.set_parallel(tmp_path, 6)
    lookers = [threading.Thread(target=queue.advance, args=(tmp_path, 10.0)) for _ in range(8)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    assert begun == ["one", *names]


# real processes


def state(folder: RunFolder) -> str:
    return folder.status().state


def test_each_training_begins_the_next_without_anybody_looking(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AAT_DATA", str(data))
    monkeypatch.delenv("AAT_PARALLEL", raising=False)
    runs = tmp_path / "runs"
    folders = [asked(runs, name) for name in ("one", "two")]
    for child in detached._children:
        child.wait(timeout=120)  # nobody looks: this process only waits
    until(lambda: all(folder.written_status().state == "done" for folder in folders))
    spans = [(folder.history()[0].time, folder.history()[-1].time) for folder in folders]
    assert all(isinstance(folder.history()[-1], Done) for folder in folders)
    assert spans[0][1] <= spans[1][0], "one at a time, in order"


def test_a_killed_training_strands_nobody_who_is_looked_at(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AAT_DATA", str(data))
    monkeypatch.delenv("AAT_PARALLEL", raising=False)
    runs = tmp_path / "runs"
    long = jobs.start_training(
        configs.apply(Config(), {**TINY, "run": "long", "train.epochs": 5000}), runs_root=runs, queued=True
    )
    after = asked(runs, "after")
    until(lambda: long.written_status().state == "running")
    os.kill(long.written_status().pid, signal.SIGKILL)
    until(lambda: state(long) == "interrupted")
    assert after.status().waiting
    look = [sys.executable, "-m", "aat_workbench.cli.start", "runs", "list"]
    subprocess.run(look, env=detached.child_environment(runs), check=True, capture_output=True)
    assert not after.status().waiting
    until(lambda: state(after) == "done")
