"""A run's own process: what it records, obeys and leaves behind when killed, with a small stand-in for the core."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aat_datasets.errors import ConfigError, InputError, NotFiniteError, TrainingError
from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import (
    Checkpointed,
    ControlApplied,
    Done,
    Evaluation,
    Event,
    Failed,
    Notice,
    Resumed,
    Started,
    Step,
)
from aat_models.live import Change
from aat_workbench import control, liveness
from aat_workbench.runs import RunFolder, RunStatus
from aat_workbench.training import claim, run_training


class Due(msgspec.Struct):
    step: int
    best: bool


class Core:
    """Walks at random, records every 2nd step, evaluates and saves every 10th; goes on exactly from what it saved."""

    total = 60
    seconds = 0.0

    def __init__(self, config: Config, resume: Path | None) -> None:
        self.random = random.Random(config.seed)
        self.step = 0
        self.place = 0.0
        self.top = -1e9
        self.rate = 1.0
        self.wishes: set[str] = set()
        self.resumed = resume is not None
        if resume is not None:
            state = json.loads((resume / "state.json").read_text())
            self.step, self.place, self.top, self.rate = state["numbers"]
            version, words, gauss = state["random"]
            self.random.setstate((version, tuple(words), gauss))

    def events(self) -> Iterator[Event | Due]:
        if self.resumed:
            yield Resumed(step=self.step)
        else:
            yield Started(run="", total=self.total, stages=["encoder"], parameters=1, labels=["a"])
        while self.step < self.total and "stop" not in self.wishes:
            time.sleep(self.seconds)
            self.place += self.rate * self.random.gauss(0, 1)
            self.step += 1
            if self.step % 2 == 0:
                metrics = {"loss": self.place}
                yield Step(step=self.step, total=self.total, epoch=0.5, stage="encoder", metrics=metrics)
            yield from self.look()
        if "stop" in self.wishes:
            yield Due(self.step, False)
        yield Done(summary={"dev": {"accuracy": self.place}})

    def look(self) -> Iterator[Event | Due]:
        best = False
        if self.step % 10 == 0:
            best = self.place > self.top
            self.top = max(self.top, self.place)
            yield Evaluation(step=self.step, split="dev", metrics={"accuracy": self.place})
        if self.step % 10 == 0 or self.wishes:
            self.wishes.discard("checkpoint")
            yield Due(self.step, best)

    def save(self, folder: Path) -> None:
        numbers = [self.step, self.place, self.top, self.rate]
        state = {"numbers": numbers, "random": self.random.getstate()}
        (folder / "state.json").write_text(json.dumps(state))
        (folder / "model.safetensors").write_text(repr(self.place))

    def control(self, command: str) -> None:
        self.wishes.add(command)

    def change(self, assignment: str) -> Change:
        key, _, amount = assignment.partition("=")
        if key != "lr":
            raise ConfigError(f"{key} cannot be changed while training")
        before, self.rate = self.rate, float(amount)
        return Change("lr", before, self.rate)


def plain(events: list[Event]) -> list[Event]:
    """What a run's records say, without when they were written."""
    return [msgspec.structs.replace(event, time=0.0) for event in events if not isinstance(event, Resumed)]


def train(root: Path, name: str = "one", **options: object) -> list[Event]:
    return list(run_training(Config(run=name), runs_root=root, opener=options.pop("opener", Core), **options))  # type: ignore[arg-type]


def test_a_whole_run(tmp_path: Path) -> None:
    seen = train(tmp_path)
    folder = RunFolder(tmp_path / "one")
    assert plain(folder.history()) == plain(seen)
    assert isinstance(seen[0], Started) and seen[0].run == "one"
    assert isinstance(seen[-1], Done) and seen[-1].summary["run"] == "one"
    status = folder.status()
    assert (status.state, status.step, status.total) == ("done", 60, 60)
    assert status.summary == seen[-1].summary and status.metrics == status.summary["dev"]
    assert folder.checkpoint("latest").name == "step-00000060"
    places = {event.step: event.metrics["accuracy"] for event in seen if isinstance(event, Evaluation)}
    top = max(places, key=lambda step: places[step])
    assert folder.checkpoint("best").name == f"step-{top:08d}"
    bests = [event.step for event in seen if isinstance(event, Checkpointed) and event.best]
    assert bests[-1] == top
    assert 2 <= len(folder.steps()) <= 3


def test_the_state_while_it_runs(tmp_path: Path) -> None:
    events = run_training(Config(run="one"), runs_root=tmp_path, opener=Core)
    next(events)
    folder = RunFolder(tmp_path / "one")
    status = folder.status()
    assert (status.state, status.pid) == ("running", os.getpid())
    with pytest.raises(InputError, match="run one is running in process"):
        claim(Config(run="one"), tmp_path, resume=True)
    with pytest.raises(InputError, match="exists already"):
        claim(Config(run="one"), tmp_path)
    events.close()
    assert folder.status().state == "interrupted"


def test_a_queued_run_is_taken_over_by_its_own_config_only(tmp_path: Path) -> None:
    folder = RunFolder.create(Config(seed=3), tmp_path)
    assert claim(folder.config, tmp_path).path == folder.path
    with pytest.raises(InputError, match="exists already"):
        claim(msgspec.structs.replace(folder.config, seed=4), tmp_path)


def test_pause_resume_set_and_stop(tmp_path: Path) -> None:
    folder = RunFolder.create(Config(run="one"), tmp_path)
    states: list[str] = []

    def watch() -> None:
        deadline = time.monotonic() + 120
        while folder.written_status().state != "paused" and time.monotonic() < deadline:
            time.sleep(0.01)
        states.append(folder.status().state)
        for text in ("set lr=0.5", "set depth=9", "resume", "stop"):
            control.send(folder.control_path, text)

    control.send(folder.control_path, "pause")
    watcher = threading.Thread(target=watch)
    watcher.start()
    seen = list(run_training(folder.config, runs_root=tmp_path, opener=Core))
    watcher.join()
    assert states == ["paused"]
    applied = [(event.command, event.value) for event in seen if isinstance(event, ControlApplied)]
    assert applied == [("pause", ""), ("set", "lr=0.5"), ("resume", ""), ("stop", "")]
    assert [event.message for event in seen if isinstance(event, Notice)] == [
        "set depth=9: depth cannot be changed while training"
    ]
    assert folder.status().state == "done" and folder.status().step < Core.total
    assert control.pending(folder.control_path) == []
    # stopped early, so there is something to go on with, at the rate that was set
    rest = list(run_training(folder.config, runs_root=tmp_path, resume=True, opener=Core))
    assert isinstance(rest[0], Resumed) and folder.status().step == Core.total
    assert json.loads((folder.checkpoint("latest") / "state.json").read_text())["numbers"][3] == 0.5


def test_a_setting_no_checkpoint_holds_is_applied_again(tmp_path: Path) -> None:
    folder = RunFolder.create(Config(run="one"), tmp_path)
    control.send(folder.control_path, "set lr=0.25")
    events = run_training(folder.config, runs_root=tmp_path, opener=Core)
    while not isinstance(next(events), ControlApplied):
        pass
    events.close()
    seen = list(run_training(folder.config, runs_root=tmp_path, resume=True, opener=Core))
    assert [event.value for event in seen if isinstance(event, ControlApplied)] == ["lr=0.25"]
    assert control.pending(folder.control_path) == []


def test_resume_needs_something_to_go_on_with(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(InputError, match="run one is done: all 60 steps"):
        train(tmp_path, resume=True)
    with pytest.raises(InputError, match="no run named 'two'"):
        train(tmp_path, "two", resume=True)
    with pytest.raises(InputError, match="needs the name of a run"):
        train(tmp_path, "", resume=True)
    folder = RunFolder(tmp_path / "one")
    folder.write_status(RunStatus(state="failed"))
    with pytest.raises(ConfigError, match="its own config"):
        claim(Config(run="one", seed=5), tmp_path, resume=True)


def test_without_a_checkpoint_a_resume_begins_again(tmp_path: Path) -> None:
    folder = RunFolder.create(Config(run="one"), tmp_path)
    tail = folder.tail()
    events = run_training(folder.config, runs_root=tmp_path, opener=Core)
    next(events)
    next(events)
    events.close()
    assert len(tail.poll()) == 2
    again = list(run_training(folder.config, runs_root=tmp_path, resume=True, opener=Core))
    assert isinstance(again[0], Started)
    assert plain(tail.poll()) == plain(again) and tail.resets == 1


class Diverging(Core):
    def look(self) -> Iterator[Event | Due]:
        yield from super().look()
        if self.step == 24:
            raise TrainingError("the loss is not a number at step 24", "try a smaller train.lr")


class Full(Core):
    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.step == 20:
            raise OSError(28, "No space left on device", str(folder))


class Buggy(Core):
    def look(self) -> Iterator[Event | Due]:
        yield from super().look()
        if self.step == 24:
            raise ZeroDivisionError("division by zero")


def failing(root: Path, opener: type[Core]) -> tuple[list[Event], BaseException]:
    seen: list[Event] = []
    with pytest.raises(Exception) as caught:
        for event in run_training(Config(run="one"), runs_root=root, opener=opener):
            seen.append(event)
    return seen, caught.value


def test_a_training_error_is_recorded_and_raised(tmp_path: Path) -> None:
    seen, error = failing(tmp_path, Diverging)
    assert isinstance(error, TrainingError)
    last = seen[-1]
    assert isinstance(last, Failed)
    assert (last.error, last.hint) == ("the loss is not a number at step 24", "try a smaller train.lr")
    folder = RunFolder(tmp_path / "one")
    assert (folder.status().state, folder.status().error) == ("failed", last.error)
    assert isinstance(folder.history()[-1], Failed)
    # a repaired core goes on from what was kept
    rest = list(run_training(folder.config, runs_root=tmp_path, resume=True, opener=Core))
    assert rest[0].step == 20 if isinstance(rest[0], Resumed) else False
    assert folder.status().state == "done" and not folder.status().error


def test_the_batch_of_a_loss_that_overflows_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    settings = {
        "run": "one", "data.limit": 64, "train.batch_size": 16, "train.lr": 1e30, "train.warmup": 0.0,
        "model.encoder": "bow", "train.threads": 1,
    }  # fmt: skip
    folder = RunFolder(tmp_path / "runs" / "one")
    with pytest.raises(NotFiniteError) as caught:
        list(run_training(configs.apply(Config(), settings), runs_root=tmp_path / "runs"))
    kept = next(folder.path.glob("not-finite-*.json"))
    assert caught.value.message.endswith(f"; its batch: {kept}")
    last = folder.history()[-1]
    assert isinstance(last, Failed) and str(kept) in last.error and folder.status().error == last.error
    batch = json.loads(kept.read_bytes())
    assert len(batch["examples"]) == 16 and all(example["text"] for example in batch["examples"])


def test_a_full_disk_says_what_was_kept(tmp_path: Path) -> None:
    seen, error = failing(tmp_path, Full)
    assert isinstance(error, TrainingError) and "No space left" in error.message
    assert "kept: one@step-10" in error.hint and isinstance(seen[-1], Failed)
    assert [path.name for path in RunFolder(tmp_path / "one").steps()] == ["step-00000010"]


def test_any_other_error_is_named(tmp_path: Path) -> None:
    seen, error = failing(tmp_path, Buggy)
    assert isinstance(error, ZeroDivisionError)
    assert isinstance(seen[-1], Failed) and seen[-1].error == "ZeroDivisionError: division by zero"


SCRIPT = textwrap.dedent(
    """
    import importlib.util, sys
    from pathlib import Path
    spec = importlib.util.spec_from_file_location("cores", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    from aat_models.config import Config
    from aat_workbench.training import run_training
    module.Core.seconds, module.Core.total = float(sys.argv[4]), int(sys.argv[5])
    root, resume = Path(sys.argv[2]), sys.argv[3] == "resume"
    try:
        for event in run_training(Config(run="one"), runs_root=root, resume=resume, opener=module.Core):
            print(type(event).__name__, flush=True)
    except KeyboardInterrupt:
        sys.exit(130)
    """
)


def start(root: Path, how: str, seconds: float, total: int = 60) -> subprocess.Popen[str]:
    here = Path(__file__).resolve()
    top = here.parents[2]
    paths = os.pathsep.join(str(top / name) for name in ("datasets", "models", "workbench"))
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(here), str(root), how, str(seconds), str(total)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], name: str, times: int = 1) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        times -= line.strip() == name
        if not times:
            return
    raise AssertionError(f"the process ended before {name}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_takes_a_checkpoint_first(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path, "begin", 0.02)
    wait_for(process, "Step", 7)
    process.send_signal(number)
    process.communicate(timeout=120)
    assert process.returncode == 130
    folder = RunFolder(tmp_path / "one")
    assert folder.status().state == "interrupted"
    seen = folder.history()
    assert isinstance(seen[-1], Notice) and "interrupted; kept: one@step-" in seen[-1].message
    assert isinstance(seen[-2], Checkpointed) and seen[-2].step >= 14
    rest = list(run_training(folder.config, runs_root=tmp_path, resume=True, opener=Core))
    assert isinstance(rest[0], Resumed) and rest[0].step == seen[-2].step
    reference = train(tmp_path, "two")
    assert curves(folder.history()) == curves(reference)


def curves(events: list[Event]) -> list[Event]:
    return plain([event for event in events if isinstance(event, Step | Evaluation)])


def test_killed_at_any_moment_it_goes_on_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Core, "total", 400)
    reference = train(tmp_path, "reference")
    moments = random.Random(0)
    how = "begin"
    for _ in range(8):
        process = start(tmp_path, how, 0.004, Core.total)
        wait_for(process, "Checkpointed" if moments.random() < 0.5 else "Step")
        time.sleep(moments.random() * 0.05)
        process.kill()
        process.communicate(timeout=120)
        how = "resume"
    folder = RunFolder(tmp_path / "one")
    state = folder.status()
    assert state.state == "interrupted" and not liveness.alive(state.pid, state.process_start)
    list(run_training(folder.config, runs_root=tmp_path, resume=True, opener=Core))
    assert curves(folder.history()) == curves(reference)
    taken = [(event.step, event.best) for event in folder.history() if isinstance(event, Checkpointed)]
    assert taken == [(event.step, event.best) for event in reference if isinstance(event, Checkpointed)]
    other = RunFolder(tmp_path / "reference")
    assert folder.checkpoint("best").name == other.checkpoint("best").name
    for name in ("state.json", "model.safetensors"):
        assert (folder.checkpoint("latest") / name).read_bytes() == (other.checkpoint("latest") / name).read_bytes()


def settings_of(folder: RunFolder) -> list[tuple[int, str, str]]:
    return [(event.step, event.value, event.before) for event in folder.history() if isinstance(event, ControlApplied)]


def test_settings_survive_kills_and_come_again_at_their_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Core, "total", 400)
    moments = random.Random(1)
    folder = RunFolder(tmp_path / "one")
    for turn in range(6):
        process = start(tmp_path, "resume" if turn else "begin", 0.004, Core.total)
        wait_for(process, "Step")
        rate = f"lr={1 + turn / 4:g}"
        control.send(folder.control_path, f"set {rate}")
        if turn % 2:
            wait_for(process, "ControlApplied")  # most often before any checkpoint holds it
        time.sleep(moments.random() * 0.02)
        process.kill()
        process.communicate(timeout=120)
    seen = list(run_training(folder.config, runs_root=tmp_path, resume=True, opener=Core))
    applied = settings_of(folder)
    assert [value for _, value, _ in applied] == [f"lr={1 + turn / 4}" for turn in range(6)]
    assert [before for _, _, before in applied] == ["1.0", *(f"{1 + turn / 4}" for turn in range(5))]
    assert control.pending(folder.control_path) == [] and isinstance(seen[-1], Done)
    other = RunFolder.create(Config(run="other"), tmp_path)
    for step, value, _ in applied:
        control.send(other.control_path, f"set {value}", at=step)
    list(run_training(other.config, runs_root=tmp_path, opener=Core))
    assert settings_of(other) == applied
    assert curves(folder.history()) == curves(other.history())
    states = [(one.checkpoint("latest") / "state.json").read_bytes() for one in (folder, other)]
    assert states[0] == states[1]


def test_a_setting_just_after_a_checkpoint_is_taken_again_and_recorded_once(tmp_path: Path) -> None:
    folder = RunFolder.create(Config(run="one"), tmp_path)
    control.send(folder.control_path, "set lr=0.25", at=10)
    events = run_training(folder.config, runs_root=tmp_path, opener=Core)
    order = [type(event).__name__ for event in events if not isinstance(event, Step | Evaluation)]
    assert order[1:3] == ["ControlApplied", "Checkpointed"]  # at the record of step 10, which this checkpoint holds
    events = run_training(Config(run="two"), runs_root=tmp_path, opener=Core)
    folder = RunFolder(tmp_path / "two")
    while not (isinstance(event := next(events), Checkpointed) and event.step == 20):
        pass
    control.send(folder.control_path, "set lr=0.5")
    assert isinstance(next(events), ControlApplied)
    events.close()
    list(run_training(folder.config, runs_root=tmp_path, resume=True, opener=Core))
    assert settings_of(folder) == [(20, "lr=0.5", "1.0")]
    assert json.loads((folder.checkpoint("latest") / "state.json").read_text())["numbers"][3] == 0.5


def test_a_real_training_takes_its_settings_again_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    settings = {
        "data.limit": 128, "train.batch_size": 16, "train.log_every": 2, "train.evaluate_every": 8, "train.epochs": 3,
        "train.evaluate_limit": 40, "model.encoder": "bow", "adversary.name": "aat", "train.threads": 1,
    }  # fmt: skip

    def begin(name: str) -> tuple[RunFolder, Iterator[Event]]:
        folder = RunFolder.create(configs.apply(Config(), {**settings, "run": name}), tmp_path / "runs")
        for at, assignment in ((6, "lr=0.01"), (10, "beta=3"), (14, "adversary.budget=0.5")):
            folder.send(f"set {assignment}", at=at)
        return folder, run_training(folder.config, runs_root=tmp_path / "runs")

    whole, events = begin("whole")
    list(events)
    killed, events = begin("killed")
    while not (isinstance(event := next(events), Step) and event.step == 14):
        pass
    assert [value for _, value, _ in settings_of(killed)] == ["train.lr=0.01", "adversary.beta=3.0"]
    next(events)
    events.close()
    list(run_training(killed.config, runs_root=tmp_path / "runs", resume=True))
    assert settings_of(killed) == settings_of(whole) and len(settings_of(whole)) == 3
    for name in ("model.safetensors", "state.safetensors"):
        one, two = (folder.checkpoint("latest") / name for folder in (whole, killed))
        assert one.read_bytes() == two.read_bytes(), name
