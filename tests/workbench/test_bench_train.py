"""The benchmark of training: its figures, its sides, and the command where it can run in seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aat_datasets.errors import InputError
from aat_datasets.sources import data_root
from aat_workbench.peers import environment
from aat_workbench.train_bench import bench_train, compared
from aat_workbench.train_bench_side import Session


def told(generator):  # type: ignore[no-untyped-def]
    """What a generator returns, its narration aside."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def test_sides_take_turns_after_a_round_that_does_not_count() -> None:
    asked: list[str] = []

    def side(name: str, seconds: float):  # type: ignore[no-untyped-def]
        def ask() -> dict[str, float]:
            asked.append(name)
            # the first answer is slow, as first ones are
            return {"wall": seconds + 100 * (asked.count(name) == 1), "cpu": seconds / 2, "loss": 1.0}

        return ask

    found = told(compared("x", {"a": side("a", 2.0), "b": side("b", 3.0)}, 3))
    assert asked == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert found["a"] == {"wall": 2.0, "cpu": 1.0} and found["b"]["wall"] == 3.0
    assert found["b_over_a"] == {"wall": 1.5, "cpu": 1.5} and found["loss"] == {"a": 1.0, "b": 1.0}


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="no part nothing"):
        list(bench_train(["nothing"]))
    with pytest.raises(InputError, match="not compared with textattack"):
        list(bench_train([], against="textattack"))


def test_the_loop_and_the_fewest_lines_learn_the_same(tmp_path: Path) -> None:
    session = Session()
    opened = session.open("support", str(tmp_path), 256)
    assert opened["texts"] == 256
    loop, bare = session.loop(32, 0.0), session.bare(32)
    assert loop["steps"] == 8 and loop["loss"] == pytest.approx(bare["loss"], abs=0.05)
    assert min(loop["cpu"], bare["cpu"], session.recorded(False)["cpu"], session.recorded(True)["cpu"]) > 0
    assert (tmp_path / "runs" / "bench" / "events.jsonl").is_file()
    seen = session.watched(1, True)
    assert list((tmp_path / "runs" / "bench" / "tensorboard").iterdir())
    assert seen["count"] > 8 and 0 < seen["records"]["wall"] + seen["checkpoints"]["wall"] < seen["wall"]
    fgm = session.adversary("fgm", "cnn")
    assert fgm["analytic"] == 2.0 and fgm["ratio"] > 0


def test_texts_are_padded_as_a_plain_script_would(tmp_path: Path) -> None:
    import numpy as np

    session = Session()
    session.open("support", str(tmp_path), 64)
    told = session.padded(50, str(tmp_path / "x.npz"))
    with np.load(tmp_path / "x.npz") as arrays:
        ids, labels = arrays["ids"], arrays["labels"]
    assert ids.shape == (64, told["width"]) and len(labels) == 64 and ids.max() < 50
    assert (ids[:, -1] > 0).all() and (ids[:, 0] == 0).any()
    assert session.small(50, 32)["steps"] == 2


@pytest.mark.slow
def test_the_command_says_it_all_in_json(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "aat_workbench.cli.start", "bench", "train", "--dataset", "support", "--texts", "64",
        "--rounds", "1", "--adversaries", "hotflip", "--encoder", "bow", "--json",
    ]  # fmt: skip
    top = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join(str(top / name) for name in ("datasets", "models", "workbench"))
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": paths, "AAT_DATA": str(data_root())},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["texts"] == 64 and figures["adversaries"].keys() == {"hotflip"}
    assert set(figures["loop"]) >= {"bare_over_loop", "averaged_over_loop"} and "off_over_on" in figures["records"]


@pytest.mark.slow
@pytest.mark.skipif(environment.python_of("keras") is None, reason="bench train --against keras makes its environment")
def test_keras_trains_what_it_is_given() -> None:
    *_, figures = bench_train([], against="keras", dataset="support", texts=128, rounds=1)
    assert isinstance(figures, dict)
    assert figures["keras"]["tensorflow_over_ours"]["cpu"] > 0 and figures["keras"]["parameters"] > 1_000_000
