"""Trainings begun in the app outlive it: a hang-up, a closed terminal, a kill; and a killed training is found and goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Done, Resumed, Step
from aat_workbench.detached import child_environment
from aat_workbench.pseudo_terminal import PseudoTerminal
from aat_workbench.runs import RunFolder, RunStatus

from .places import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")

TINY = {
    "data.limit": 64, "train.batch_size": 8, "train.evaluate_limit": 8, "train.evaluate_every": 100, "train.log_every": 4,
    "train.threads": 1, "surface.source": "dataset", "model.encoder": "bow", "adversary.name": "aat", "run": "one",
}  # fmt: skip


@pytest.fixture(autouse=True)
def ready(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_DATA", str(data))
    monkeypatch.delenv("AAT_MIRROR", raising=False)


@contextlib.contextmanager
def training(tmp_path: Path, epochs: int) -> Iterator[tuple[PseudoTerminal, RunFolder]]:
    """The app in a terminal, and a run that was begun in it, of 8 steps an epoch, and is at work."""
    environment = {**child_environment(tmp_path / "runs"), "LC_ALL": "C.UTF-8"}
    folder = RunFolder.create(configs.apply(Config(), {**TINY, "train.epochs": epochs}), tmp_path / "runs")
    folder.write_status(RunStatus(state="interrupted"))
    terminal = PseudoTerminal([sys.executable, "-m", "aat_workbench.cli.start", "watch"], environment=environment)
    with terminal:
        terminal.wait(lambda: "! interrupted" in terminal.text(), 60)
        terminal.press(b"r")
        terminal.wait(lambda: folder.written_status().step > 0, 120)
        assert folder.written_status().state == "running"
        try:
            yield terminal, folder
        finally:
            status = folder.written_status()
            if folder.status().active and status.pid:
                os.kill(status.pid, signal.SIGKILL)


def hang_up(terminal: PseudoTerminal) -> None:
    os.kill(terminal.pid, signal.SIGHUP)


def close_terminal(terminal: PseudoTerminal) -> None:
    os.close(terminal._master)
    terminal._master = os.open(os.devnull, os.O_RDWR)


def kill(terminal: PseudoTerminal) -> None:
    os.kill(terminal.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "end", [pytest.param(hang_up, marks=pytest.mark.slow), pytest.param(close_terminal, marks=pytest.mark.slow), kill]
)
def test_a_training_outlives_the_app(
    end: Callable[[PseudoTerminal], None], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if end is close_terminal:  # as under nohup
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        request.addfinalizer(lambda: signal.signal(signal.SIGHUP, before))
    with training(tmp_path, epochs=30) as (terminal, folder):
        begun = folder.written_status()
        assert os.getsid(begun.pid) == begun.pid != os.getsid(terminal.pid)
        end(terminal)
        until(lambda: not terminal.running)
        after = max(event.step for event in folder.history() if isinstance(event, Step))
        until(lambda: folder.status().state != "running")
        status = folder.status()
        assert status.state == "done" and status.pid == begun.pid and status.step == status.total > after
        assert isinstance(folder.history()[-1], Done)


def test_a_killed_training_is_shown_interrupted_and_r_resumes_it(tmp_path: Path) -> None:
    with training(tmp_path, epochs=200) as (terminal, folder):
        until(lambda: folder.latest() is not None)
        os.kill(folder.written_status().pid, signal.SIGKILL)
        terminal.wait(lambda: "! interrupted" in terminal.text(), 60)
        assert folder.written_status().state == "running", "it is its process that is gone"
        terminal.press(b"r")
        terminal.wait(lambda: "goes on from step" in terminal.text(), 60)
        until(lambda: any(isinstance(event, Resumed) for event in folder.history()))
        terminal.press(b"s")
        terminal.wait(lambda: "stopped at step" in terminal.text(), 60)
        until(lambda: folder.written_status().state == "done")


def test_the_terminal_is_told_of_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    read = PseudoTerminal._read

    def keep(self: PseudoTerminal, seconds: float) -> bytes:
        seen.append(read(self, seconds))
        return seen[-1]

    monkeypatch.setattr(PseudoTerminal, "_read", keep)
    monkeypatch.delenv("AAT_NOTIFY", raising=False)
    with training(tmp_path, epochs=20) as (terminal, folder):
        terminal.wait(lambda: f"{folder.name}: done" in terminal.text(), 120)
        terminal.wait(lambda: b"\x1b]777;notify;" in b"".join(seen), 20)
    sent = b"".join(seen)
    assert f"\x1b]9;{folder.name} done: accuracy".encode() in sent and sent.count(b"\x1b]777;notify;") == 1
