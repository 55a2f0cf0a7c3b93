"""Two processes that go on with one stored attack: the second is told, and a killed first one is in nobody's way."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aat_datasets.errors import InputError
from aat_workbench.attacking import AttackRequest, AttackRun, run_attack
from aat_workbench.detached import child_environment
from aat_workbench.locking import FolderLock

MAIN = [sys.executable, "-m", "aat_workbench.cli.main"]
COMMAND = ["attack", "builtin:tiny", "-n", "60"]

WAITING = """
import sys
from aat_workbench.cli.main import main
from aat_workbench.eventlog import RunWriter

append = RunWriter.append

def told(self, event):
    append(self, event)
    print("one result is on disk", flush=True)
    sys.stdin.readline()

RunWriter.append = told
main(sys.argv[1:])
"""
"""The command line in a process that waits for a line after each result."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    return tmp_path


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MAIN, *arguments], capture_output=True, text=True, env=child_environment(), timeout=120)


def lines(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in ("time", "seconds")} for row in rows]


@pytest.mark.parametrize("first", [pytest.param([], marks=pytest.mark.slow), ["--resume"]])
def test_a_second_process_is_told_and_a_killed_first_one_is_no_obstacle(place: Path, first: list[str]):
    attacks = place / "runs" / "_targets" / "builtin-tiny" / "attacks"
    if first:  # go on with a half-done one rather than begin
        steps = (begun := run_attack("builtin:tiny", AttackRequest(n=60))).steps()
        while not begun.results:
            next(steps)
        steps.close()
        kept = (attacks / "greedy-1" / "results.jsonl").read_bytes().splitlines(keepends=True)
        (attacks / "greedy-1" / "results.jsonl").write_bytes(b"".join(kept[:1]))
    child = subprocess.Popen(
        [sys.executable, "-c", WAITING, *COMMAND, *first],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=child_environment(),
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "one result is on disk\n"
    before = (attacks / "greedy-1" / "results.jsonl").read_bytes()

    refused = call(*COMMAND, "--resume")
    assert refused.returncode == 2 and refused.stdout == ""
    (line,) = refused.stderr.splitlines()
    assert f"attack greedy-1 is under way in process {child.pid} on " in line and "stop it there" in line
    assert (attacks / "greedy-1" / "results.jsonl").read_bytes() == before
    # A new attack is not in its way, and it does not stand in the way of one.
    assert call(*COMMAND, "--seed", "1").returncode == 0
    assert [path.name for path in sorted(attacks.iterdir())] == ["greedy-1", "greedy-2"]

    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    finished = call(*COMMAND, "--resume", "--json")
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["examples"] == 60
    found = lines(attacks / "greedy-1")
    assert len({row["id"] for row in found}) == len(found) == 60


def test_in_one_process_too_an_attack_has_one_writer():
    def attack(**options: Any) -> AttackRun:
        return run_attack("builtin:tiny", AttackRequest(n=60, **options))

    first = attack()
    steps = first.steps()
    while not first.results:
        next(steps)
    with pytest.raises(InputError, match=f"under way in process {os.getpid()} on "):
        for _ in attack(resume=True).steps():
            pass
    steps.close()
    second = attack(resume=True)
    for _ in second.steps():
        pass
    assert second.path == first.path and second.summary["examples"] == 60
    for _ in attack(resume=True).steps():  # and again once it is done
        pass


def test_a_lock_is_let_go_and_can_be_taken_again(tmp_path: Path):
    lock = FolderLock(tmp_path, "attack x")
    with pytest.raises(InputError, match="attack x is under way"):
        FolderLock(tmp_path, "attack x")
    lock.release()
    lock.release()
    FolderLock(tmp_path, "attack x").release()
    with pytest.raises(OSError):
        FolderLock(tmp_path / "missing", "attack x")


def test_a_file_system_without_locks_is_written_to_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    first, second = FolderLock(tmp_path, "attack x"), FolderLock(tmp_path, "attack x")
    first.release()
    second.release()
