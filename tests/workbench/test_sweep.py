"""Sweeps: what a file asks for, and many trainings taken up where they were left."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path

import pytest

from aat_datasets.errors import ConfigError, InputError, UnknownNameError
from aat_models.events import Notice, Progress
from aat_workbench import detached
from aat_workbench.cli.main import main
from aat_workbench.runs import find_run, list_runs
from aat_workbench.sweep import read, rows, run_sweep

TINY = """
[base]
"data.dataset" = "support"
"data.limit" = 120
"surface.source" = "dataset"
"model.embedding" = 8
"model.hidden" = 8
"model.latent" = 8
"model.buckets" = 100
"train.epochs" = 2.0
"train.evaluate_limit" = 20
"train.threads" = 1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "sweep.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_grid_is_every_combination_by_readable_names(tmp_path: Path) -> None:
    text = 'name = "ab"\nparallel = 2\n[base]\n"train.lr" = 1e-3\n[grid]\n"adversary.name" = ["none", "aat"]\nseed = [0, 1]\n'
    sweep = read(write(tmp_path, text + '"adversary.families" = [["word", "hull"]]\n'))
    assert [trial.run for trial in sweep.trials] == [
        f"ab-{adversary}-{seed}-word+hull" for adversary, seed in itertools.product(["none", "aat"], [0, 1])
    ]
    assert {trial.config.train.lr for trial in sweep.trials} == {1e-3}
    assert [(t.config.adversary.name, t.config.seed) for t in sweep.trials] == [
        ("none", 0),
        ("none", 1),
        ("aat", 0),
        ("aat", 1),
    ]
    assert sweep.parallel == 2


def test_samples_draw_without_repetition_and_the_same_each_time(tmp_path: Path) -> None:
    text = 'name = "r"\nsamples = 5\n[grid]\nseed = [0, 1, 2, 3, 4]\n"model.hidden" = [8, 16, 32]\n'
    names = [trial.run for trial in read(write(tmp_path, text)).trials]
    assert len(set(names)) == 5
    assert names == [trial.run for trial in read(write(tmp_path, text)).trials]
    other = [trial.run for trial in read(write(tmp_path, "seed = 1\n" + text)).trials]
    assert names != other


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ('name = "x"\n', ConfigError, "grid"),
        ('name = "x"\n[grid]\nseed = []\n', ConfigError, "seed"),
        ('name = "x"\nparalel = 2\n[grid]\nseed = [0]\n', ConfigError, "paralel"),
        ('name = "x"\nparallel = 0\n[grid]\nseed = [0]\n', ConfigError, "parallel"),
        ('name = "x"\n[grid]\n"train.epocs" = [1]\n', UnknownNameError, "train.epochs"),
        ('name = "x"\n[grid]\n"train.epochs" = ["five"]\n', ConfigError, "train.epochs"),
        ('name = "x"\n[grid]\nrun = ["a b", "a_b"]\n', ConfigError, "two trainings"),
        ("name = ", ConfigError, "sweep.toml"),
    ],
)
def test_a_wrong_file_names_what_is_wrong(tmp_path: Path, text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        read(write(tmp_path, text))
    assert says in str(caught.value)


def test_a_sweep_goes_on_where_it_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    path = write(
        tmp_path, 'name = "s"\nparallel = 2\n' + TINY + '[grid]\n"adversary.name" = ["none", "random"]\nseed = [0]\n'
    )
    sweep = read(path)
    first = run_sweep(sweep)
    for event in first:
        if isinstance(event, Progress) and len(list_runs()) == 2:
            break
    del first  # whoever drove the sweep is gone; one of its trainings is killed, the other goes on by itself
    victim = find_run("s-random-0")
    deadline = time.monotonic() + 120
    while not (pid := victim.status().pid) and victim.status().active and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pid
    os.kill(pid, signal.SIGKILL)
    next(child for child in detached._children if child.pid == pid).wait()
    assert victim.status().state in ("interrupted", "done")

    def messages() -> list[str]:
        return [event.message for event in run_sweep(sweep) if isinstance(event, Notice)]

    said = messages()
    assert {record["run"]: record["state"] for record in rows(sweep)} == {"s-none-0": "done", "s-random-0": "done"}
    assert any(message.startswith("s-random-0: ") for message in said)
    assert messages() == ["s-none-0: done", "s-random-0: done"]

    with pytest.raises(SystemExit) as done:
        main(["train", "--sweep", str(path)])
    assert not done.value.code
    out = capsys.readouterr().out
    assert "s-random-0" in out and "test.accuracy" in out
    changed = read(write(tmp_path, path.read_text().replace('"train.epochs" = 2.0', '"train.epochs" = 3.0')))
    with pytest.raises(InputError, match="another config"):
        list(run_sweep(changed))
