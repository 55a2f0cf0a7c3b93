"""Stored results are the same lines whatever the batches, and however often the process is killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aat_workbench.attacking import AttackRequest, AttackRun
from aat_workbench.detached import child_environment
from aat_workbench.targets import open_target

MAIN = [sys.executable, "-m", "aat_workbench.cli.main"]
RECIPES = {"greedy": 200, "deepwordbug": 200, "genetic": 30}  # and how many texts

KILLED = """
import os, signal, sys
from aat_workbench.cli.main import main
from aat_workbench.eventlog import RunWriter

left, append = int(sys.argv.pop(1)), RunWriter.append

def last(self, event):
    global left
    append(self, event)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

RunWriter.append = last
main(sys.argv[1:])
"""
"""The command line in a process that the system kills (-9) once so many results are on disk."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    return tmp_path


def stored(path: Path) -> list[str]:
    """The lines of ``results.jsonl`` by id, without what tells of the machine: when, and how long it took."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in (path / "results.jsonl").read_text().splitlines()]
    assert all(row["time"] > 0 and row.pop("seconds") >= 0 for row in rows)
    for row in rows:
        del row["time"]
    return [json.dumps(row) for row in sorted(rows, key=lambda row: row["id"])]


def attacked(recipe: str, **options: int) -> list[str]:
    request = AttackRequest(recipe=recipe, n=RECIPES[recipe], queries_per_word=30, surface="all")
    run = AttackRun(open_target("builtin:tiny"), request, **options)
    for _ in run.steps():
        pass
    assert run.path is not None
    return stored(run.path)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_lines_do_not_depend_on_batch_size_or_concurrency(recipe: str) -> None:
    reference = attacked(recipe)
    assert len(reference) == RECIPES[recipe]
    for batch in (1, 64, 4096):
        for concurrency in (1, 256):
            assert attacked(recipe, batch=batch, concurrency=concurrency) == reference, (batch, concurrency)


@pytest.mark.parametrize(
    "recipe", ["greedy", *(pytest.param(r, marks=pytest.mark.slow) for r in RECIPES if r != "greedy")]
)
def test_the_lines_are_the_same_after_three_kills(recipe: str, place: Path) -> None:
    n = RECIPES[recipe]
    points = sorted(random.Random(f"kill {recipe}").sample(range(1, n), 3))
    command = [
        "attack",
        "builtin:tiny",
        "--recipe",
        recipe,
        "-n",
        str(n),
        "--queries-per-word",
        "30",
        "--surface",
        "all",
    ]
    folder = place / "runs" / "_targets" / "builtin-tiny" / "attacks" / f"{recipe}-1"
    done = 0
    for point in points:
        resume = ["--resume"] if done else []
        child = [sys.executable, "-c", KILLED, str(point - done), *command, *resume]
        killed = subprocess.run(child, capture_output=True, text=True, env=child_environment(), timeout=120)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        done = point
        assert len(stored(folder)) == done
        assert not (folder / "summary.json").exists()
    # What a kill in the middle of a write leaves behind.
    with (folder / "results.jsonl").open("ab") as file:
        file.write(b'{"type":"attack","time":17')
    last = [*MAIN, *command, "--resume", "--json"]
    finished = subprocess.run(last, capture_output=True, text=True, env=child_environment(), timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["examples"] == n
    assert stored(folder) == attacked(recipe)
