"""Trainings as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aat_datasets.errors import ConfigError, InputError, UnknownNameError
from aat_models.config import Config
from aat_workbench import detached, jobs, threads
from aat_workbench.runs import RunFolder, RunStatus


def wait(process: int) -> None:
    child = next(child for child in detached._children if child.pid == process)
    child.wait(timeout=60)


def test_a_child_finds_the_packages_and_prints_into_the_log(tmp_path: Path) -> None:
    folder = RunFolder.create(Config(run="one"), tmp_path)
    process = detached.start_process(["runs", "list", "--json"], folder.log_path, tmp_path)
    wait(process)
    log = folder.log_path.read_text()
    assert '"run":"one"' in log and '"state":"queued"' in log


def test_a_child_has_a_session_of_its_own_and_is_nice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder.create(Config(run="one"), tmp_path)
    seen: list[subprocess.Popen[bytes]] = []
    original = subprocess.Popen

    def popen(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        child: subprocess.Popen[bytes] = original([sys.executable, "-c", "import time; time.sleep(30)"], **options)  # type: ignore[call-overload]
        seen.append(child)
        assert command[:4] == [sys.executable, "-m", "aat_workbench.cli.main", "train"]
        return child

    monkeypatch.setattr(subprocess, "Popen", popen)
    process = detached.start_process(["train"], folder.log_path, tmp_path)
    try:
        assert os.getsid(process) == process != os.getsid(0)
        assert os.getpriority(os.PRIO_PROCESS, process) == detached.NICE
    finally:
        seen[0].kill()
        seen[0].wait()


def test_thread_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "AAT_THREADS"):
        monkeypatch.delenv(name, raising=False)
    few = max(1, threads.cores() - 1)
    assert threads.thread_settings() == {"OMP_NUM_THREADS": str(few), "OMP_WAIT_POLICY": "PASSIVE"}
    monkeypatch.setenv("AAT_THREADS", "3")
    assert threads.thread_settings()["OMP_NUM_THREADS"] == "3"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads.thread_settings()["OMP_NUM_THREADS"] == "5"
    monkeypatch.setenv("AAT_THREADS", "many")
    with pytest.raises(ConfigError, match="AAT_THREADS: expected a number"):
        threads.default_threads()


def test_what_one_of_several_processes_begins_is_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_PORT": "29500", "TORCHELASTIC_RUN_ID": "none"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert not told.keys() & detached.child_environment().keys()


def test_start_queues_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(detached, "start_process", lambda arguments, *more: started.append(arguments))
    folder = jobs.start_training(Config(run="one"), runs_root=tmp_path)
    assert folder.status().state == "queued" and folder.config.train.threads >= 1
    assert started == [["train", "--config", str(folder.config_path), "--run", "one"]]
    with pytest.raises(InputError, match="exists already"):
        jobs.start_training(Config(run="one"), runs_root=tmp_path)
    folder.write_status(RunStatus(state="interrupted", step=7, total=9))
    jobs.resume_training(folder)
    assert started[1] == ["train", "--run", "one", "--resume"]
    assert (folder.status().state, folder.status().step) == ("queued", 7)


def test_an_unknown_dataset_makes_no_folder(tmp_path: Path) -> None:
    config = Config(run="one")
    config.data.dataset = "suport"
    with pytest.raises(UnknownNameError, match="did you mean support"):
        jobs.start_training(config, runs_root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_resume_is_refused_where_there_is_nothing_to_do(tmp_path: Path) -> None:
    folder = RunFolder.create(Config(run="one"), tmp_path)
    with pytest.raises(InputError, match="run one is queued"):
        jobs.resume_training(folder)
    folder.write_status(RunStatus(state="done", step=5, total=5))
    with pytest.raises(InputError, match="run one is done: all 5 steps"):
        jobs.resume_training(folder)
