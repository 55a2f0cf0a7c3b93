"""Commands with ``--host``, against a real sshd on the loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aat_datasets.errors import InputError
from aat_models import config as configs
from aat_models.config import Config
from aat_workbench import jobs, liveness, notes, queue
from aat_workbench.cli.main import main
from aat_workbench.host import Connection, Host
from aat_workbench.mirror import Mirror
from aat_workbench.notes import Notes
from aat_workbench.pseudo_terminal import PseudoTerminal
from aat_workbench.report import collect, write
from aat_workbench.runs import RunFolder, RunStatus, mount

from . import fixed_run
from .places import sets, until
from .sshd import Sshd

SETTINGS = sets(
    "data.limit=200", "model.embedding=8", "model.hidden=8", "model.latent=8", "model.buckets=50",
    "train.batch_size=16", "train.evaluate_limit=20", "train.log_every=5", "train.evaluate_every=50",
    "train.threads=1", "surface.source=dataset", "train.epochs=2000",
)  # fmt: skip


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    made = Sshd(tmp_path_factory.mktemp("sshd"))
    yield made
    made.stop()


@pytest.fixture
def there(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """The server, with this process's environment set so that ``--host`` finds it and nothing of this user's is used."""
    shutil.rmtree(server.runs, ignore_errors=True)
    for name, value in {
        "AAT_SSH": server.options,
        "AAT_REMOTE": server.remote(),
        "AAT_RUNS": str(tmp_path / "runs"),
        "AAT_DATA": str(tmp_path / "data"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def command(there: Sshd, capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs a command line with ``--host``."""

    def run(*words: str, host: str = there.host) -> Outcome:
        capfd.readouterr()
        try:
            main([*words, "--host", host] if host else list(words))
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return Outcome(code, *capfd.readouterr())

    return run


# what is said where it does not work


def test_an_unreachable_host_is_one_line(command: Callable[..., Outcome]) -> None:
    outcome = command("runs", "list", host="nobody@no-such-host.invalid")
    assert outcome.code == 2
    assert outcome.err.startswith("aat-workbench: cannot reach nobody@no-such-host.invalid: Could not resolve hostname")
    assert outcome.err.count("\n") == 1 and outcome.out == ""


def test_a_refused_key_and_an_unknown_host_key(
    command: Callable[..., Outcome], there: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AAT_SSH", there.options_with("other_key"))
    outcome = command("probe", "builtin:tiny", "great film")
    assert outcome.code == 2 and outcome.err.count("\n") == 1
    assert "Permission denied" in outcome.err and "must work without a password" in outcome.err
    monkeypatch.setenv("AAT_SSH", there.options_with("key", known="no_such_file"))
    outcome = command("attack", "builtin:tiny")
    assert outcome.code == 2 and outcome.err.count("\n") == 1
    assert "Host key verification failed" in outcome.err and "compare it" in outcome.err


@pytest.mark.parametrize(
    ("remote", "told"),
    [
        ("/no/such/aat-workbench", "has no aat-workbench that can be run"),
        ("echo broken >&2; exit 3;", "did not start: broken"),
        ("echo '{\"hello\": {\"protocol\": 1, \"version\": \"0.0.9\"}}'; cat; :", "is 0.0.9 (protocol 1), here "),
    ],
)  # fmt: skip
def test_what_is_there_instead_of_the_engine_is_told(
    command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, remote: str, told: str
) -> None:
    monkeypatch.setenv("AAT_REMOTE", remote)
    outcome = command("watch", "--plain")
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and outcome.out == ""
    assert told in outcome.err


def test_the_program_is_looked_for_in_the_folder_that_is_named(
    command: Callable[..., Outcome], there: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "project" / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "aat-workbench").write_text(f'#!/bin/sh\necho motd\n{there.remote()} "$@"\n')
    (programs / "aat-workbench").chmod(0o755)
    monkeypatch.delenv("AAT_REMOTE")
    outcome = command("runs", "list", "--json", host=f"{there.host}:{tmp_path}/project")
    assert (outcome.code, outcome.out) == (0, "[]\n")
    outcome = command("runs", "list", host=f"{there.host}:{tmp_path}/nothing")
    assert outcome.code == 2 and "can't cd" in outcome.err


def test_another_version_of_the_same_protocol_is_a_warning(
    command: Callable[..., Outcome], there: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aat_workbench.host.__version__", "9.9.9")
    outcome = command("runs", "list", "--json")
    assert outcome.code == 0
    assert f"warning: aat-workbench on {there.host} is" in outcome.err and "here 9.9.9" in outcome.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--host", "gpu", "runs", "list"), "--host stands behind the command"),
        (("--host", "gpu"), "the app needs a terminal"),
        (("watch", "--host", "-oProxyCommand=true", "--plain"), "--host: expected USER@HOST"),
        (("train", "--host", "gpu"), "runs in the background"),
        (("evaluate", "a", "--host", "gpu", "--http-retries", "1"), "--http-… work on this machine only"),
        (("train", "--host", "gpu", "--detach", "--resume", "--run", "a", "--seed", "1"), "takes --run NAME and no"),
        (("train", "--host", "gpu", "--sweep", "sweep.toml"), "a sweep runs on this machine"),
        (("attack", "builtin:tiny", "--host", "gpu", "--save-as", "x"), "work on this machine only"),
    ],
)
def test_wrong_words_are_told_before_anybody_is_called(
    command: Callable[..., Outcome], words: tuple[str, ...], told: str
) -> None:
    outcome = command(*words, host="")
    assert outcome.code == 2 and told in outcome.err


def test_hosts_as_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Host.parse("me@gpu") == Host("me@gpu")
    assert Host.parse("gpu:~/work/aat") == Host("gpu", "work/aat")
    assert Host.parse("fe80::1") == Host("fe80::1")
    monkeypatch.setenv("AAT_SSH", "-p 22 '")
    with pytest.raises(InputError, match="AAT_SSH"):
        Host.parse("gpu").command()
    monkeypatch.setenv("AAT_SSH", "-p 2222")
    monkeypatch.setenv("AAT_REMOTE", "prog")
    command = Host.parse("gpu:it's here").command()
    assert command[:3] == ["ssh", "-p", "2222"] and command[-3:-1] == ["--", "gpu"]
    assert command[-1].startswith("exec sh -c ") and "prog engine" in command[-1]
    assert Host.parse("gpu").key != Host.parse("gpu:it's here").key


# attack, probe, generate


def test_attack_and_probe_are_those_of_this_machine(command: Callable[..., Outcome], there: Sshd) -> None:
    words = ("probe", "builtin:tiny", "a great film", "a fine story", "--json")
    far, near = (json.loads(command(*words, host=host).out) for host in (there.host, ""))
    for answers in (far, near):
        for answer in answers:
            edit = answer["failing_edit"]
            assert edit is not None and edit.pop("seconds") >= 0 and edit.pop("time") > 0
    assert far == near
    words = ("attack", "builtin:tiny", "--recipe", "greedy,deepwordbug", "-n", "20", "--json")
    far, near = (
        [json.loads(line) for line in command(*words, host=host).out.splitlines()] for host in (there.host, "")
    )
    measured = {"seconds", "examples_per_second", "queries_per_second", "forward_share", "path"}
    assert [summary["recipe"] for summary in far] == ["greedy", "deepwordbug"]
    for one, other in zip(far, near, strict=True):
        assert one.keys() == other.keys()
        assert all(one[key] == other[key] for key in one.keys() - measured)
        assert Path(one["path"], "results.jsonl").is_relative_to(there.runs)
    outcome = command("attack", "builtin:tiny", "-n", "5")
    assert f"results: {there.host}:{there.runs}" in outcome.err and "positive" in outcome.out
    outcome = command("attack", "no-such-run")
    assert outcome.code == 2 and "no run named 'no-such-run'" in outcome.err
    outcome = command("generate", "builtin:tiny", "--prompt", "hello")
    assert outcome.code == 2 and "has no decoder" in outcome.err


# runs


class Watcher:
    """``watch --json --host`` in a process of its own; its output goes to files."""

    def __init__(self, place: Path, *words: str) -> None:
        self.out, self.err = place / "watch.out", place / "watch.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            command = [sys.executable, "-m", "aat_workbench.cli.start", "watch", *words]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def lines(self) -> list[dict[str, Any]]:
        text = self.out.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def said(self) -> str:
        return self.err.read_text()


def test_a_training_is_followed_through_a_lost_connection(
    command: Callable[..., Outcome], there: Sshd, tmp_path: Path
) -> None:
    outcome = command("train", "--detach", "--run", "one", *SETTINGS, "--json")
    assert json.loads(outcome.out)["path"] == str(there.runs / "one")
    folder = RunFolder(there.runs / "one")
    watcher = Watcher(tmp_path, "one", "--json", "--host", there.host)
    try:
        until(lambda: len(watcher.lines()) > 20)
        assert there.cut() > 0  # and may be called again at once
        before = len(watcher.lines())
        until(lambda: len(watcher.lines()) > before)
        there.stop()
        until(lambda: "connection lost, trying again" in watcher.said())
        assert folder.status().state == "running"  # the training does not care
        there.start()
        until(lambda: "connected again" in watcher.said())
        before = len(watcher.lines())
        until(lambda: len(watcher.lines()) > before)
        assert command("runs", "control", "one", "pause").code == 0
        until(lambda: folder.status().state == "paused")
        assert command("runs", "control", "one", "resume", "--quiet").code == 0
        until(lambda: folder.status().state == "running")
        assert command("runs", "control", "one", "stop").code == 0
        assert watcher.process.wait(60) == 0
    finally:
        watcher.process.kill()
        watcher.process.wait()
    written = [json.loads(line) for line in folder.events_path.read_text().splitlines()]
    assert watcher.lines() == [{"run": "one", **record} for record in map(_told, written)]
    mirrored = next((tmp_path / "cache").rglob("one/events.jsonl"))
    assert mirrored.read_bytes() == folder.events_path.read_bytes()
    assert {"pause", "resume", "stop"} <= {record.get("command") for record in written}
    _check_resume(command, folder)


def _told(record: dict[str, Any]) -> dict[str, Any]:
    """A record as ``--json`` tells it: whole, where the file leaves out what is at its default."""
    import msgspec

    from aat_models import events

    return msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(events.decode(msgspec.json.encode(record)))))


def _check_resume(command: Callable[..., Outcome], folder: RunFolder) -> None:
    """The run goes on, is shown, attacked, and deleted, all from here."""
    step = folder.status().step
    assert command("train", "--detach", "--resume", "--run", "one").code == 0
    assert command("runs", "rm", "one", "--yes").code == 2
    outcome = command("attack", "one", "-n", "5", "--json")
    assert json.loads(outcome.out)["path"] == str(folder.attacks_path / "greedy-1")
    until(lambda: folder.status().step > step)
    assert command("runs", "control", "one", "stop").code == 0
    until(lambda: not folder.status().active)
    (entry,) = json.loads(command("runs", "list", "--json").out)
    assert (entry["run"], entry["state"]) == ("one", folder.status().state)
    shown = json.loads(command("runs", "show", "one", "--json").out)
    assert shown["checkpoints"] == [path.name for path in folder.steps()] != []
    assert [attack["name"] for attack in shown["attacks"]] == ["greedy-1"]
    assert command("runs", "rm", "one", "--yes", "--json").out == '{"removed":["one"]}\n'
    assert not folder.exists()


def test_runs_that_are_not_there(command: Callable[..., Outcome], there: Sshd) -> None:
    RunFolder.create(Config(run="lstm-1"), there.runs).write_status(RunStatus(state="failed"))
    for words in (
        ("runs", "show", "lstm-2"),
        ("runs", "rm", "lstm-2", "--yes"),
        ("runs", "control", "lstm-2", "stop"),
        ("watch", "lstm-2", "--plain"),
    ):
        outcome = command(*words)
        assert outcome.code == 2, words
        assert "no run named 'lstm-2' (did you mean lstm-1?)" in outcome.err, words
    outcome = command("watch", "--plain")
    assert outcome.code == 2 and "no run is at work" in outcome.err
    outcome = command("train", "--detach", "--dataset", "suport")
    assert outcome.code == 2 and "did you mean support" in outcome.err
    assert command("watch", "lstm-1", "--plain").code == 0


@pytest.mark.slow
def test_notes_and_the_queue_are_those_of_the_host(
    command: Callable[..., Outcome], there: Sshd, tmp_path: Path
) -> None:
    me = os.getpid()
    at_work = RunStatus(state="running", pid=me, host=liveness.host(), process_start=liveness.process_start(me))
    RunFolder.create(Config(run="one"), there.runs).write_status(at_work)
    assert command("runs", "note", "one", "slow\nbut good").code == 0
    tagged = command("runs", "tag", "one", "+far", "draft", "--json")
    assert json.loads(tagged.out) == {"run": "one", "note": "slow\nbut good", "tags": ["draft", "far"]}
    assert notes.read(there.runs / "one") == Notes("slow\nbut good", ["draft", "far"])
    outcome = command("runs", "tag", "one", "+a,b")
    assert outcome.code == 2 and "tag 'a,b' is unfit" in outcome.err
    assert command("runs", "note", "one").out == "tags: draft far\nslow\nbut good\n"
    outcome = command("runs", "note", "onne", "mine")
    assert outcome.code == 2 and "no run named 'onne' (did you mean one?)" in outcome.err

    waiting = json.loads(command("train", "--queue", "--run", "two", *SETTINGS, "--json").out)
    assert (waiting["path"], waiting["place"]) == (str(there.runs / "two"), 1)
    outcome = command("train", "--detach", "--queue", "--run", "three", *SETTINGS, "--set", "train.epochs=1")
    assert f"three waits on {there.host} for its turn, place 2" in outcome.err
    assert json.loads(command("runs", "queue", "--json").out) == {"parallel": 1, "waiting": ["two", "three"]}
    assert command("runs", "control", "two", "stop").code == 0
    _ask_through_a_mirror(there, tmp_path / "mirror")
    assert notes.read(there.runs / "one") == Notes("from the app", ["near"])
    begun = command("runs", "queue", "--start", "three")
    assert begun.code == 0 and begun.out.split() == ["place", "run", "1", "two", "2", "four"]
    until(lambda: RunFolder(there.runs / "three").status().state == "done")
    assert queue.places(there.runs) == {"two": 1, "four": 2}  # one training at a time, and one is at work


def _ask_through_a_mirror(there: Sshd, here: Path) -> None:
    """Write a note and have runs wait, as the app does; it comes back with the copies."""
    here.mkdir()
    with Connection(there.host) as connection:
        mirror = Mirror(here, connection.session, there.host)
        mount(mirror.root, mirror)

        async def work() -> None:
            await mirror.until_level()
            assert notes.read(here / "one").tags == ["draft", "far"]
            assert RunFolder(here / "two").status().state == "interrupted"
            notes.write(here / "one", Notes("from the app", ["near"]))
            jobs.resume_training(RunFolder(here / "two"), queued=True)
            while not RunFolder(here / "two").status().waiting or notes.read(here / "one").tags != ["near"]:
                await mirror.until_level()
            config = configs.apply(RunFolder(here / "three").config, {"run": "four"})
            assert await mirror.start(config, queued=True) == "four"
            await mirror.until_level()

        try:
            connection.run(work())
        finally:
            mount(mirror.root, None)
        assert RunFolder(here / "four").status().waiting


@pytest.mark.slow
def test_evaluations_reports_and_data_are_those_of_the_host(
    command: Callable[..., Outcome], there: Sshd, tmp_path: Path
) -> None:
    words = ("evaluate", "builtin:tiny", "--recipes", "greedy", "-n", "10", "--json")
    far, near = (json.loads(command(*words, host=host).out) for host in (there.host, ""))
    path = Path(far.pop("path"))
    assert path.is_relative_to(there.runs) and near.pop("path") != path
    for row in (*far["rows"], *near["rows"]):
        assert row.pop("seconds") >= 0 and row.pop("path")
    assert far == near
    outcome = command("evaluate", "builtin:tiny", "--recipes", "greedy", "-n", "10")
    assert (
        f"table: {there.host}:{path.parent}/evaluation-2" in outcome.err and "signs of gradient masking" in outcome.out
    )
    outcome = command("evaluate", "builtin:tiny", "no-such-run")
    assert outcome.code == 2 and "no run named 'no-such-run'" in outcome.err

    fixed_run.make_runs(there.runs)
    names, file = ["sst2-bilstm-aat-1", "evaluation-1"], tmp_path / "made" / "report.html"
    assert command("report", *names, "--out", str(file)).out == f"{file}\n"
    assert file.read_bytes() == write(collect(names, there.runs), "html", tmp_path / "near.html").read_bytes()
    assert b"<svg" in file.read_bytes()
    outcome = command("report", "sst2-bilstm-aat-1", "--format", "tensorboard", "--out", str(tmp_path / "curves"))
    assert outcome.code == 0 and list((tmp_path / "curves" / "sst2-bilstm-aat-1").glob("events.out.tfevents.*"))
    outcome = command("report", "evaluation-3")
    assert outcome.code == 2 and "no attack, run or evaluation named 'evaluation-3'" in outcome.err

    listed = json.loads(command("data", "list", "--json").out)
    assert next(entry["state"] for entry in listed if entry["name"] == "support") in ("builtin", "ready")
    assert "support" in command("data", "list").out
    words = ("data", "show", "support", "--rows", "0:3", "--order", "-length", "--json")
    far, near = (json.loads(command(*words, host=host).out) for host in (there.host, ""))
    assert far == near and len(far["rows"]) == 3
    outcome = command("data", "show", "suport")
    assert outcome.code == 2 and "did you mean support" in outcome.err


def test_the_app_is_here_and_all_else_there(there: Sshd) -> None:
    fixed_run.make_runs(there.runs)
    words = ["watch", "sst2-bilstm-none-1", "--host", there.host]
    with PseudoTerminal([sys.executable, "-m", "aat_workbench.cli.start", *words], size=(140, 40)) as terminal:
        terminal.wait(lambda: f"engine on {there.host}" in terminal.text(), 60)
        terminal.wait(lambda: "A   sst2-bilstm-none-1" in terminal.text(), 60)  # the cursor is on it
        there.stop()
        terminal.wait(lambda: f"{there.host}: connection lost, trying again" in terminal.text(), 60)
        there.start()
        terminal.wait(lambda: f"engine on {there.host}" in terminal.text(), 60)
        terminal.press(b"k")
        terminal.wait(lambda: "sst2-bilstm-none-1 is not running: done" in terminal.text(), 60)
        with pytest.raises(TimeoutError, match="the program ended"):
            terminal.press(b"\x11")
            terminal.wait(lambda: False, 30)


def test_the_app_names_runs_that_are_near(there: Sshd) -> None:
    fixed_run.make_runs(there.runs)
    words = ["watch", "sst2-bilstm-non", "--host", there.host]
    with PseudoTerminal([sys.executable, "-m", "aat_workbench.cli.start", *words], size=(140, 40)) as terminal:
        with pytest.raises(TimeoutError, match="the program ended"):
            terminal.wait(lambda: False, 60)
        assert "did you mean sst2-bilstm-none-1" in terminal.text()
