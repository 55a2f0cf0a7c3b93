"""The commands around runs, through the console script's own entry."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Checkpointed, ControlApplied, Done, Evaluation, Event, Failed, Notice, Started, Step
from aat_workbench import checkpoints, control, detached
from aat_workbench.cli import progress
from aat_workbench.cli.main import main
from aat_workbench.runs import RunFolder, RunStatus

TINY = [
    "data.limit=200",
    "model.embedding=8",
    "model.hidden=8",
    "model.latent=8",
    "model.buckets=50",
    "train.epochs=4",
    "train.batch_size=16",
    "train.evaluate_limit=20",
    "train.log_every=5",
    "train.evaluate_every=10",
    "train.threads=1",
    "surface.source=dataset",
]
SETTINGS = [word for assignment in TINY for word in ("--set", assignment)]


class Outcome(msgspec.Struct):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))

    def call(*words: str) -> Outcome:
        capfd.readouterr()
        code = 0
        try:
            main(list(words))
        except SystemExit as error:
            code = int(error.code or 0)
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


def finished(root: Path, name: str, *, accuracy: float = 0.9, **changes: Any) -> RunFolder:
    """A run that looks done, with a checkpoint and an attack, without a training."""
    config = Config(run=name)
    for key, value in changes.items():
        setattr(config.train, key, value)
    folder = RunFolder.create(config, root)
    with folder.writer() as writer:
        writer.append(Started(run=name, total=20, stages=["encoder"], parameters=1234, labels=["a", "b"]))
        writer.append(Step(step=20, total=20, epoch=1, stage="encoder", metrics={"loss": 0.5}))
        writer.append(Evaluation(step=20, split="dev", metrics={"accuracy": accuracy}))
        writer.append(Notice(message="\x1b]52;c;evil\x07 [/b] careful", level="warning"))
        writer.append(Done(summary={"run": name, "dev": {"accuracy": accuracy}}))
    checkpoints.commit(folder.checkpoints_path, 20, lambda path: (path / "model.safetensors").touch(), best=True)
    summary = {"run": name, "dev": {"accuracy": accuracy}}
    folder.write_status(
        RunStatus(state="done", step=20, total=20, started=1e9, metrics={"accuracy": accuracy}, summary=summary)
    )
    attack = folder.attacks_path / "greedy-1"
    attack.mkdir(parents=True)
    (attack / "summary.json").write_text(json.dumps({"recipe": "greedy", "accuracy_under_attack": accuracy / 2}))
    return folder


# errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("runs", "show", "nowhere"), "no run named 'nowhere'"),
        (("train", "--dataset", "suport"), "did you mean support or support-zh?"),
        (("train", "--set", "train.epochs=five"), "train.epochs: expected float, got 'five'"),
        (("train", "--set", "train.epoch=5"), "did you mean train.epochs"),
        (("train", "--model", "lama"), "model.encoder: unknown 'lama' (did you mean llama?); known: bow, cnn,"),
        (("train", "--set", "train.stages=encoder,jiont"), "train.stages[1]: unknown 'jiont' (did you mean joint?)"),
        (("train", "--set", "train.optimizer=zzz"), "train.optimizer: unknown 'zzz'; known: adamw, adam, sgd"),
        (("train", "--set", "lr"), "expected KEY=VALUE"),
        (("train", "--resume"), "--resume needs the name of a run"),
        (("train", "--config", "nowhere.toml"), "nowhere.toml: No such file"),
        (("train", "--run", "../up"), "is unfit"),
        (("watch", "--plain"), "no run is at work"),
        (("watch",), "the app needs a terminal"),
        ((), "the app needs a terminal"),
    ],
)
def test_wrong_input_is_one_line(command: Any, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    outcome = command(*words)
    assert outcome.code == 2 and outcome.out == ""
    assert message in outcome.err and outcome.err.startswith("aat-workbench: ")
    assert len(outcome.err.splitlines()) == 1
    assert list((tmp_path / "runs").glob("*")) == []


def test_debug_shows_where(command: Any) -> None:
    with pytest.raises(Exception, match="no run named"):
        main(["runs", "show", "nowhere", "--debug"])


def test_version_and_usage(command: Any) -> None:
    assert command("--version").out.startswith("aat-workbench 0.")
    outcome = command("train", "--epochs", "five")
    assert outcome.code == 2 and "--epochs" in outcome.err


# the store


def test_list_show_compare(command: Any, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    assert command("runs", "list", "--json").json == []
    finished(root, "one")
    finished(root, "two", accuracy=0.8, lr=0.5)
    listed = command("runs", "list", "--json").json
    assert {entry["run"] for entry in listed} == {"one", "two"}
    assert listed[0]["state"] == "done" and listed[0]["metrics"]["accuracy"] in (0.8, 0.9)
    text = command("runs", "list").out
    assert "one" in text and "0.900" in text and "100 %" in text
    shown = command("runs", "show", "one", "--json").json
    assert shown["config"]["train"]["threads"] >= 1 and shown["checkpoints"] == ["step-00000020"]
    assert shown["attacks"] == [{"name": "greedy-1", "summary": {"recipe": "greedy", "accuracy_under_attack": 0.45}}]
    assert "greedy-1" in command("runs", "show", "one").out
    compared = command("runs", "compare", "one", "two", "--json").json
    assert compared["runs"] == ["one", "two"]
    assert compared["differs"] == {"train.lr": [0.002, 0.5]}
    assert compared["figures"]["dev.accuracy"] == [0.9, 0.8]
    assert compared["figures"]["greedy-1.accuracy_under_attack"] == [0.45, 0.4]
    assert "train.lr" in command("runs", "compare", "one", "two").out


def test_a_broken_run_does_not_hide_the_others(command: Any, tmp_path: Path) -> None:
    finished(tmp_path / "runs", "one")
    broken = finished(tmp_path / "runs", "two")
    broken.config_path.write_text("not toml")
    (broken.attacks_path / "greedy-1" / "summary.json").write_text("{")
    listed = {entry["run"]: entry for entry in command("runs", "list", "--json").json}
    assert listed["one"]["error"] == "" and "not TOML" in listed["two"]["error"]


def test_remove_asks_first(command: Any, tmp_path: Path) -> None:
    folder = finished(tmp_path / "runs", "one")
    refused = command("runs", "rm", "one")
    assert refused.code == 2 and "--yes" in refused.err and folder.exists()
    assert command("runs", "rm", "one", "--yes", "--json").json == {"removed": ["one"]}
    assert not folder.path.exists()


def test_what_is_at_work_is_not_removed(command: Any, tmp_path: Path) -> None:
    folder = RunFolder.create(Config(run="one"), tmp_path / "runs")
    outcome = command("runs", "rm", "one", "--yes")
    assert outcome.code == 2 and "still at work: one" in outcome.err and folder.exists()


def test_control(command: Any, tmp_path: Path) -> None:
    folder = RunFolder.create(Config(run="one"), tmp_path / "runs")
    sent = command("runs", "control", "one", "set", "lr=1e-3", "--json")
    assert sent.json == {"run": "one", "command": "set", "value": "lr=1e-3", "at": 0}
    command("runs", "control", "one", "set", "train.lr=1e-4", "--at", "40")
    found = control.pending(folder.control_path)
    assert [(one.verb, one.value, one.at) for one in found] == [("set", "lr=1e-3", 0), ("set", "train.lr=1e-4", 40)]
    assert all("@" in one.by for one in found)
    refused = command("runs", "control", "one", "set", "beta=2")
    assert refused.code == 2 and "adversary.beta: adversary none does not use it" in refused.err
    assert "train.lr: expected float > 0.0" in command("runs", "control", "one", "set", "lr=-1").err
    assert len(control.pending(folder.control_path)) == 2
    outcome = command("runs", "control", "one", "explode")
    assert outcome.code == 2 and "no command named 'explode'" in outcome.err
    folder.write_status(RunStatus(state="failed"))
    assert "not running: failed" in command("runs", "control", "one", "stop").err


def test_the_queue(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.delenv("AAT_PARALLEL", raising=False)
    monkeypatch.setattr(detached, "start_process", lambda arguments, log, *more: begun.append(log.parent.name))
    assert command("train", "--queue", "--run", "one", "--json").json["place"] == 0
    waits = command("train", "--queue", "--run", "two", "--json")
    assert waits.json["place"] == 1 and begun == ["one"]
    assert command("runs", "queue", "--json").json == {"parallel": 1, "waiting": ["two"]}
    assert "queued 1" in command("runs", "list").out
    assert command("train", "--queue", "--run", "three").err.strip().startswith("three waits for its turn, place 2")
    assert command("runs", "queue", "--start", "three", "--json").json["waiting"] == ["two"]
    assert command("runs", "queue", "--parallel", "3", "--json").json == {"parallel": 3, "waiting": []}
    assert begun == ["one", "three", "two"]
    refused = command("runs", "queue", "--start", "two")
    assert refused.code == 2 and "two waits no more" in refused.err


def test_notes_and_tags(command: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        RunFolder.create(Config(run=name), tmp_path / "runs")
    assert command("runs", "note", "one", "the [/b] one\x1b[2J", "--json").json["note"] == "the [/b] one\x1b[2J"
    assert command("runs", "tag", "one", "+good", "draft", "+later", "--quiet").out == ""
    assert command("runs", "tag", "one", "-draft", "--json").json["tags"] == ["good", "later"]
    assert command("runs", "note", "one").out == "tags: good later\nthe [/b] one␛[2J\n"
    assert [run["run"] for run in command("runs", "list", "--tag", "good", "--tag", "later", "--json").json] == ["one"]
    assert "no run has the tag bad" in command("runs", "list", "--tag", "bad").err
    assert "good later" in command("runs", "list").out and "good later" in command("runs", "show", "one").out
    refused = command("runs", "tag", "two", "a,b")
    assert refused.code == 2 and "tag 'a,b' is unfit" in refused.err
    command("runs", "tag", "one", "-good", "-later")
    command("runs", "note", "one", "")
    assert not (tmp_path / "runs" / "one" / "notes.toml").exists()


# watching


def test_watch_prints_what_a_terminal_may_show(command: Any, tmp_path: Path) -> None:
    finished(tmp_path / "runs", "one")
    text = command("watch", "one", "--plain").out
    assert "\x1b" not in text and "\x07" not in text and "␛]52" in text and "[/b]" in text
    assert "step 20/20 encoder  loss 0.5" in text and "done  run one  dev.accuracy 0.900" in text
    lines = command("watch", "one", "--json").lines
    assert [line["type"] for line in lines] == ["started", "step", "evaluation", "notice", "done"]
    assert all(line["run"] == "one" for line in lines)
    finished(tmp_path / "runs", "two")
    rung = command("watch", "one", "two", "--plain", "--bell")
    assert rung.err.count("\x07") == 2 and "\x07" not in rung.out
    several = command("watch", "one", "two", "--plain", "--quiet").out
    assert " one  " in several and " two  " in several and "step 20/20" not in several


def test_words_for_events() -> None:
    assert progress.line(Checkpointed(step=3, path="x", best=True)) == "step 3 checkpoint (best)"
    assert progress.line(ControlApplied(step=3, command="stop")) == "step 3 stop"
    changed = ControlApplied(step=3, command="set", value="train.lr=0.1", before="0.2", by="me@here")
    assert progress.line(changed) == "step 3 set train.lr=0.1 (was 0.2, by me@here)"
    assert progress.line(Notice(message="so", level="warning")) == "warning: so"
    assert progress.line(Failed(error="x")) == ""
    assert [progress.eta(seconds) for seconds in (0.2, 59.7, 185, 7800)] == ["0 s", "1 m 00 s", "3 m 05 s", "2 h 10 m"]


def test_the_live_view_passes_every_event_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    events: list[Event] = [
        Started(run="one", total=4, stages=["encoder"], parameters=10, labels=[]),
        Notice(message="[/b] \x1b[31m"),
        Step(step=2, total=4, epoch=1, stage="encoder", metrics={"loss": 0.5, "examples_per_second": 9}),
        Evaluation(step=2, split="dev", metrics={"accuracy": 0.25, "robust_accuracy": 0.125}),
        Step(step=3, total=4, epoch=1, stage="encoder", metrics={"loss": 0.25}),
        Done(summary={}),
    ]
    assert list(progress.shown(iter(events))) == events
    assert "[/b] ␛[31m" in capsys.readouterr().err


# training


def test_train_json(command: Any, tmp_path: Path) -> None:
    outcome = command("train", "--run", "one", "--json", "--seed", "3", *SETTINGS)
    assert outcome.code == 0, outcome.err
    lines = outcome.lines
    assert lines[0]["type"] == "started" and lines[0]["run"] == "one"
    assert lines[-1]["type"] == "done" and lines[-1]["summary"]["run"] == "one"
    assert {line["type"] for line in lines} == {"started", "notice", "step", "evaluation", "checkpoint", "done"}
    folder = RunFolder(tmp_path / "runs" / "one")
    assert folder.status().state == "done" and folder.config.seed == 3
    assert [event.step for event in folder.history() if isinstance(event, Checkpointed)][-1] == 52
    again = command("train", "--run", "one", *SETTINGS)
    assert again.code == 2 and "run one exists already" in again.err
    assert "run one is done" in command("train", "--run", "one", "--resume").err
    quiet = command("train", "--quiet", "--config", str(folder.config_path), "--run", "two")
    assert quiet.code == 0 and quiet.err == ""
    same = RunFolder(tmp_path / "runs" / "two").checkpoint("latest") / "model.safetensors"
    assert same.read_bytes() == (folder.checkpoint("latest") / "model.safetensors").read_bytes()


def test_stopped_before_its_first_step(command: Any, tmp_path: Path) -> None:
    config = configs.apply(Config(run="one"), dict(assignment.split("=") for assignment in TINY))
    folder = RunFolder.create(config, tmp_path / "runs")
    folder.send("stop")
    outcome = command("train", "--config", str(folder.config_path), "--run", "one", "--json")
    assert outcome.code == 0, outcome.err
    assert [line["type"] for line in outcome.lines] == ["started", "control", "notice", "notice", "done"]
    assert folder.latest() is None
    assert command("train", "--run", "one", "--resume", "--quiet").code == 0
    assert folder.status().step == folder.status().total and folder.latest() is not None


def wait_for(folder: RunFolder, step: int) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if any(isinstance(event, Step) and event.step >= step for event in folder.history()):
            return
        time.sleep(0.02)
    raise AssertionError(folder.log_path.read_text())


def test_killed_in_the_background_it_goes_on_exactly(command: Any, tmp_path: Path) -> None:
    long = [*SETTINGS, "--set", "train.epochs=20"]
    assert command("train", "--run", "whole", "--quiet", *long).code == 0
    started = command("train", "--run", "one", "--detach", "--json", *long)
    folder = RunFolder(Path(started.json["path"]))
    wait_for(folder, 25)
    child = detached._children[-1]
    os.kill(child.pid, signal.SIGKILL)
    child.wait(timeout=120)
    assert folder.status().state == "interrupted"
    started = next(event for event in folder.history() if isinstance(event, Started))
    assert all(event.step < started.total for event in folder.history() if isinstance(event, Step))
    assert "in the background" in command("train", "--run", "one", "--resume", "--detach").err
    detached._children[-1].wait(timeout=120)
    assert folder.status().state == "done", folder.log_path.read_text()
    whole = RunFolder(tmp_path / "runs" / "whole")
    for name in ("latest", "best"):
        one, other = folder.checkpoint(name), whole.checkpoint(name)
        assert one.name == other.name
        assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert evaluations(folder) == evaluations(whole)


def evaluations(folder: RunFolder) -> list[tuple[int, dict[str, float]]]:
    return [(event.step, event.metrics) for event in folder.history() if isinstance(event, Evaluation)]


def test_an_interrupted_command_says_what_was_kept(tmp_path: Path) -> None:
    top = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(top / name) for name in ("datasets", "models", "workbench")),
        "AAT_RUNS": str(tmp_path / "runs"),
        "AAT_DATA": str(tmp_path / "data"),
    }
    words = ["train", "--run", "one", *SETTINGS, "--set", "train.epochs=500"]
    child = subprocess.Popen(
        [sys.executable, "-m", "aat_workbench.cli.main", *words], env=environment, stderr=subprocess.PIPE, text=True
    )
    folder = RunFolder(tmp_path / "runs" / "one")
    wait_for(folder, 10)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=120)
    assert child.returncode == 130
    assert "interrupted; kept: one@step-" in err and "Traceback" not in err
    assert folder.status().state == "interrupted" and folder.latest() is not None
