"""Runs of an engine copied as they grow: the engine is a process of this machine, the wire the one ssh carries."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aat_datasets.errors import AatError, EngineError, InputError
from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Evaluation, Resumed, Step
from aat_workbench import jobs, liveness, mirror
from aat_workbench.locking import FolderLock
from aat_workbench.mirror import Mirror
from aat_workbench.runs import RunFolder, RunStatus, elsewhere, list_runs, mount
from aat_workbench.session import Session
from aat_workbench.tui.targets import labels_of, load_results, stored_attacks, targets

from . import fixed_run


class Pair:
    """A folder of runs, its mirror, and the session between them."""

    def __init__(self, place: Path) -> None:
        self.there = place / "there"
        self.here = place / "here"
        self.here.mkdir()
        self.session = Session(runs_root=self.there, log=place / "engine.log")
        self.mirror = Mirror(self.here, self.session, "gpu")
        self.errors: list[AatError] = []
        self.turns: list[bool] = []
        self.mirror.on_error = self.errors.append
        self.mirror.on_change = lambda: self.turns.append(self.mirror.trouble is None)

    def both(self, path: str) -> tuple[bytes, bytes]:
        return (self.there / path).read_bytes(), (self.here / path).read_bytes()


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(mirror, "FIRST_PAUSE", 0.01)
    made = Pair(tmp_path)
    yield made
    mount(made.mirror.root, None)
    await made.session.close()


def step(number: int) -> Step:
    return Step(step=number, total=100, epoch=1.0, stage="encoder", metrics={"loss": 1 / number})


async def test_readers_see_the_runs_as_they_are_there(pair: Pair) -> None:
    names = fixed_run.make_runs(pair.there)
    await pair.mirror.until_level()
    assert [folder.name for folder in list_runs(pair.here)] == names
    for name in names:
        there, here = RunFolder(pair.there / name), RunFolder(pair.here / name)
        assert here.config == there.config
        assert here.status() == there.status()
        assert here.history() == there.history()
        assert [path.name for path in here.steps()] == [path.name for path in there.steps()]
    assert targets(pair.here) == targets(pair.there)
    assert labels_of(pair.here, names[1]) == fixed_run.LABELS
    found, kept = stored_attacks(pair.here, names[1]), stored_attacks(pair.there, names[1])
    assert [attack.name for attack in found] == [attack.name for attack in kept] != []
    assert load_results(found[0]) == load_results(kept[0])
    assert not list(pair.here.rglob("*.safetensors"))


async def test_a_file_that_grows_goes_on_from_its_own_size(pair: Pair) -> None:
    folder = RunFolder.create(Config(run="one"), pair.there)
    with folder.writer() as writer:
        seen: list[Any] = []
        tail = RunFolder(pair.here / "one").tail()
        for number in range(1, 6):
            writer.append(step(number))
            await pair.mirror.until_level()
            seen += tail.poll()
    assert [record.step for record in seen] == [1, 2, 3, 4, 5]
    assert tail.resets == 0
    there, here = pair.both("one/events.jsonl")
    assert there == here


async def test_a_line_left_torn_and_mended_is_no_other_file(pair: Pair) -> None:
    folder = RunFolder.create(Config(run="one"), pair.there)
    with folder.writer() as writer:
        writer.append(step(1))
    with folder.events_path.open("ab") as file:
        file.write(b'{"type":"step","st')
    tail = RunFolder(pair.here / "one").tail()
    await pair.mirror.until_level()
    assert pair.both("one/events.jsonl")[1].endswith(b'"st')
    seen = tail.poll()
    with folder.writer() as writer:  # cuts the torn line off
        writer.append(Resumed(step=1))
        writer.append(step(2))
    await pair.mirror.until_level()
    seen += tail.poll()
    assert [type(record) for record in seen] == [Step, Resumed, Step]
    assert tail.resets == 0
    there, here = pair.both("one/events.jsonl")
    assert there == here


@pytest.mark.parametrize("numbers", [range(40, 43), range(40, 60)], ids=["shorter", "longer"])
async def test_a_file_written_anew_is_copied_anew_and_readers_notice(pair: Pair, numbers: range) -> None:
    folder = RunFolder.create(Config(run="one"), pair.there)
    with folder.writer() as writer:
        for number in range(1, 10):
            writer.append(step(number))
    tail = RunFolder(pair.here / "one").tail()
    await pair.mirror.until_level()
    assert len(tail.poll()) == 9
    folder.events_path.unlink()
    with folder.writer() as writer:
        for number in numbers:
            writer.append(step(number))
    await pair.mirror.until_level()
    assert [record.step for record in tail.poll() if isinstance(record, Step)] == list(numbers)
    assert tail.resets == 1
    there, here = pair.both("one/events.jsonl")
    assert there == here


async def test_a_killed_engine_loses_and_doubles_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "LEAST", 200)
    monkeypatch.setattr(mirror, "MOST", 200)
    monkeypatch.setattr(mirror, "SECONDS_A_TURN", 0.0)  # a piece a turn: the engine is killed in the middle of a file
    pair.mirror._limit = 200
    folder = RunFolder.create(Config(run="one"), pair.there)
    seen: list[Any] = []
    tail = RunFolder(pair.here / "one").tail()
    with folder.writer() as writer:
        for number in range(1, 31):
            writer.append(step(number))
            if number % 10 == 0:
                await pair.mirror.turn()
                assert not await pair.mirror.turn()
                assert pair.session.pid is not None
                os.kill(pair.session.pid, signal.SIGKILL)
                await pair.mirror.until_level()
                seen += tail.poll()
    assert [record.step for record in seen] == list(range(1, 31))
    assert tail.resets == 0
    assert pair.turns == [False, True] * 3
    there, here = pair.both("one/events.jsonl")
    assert there == here


async def test_what_is_not_there_any_more_goes_here_too(pair: Pair) -> None:
    fixed_run.make_runs(pair.there)
    lock = FolderLock(pair.here, "the mirror")
    RunFolder.create(Config(run="of-an-earlier-day"), pair.here)
    await pair.mirror.until_level()
    assert not (pair.here / "of-an-earlier-day").exists()
    RunFolder(pair.there / "support-cnn-fgm-1").remove()
    async with asyncio.timeout(30):
        while (pair.here / "support-cnn-fgm-1").exists():  # not at every look is everything looked at
            await pair.mirror.until_level()
    assert sorted(path.name for path in pair.here.iterdir() if path.is_dir()) == [
        "sst2-bilstm-aat-1",
        "sst2-bilstm-none-1",
    ]
    with pytest.raises(InputError, match="under way in process"):
        FolderLock(pair.here, "the mirror")
    lock.release()


async def test_only_some_runs_can_be_followed(pair: Pair) -> None:
    fixed_run.make_runs(pair.there)
    RunFolder.create(Config(run="another"), pair.here)
    few = Mirror(pair.here, pair.session, "gpu", only=["sst2-bilstm-none-1"])
    await few.until_level()
    assert {folder.name for folder in list_runs(pair.here)} == {"another", "sst2-bilstm-none-1"}


async def test_the_host_judges_whether_a_run_lives(pair: Pair) -> None:
    folder = RunFolder.create(Config(run="one"), pair.there)
    here = RunFolder(pair.here / "one")
    mount(pair.mirror.root, pair.mirror)
    alive = RunStatus(
        state="running", pid=os.getpid(), host=liveness.host(), heartbeat=time.time(), step=3, total=9,
        process_start=liveness.process_start(os.getpid()),
    )  # fmt: skip
    folder.write_status(alive)
    await pair.mirror.until_level()
    assert here.status().state == "running"
    folder.write_status(msgspec.structs.replace(alive, process_start=1))  # a process that is gone
    await pair.mirror.until_level()
    assert here.status().state == "interrupted"
    # What was judged there is not judged again by this machine's processes and clock.
    here.write_status(msgspec.structs.replace(alive, process_start=1))
    assert here.status().state == "running"
    mount(pair.mirror.root, None)
    assert here.status().state == "interrupted"


async def test_what_is_asked_of_a_run_goes_to_the_host(pair: Pair) -> None:
    names = fixed_run.make_runs(pair.there)
    await pair.mirror.until_level()
    mount(pair.mirror.root, pair.mirror)
    running, done = RunFolder(pair.here / names[0]), RunFolder(pair.here / names[1])
    running.send("set lr=1e-3")
    done.remove()
    with pytest.raises(InputError, match="is not running: done"):
        done.send("pause")
    with pytest.raises(InputError, match="no command named"):
        running.send("dance")
    with pytest.raises(InputError, match="mirrors the runs of gpu"):
        RunFolder.create(Config(run="new"), pair.mirror.root)
    with pytest.raises(InputError, match="mirrors the runs of gpu"):
        jobs.start_demo(pair.mirror.root)
    await asyncio.gather(*pair.mirror._asking)
    commands = list((pair.there / names[0] / "control").iterdir())
    assert [path.read_text().split("\n")[0] for path in commands] == ["set lr=1e-3"]
    assert not list((pair.here / names[0]).glob("control/*"))
    assert not (pair.there / names[1]).exists()
    await pair.mirror.until_level()
    assert not done.exists()
    assert pair.errors == []
    (pair.there / names[0] / "config.toml").unlink()
    (pair.there / names[2] / "config.toml").unlink()
    running.send("stop")
    jobs.resume_training(RunFolder(pair.here / names[2]))
    await asyncio.gather(*pair.mirror._asking)
    assert sorted(error.message for error in pair.errors) == [
        f"no run named '{names[0]}'",
        f"no run named '{names[2]}'",
    ]
    assert elsewhere(pair.mirror.root) is pair.mirror


async def test_a_training_begins_there(pair: Pair) -> None:
    config = configs.apply(
        Config(),
        {"run": "one", "data.limit": 40, "model.hidden": 4, "model.embedding": 4, "model.latent": 4,
         "train.epochs": 1, "train.threads": 1, "surface.source": "dataset"},
    )  # fmt: skip
    assert await pair.mirror.start(config) == "one"
    here = RunFolder(pair.here / "one")
    mount(pair.mirror.root, pair.mirror)
    deadline = time.monotonic() + 60
    await pair.mirror.until_level()
    while here.status().active and time.monotonic() < deadline:
        await pair.mirror.rest(0.1)
        await pair.mirror.until_level()
    assert here.status().state == "done"
    assert here.latest() is not None and here.best() is not None
    assert any(isinstance(record, Evaluation) for record in here.history())
    with pytest.raises(InputError, match="is done: all"):
        jobs.resume_training(here)
    with pytest.raises(InputError, match="exists already"):
        await pair.mirror.start(config)
    assert "support" in await pair.mirror.dataset_names()


class Hostile:
    """A host that names files which are in no run."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def call(self, method: str, **params: Any) -> Any:
        text = {"content": "aGVsbG8=", "written": 1}
        return {"token": 1, "whole": True, "texts": {self.path: text}, "sizes": {}, "gone": []}


async def test_what_makes_no_sense_is_an_error_and_no_crash(tmp_path: Path) -> None:
    class Odd(Hostile):
        async def call(self, method: str, **params: Any) -> Any:
            return {"token": "many"}

    with pytest.raises(EngineError, match="gpu answered what is not understood"):
        await Mirror(tmp_path, Odd(""), "gpu").turn()


async def test_a_file_of_an_odd_name_holds_up_nothing(pair: Pair) -> None:
    folder = RunFolder.create(Config(run="one"), pair.there)
    try:
        (folder.path / os.fsdecode(b"odd-\xff.txt")).write_text("hello")
    except OSError:
        pytest.skip("this file system takes names that are text only")
    (folder.path / "notes.md").write_text("as it was")
    (folder.path / "empty.md").touch()
    await pair.mirror.until_level()
    (folder.path / "notes.md").write_text("as it is!")
    await pair.mirror.until_level()
    assert (pair.here / "one" / "notes.md").read_text() == "as it is!"
    assert sorted(path.name for path in (pair.here / "one").iterdir()) == [
        "config.toml",
        "empty.md",
        "notes.md",
        "status.json",
    ]


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "one/../../evil", "one/.ssh", "", "one/\0"])
async def test_a_host_writes_nowhere_else(tmp_path: Path, path: str) -> None:
    root = tmp_path / "mirror"
    root.mkdir()
    with pytest.raises(EngineError, match="in no run"):
        await Mirror(root, Hostile(path), "gpu").turn()
    assert sorted(tmp_path.rglob("*")) == [root]
