"""Two processes train as one with the same global batches: gradients, figures, radii and checkpoints."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from toy import config, data

from aat_models.checkpoint import load_tensors
from aat_models.distributed import ALONE, Group
from aat_models.events import Done, Evaluation, Step, decode
from aat_models.training import CheckpointDue, Training

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
EXACT = {
    "model__dropout": 0.0, "model__characters": False, "train__lr": 0.02, "train__log_every": 2, "train__evaluate_every": 7,
}  # fmt: skip

SCRIPT = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    import msgspec
    from toy import config, data
    from aat_models import distributed
    from aat_models.events import encode, Event
    from aat_models.training import Training
    folder, settings = Path(sys.argv[2]), msgspec.json.decode(sys.argv[3])
    resume = Path(sys.argv[4]) if sys.argv[4] else None
    distributed.TABLE = 8  # the toy's table of words is one of many rows
    group = distributed.join()
    training = Training(config(**settings), data(), resume, group)
    for event in training.events():
        if isinstance(event, Event):
            with (folder / f"events-{group.rank}.jsonl").open("ab") as file:
                file.write(encode(event) + b"\\n")
            if group.rank == 0 and getattr(event, "step", 0) == 15 and training.config.adversary.name == "aat":
                training.change("beta=2")  # asked of rank 0 alone
        elif group.rank == 0:
            target = folder / str(event.step)
            target.mkdir()
            training.save(target)
            if len(sys.argv) > 5 and event.step == int(sys.argv[5]):
                training.dismiss()
                break
    distributed.leave(group)
    tasks = Path("/proc/self/task")
    names = [(task / "comm").read_text().strip() for task in tasks.iterdir()] if tasks.is_dir() else []
    assert not [name for name in names if "gloo" in name], names  # one that outlives the group may abort the process
    """
)


def together(folder: Path, settings: dict, resume: str = "", until: str = "") -> list:
    """Train in two processes; the events of rank 0, and its checkpoints in ``folder``."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = os.pathsep.join(str(TOP / name) for name in ("datasets", "models", "workbench"))
    children = []
    for rank in range(2):
        environment = {
            **os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "RANK": str(rank), "WORLD_SIZE": "2",
            "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
        arguments = [
            str(HERE),
            str(folder),
            msgspec.json.encode(settings).decode(),
            resume,
            *([until] if until else []),
        ]
        command = [sys.executable, "-c", SCRIPT, *arguments]
        children.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    said = [child.communicate(timeout=120)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], "\n".join(said)
    lines = [(folder / f"events-{rank}.jsonl").read_bytes().splitlines() for rank in range(2)]
    seen = [[decode(line) for line in found] for found in lines]
    kinds = [[(type(event), getattr(event, "step", 0)) for event in events] for events in seen]
    assert kinds[0] == kinds[1]
    scores = [[e.metrics for e in events if isinstance(e, Evaluation)] for events in seen]
    assert scores[0] == scores[1]  # what is decided by them is decided alike
    return seen[0]


def alone(folder: Path, settings: dict) -> list:
    training = Training(config(**settings), data())
    seen = []
    for event in training.events():
        seen.append(event)
        if isinstance(event, CheckpointDue):
            (folder / str(event.step)).mkdir(parents=True)
            training.save(folder / str(event.step))
    return [event for event in seen if not isinstance(event, CheckpointDue)]


def test_parts_of_a_batch_are_all_of_it_and_nobody_has_none() -> None:
    batch = np.arange(10, 17)
    parts = [Group(rank, 3).part(batch) for rank in range(3)]
    assert sorted(np.concatenate([part for part, _ in parts]).tolist()) == batch.tolist()
    assert sum(weight for _, weight in parts) == pytest.approx(1)
    few = [Group(rank, 3).part(batch[:2]) for rank in range(3)]
    assert [(part.tolist(), weight) for part, weight in few] == [([10], 0.5), ([11], 0.5), ([10], 0.0)]
    assert ALONE.part(batch)[0].tolist() == batch.tolist() and ALONE.part(batch)[1] == 1.0
    assert ALONE.tell(b"x") == b"x" and ALONE.gather(b"x") == [b"x"] and ALONE.figures({"a": 1.0}) == {"a": 1.0}


@pytest.mark.parametrize("adversary", [pytest.param("none", marks=pytest.mark.slow), "fgm"])
def test_two_processes_are_one(adversary: str, tmp_path: Path) -> None:
    settings = {**EXACT, "adversary__name": adversary}
    one, two = alone(tmp_path / "one", settings), together(tmp_path / "two", settings)
    assert [type(event) for event in one] == [type(event) for event in two]
    for mine, theirs in zip(one, two, strict=True):
        if isinstance(mine, Step | Evaluation):
            timed = {"step_seconds", "examples_per_second"}
            figures = {name: value for name, value in mine.metrics.items() if name not in timed}
            assert figures == pytest.approx({n: theirs.metrics[n] for n in figures}, rel=1e-3, abs=1e-4)
    assert isinstance(one[-1], Done) and one[-1].summary["test"] == pytest.approx(two[-1].summary["test"], abs=1e-3)
    last = str(one[-1].summary["steps"])
    for name, tensor in load_tensors(tmp_path / "one" / last / "model.safetensors").items():
        other = load_tensors(tmp_path / "two" / last / "model.safetensors")[name]
        assert torch.allclose(tensor, other, rtol=1e-3, atol=1e-4), name


@pytest.mark.slow
def test_two_processes_with_dropout_and_state_of_each_example_go_on_to_the_bit(tmp_path: Path) -> None:
    settings = {
        "adversary__name": "aat", "train__lr": 0.02, "train__epochs": 5.0, "train__batch_size": 33, "train__evaluate_every": 5,
    }  # fmt: skip
    whole = together(tmp_path / "whole", settings)
    last = str(whole[-1].summary["steps"])
    middle = sorted(int(path.name) for path in (tmp_path / "whole").iterdir() if path.is_dir())[1]
    assert middle == 10  # an epoch is seven steps: this is within the second
    together(tmp_path / "first", settings, until=str(middle))
    together(tmp_path / "rest", settings, resume=str(tmp_path / "first" / str(middle)))
    for name in ("model.safetensors", "state.safetensors"):
        assert (tmp_path / "whole" / last / name).read_bytes() == (tmp_path / "rest" / last / name).read_bytes(), name
    state = load_tensors(tmp_path / "whole" / last / "state.safetensors")
    live = msgspec.json.decode((tmp_path / "rest" / last / "state.json").read_bytes())["live"]
    assert live == {"adversary.beta": 2.0}
    # every text was visited five times, by one or the other: its radius has moved, its proposal is there
    assert (state["adversary.rho"] != config(**settings).adversary.rho_start).float().mean() > 0.9
    assert "0.random" in state and "1.random" in state
    assert not torch.equal(state["0.random"], state["1.random"])
