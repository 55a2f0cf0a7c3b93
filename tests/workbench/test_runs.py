"""Run folders: what a watcher sees while a writer writes, dies, and goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from aat_datasets.errors import CheckpointError, ConfigError, InputError, UnknownNameError
from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Checkpointed, Evaluation, Notice, Resumed, Started, Step
from aat_workbench import checkpoints, control, liveness
from aat_workbench.runs import (
    EventTail,
    RunFolder,
    RunStatus,
    RunWriter,
    find_run,
    history,
    list_runs,
    resolve,
    resolve_target,
    runs_root,
)


def step(number: int) -> Step:
    return Step(step=number, total=100, epoch=number / 100, stage="encoder", metrics={"loss": 1 / (1 + number)})


def fill(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"weights")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(Config(run="one"), tmp_path / "runs")


# the folder


def test_create_resolves_the_config(tmp_path: Path) -> None:
    folder = RunFolder.create(Config(seed=7), tmp_path)
    assert folder.name == "support-bilstm-none-1"
    assert folder.config.run == "support-bilstm-none-1" and folder.config.seed == 7
    assert folder.status().state == "queued"
    assert RunFolder.create(Config(), tmp_path).name == "support-bilstm-none-2"


def test_create_refuses_a_taken_or_unfit_name(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run one exists already"):
        RunFolder.create(Config(run="one"), run.path.parent)
    for name in ("../up", ".hidden", "_targets", "a/b", "a@b", "x" * 101, "-x"):
        with pytest.raises(InputError, match="is unfit"):
            RunFolder.create(Config(run=name), tmp_path)
    assert RunFolder.create(Config(run="versuch-ä-3"), tmp_path).config.run == "versuch-ä-3"


def test_create_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Not a directory") as caught:
        RunFolder.create(Config(), tmp_path / "file" / "runs")
    assert "AAT_RUNS" in caught.value.hint and caught.value.exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_read_only_folder(run: RunFolder) -> None:
    root = run.path.parent
    root.chmod(0o555)
    run.path.chmod(0o555)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            RunFolder.create(Config(), root)
        with pytest.raises(OSError, match="Permission denied"):
            run.writer()
        assert [folder.name for folder in list_runs(root)] == ["one"]
        assert run.tail().poll() == []
    finally:
        run.path.chmod(0o755)
        root.chmod(0o755)


def test_open_and_find(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    root = run.path.parent
    assert RunFolder.open(run.path).name == "one"
    with pytest.raises(InputError, match="not a run folder"):
        RunFolder.open(root / "two")
    assert find_run("one", root).path == run.path
    assert find_run(str(run.path), root / "elsewhere").path == run.path
    with pytest.raises(UnknownNameError, match="did you mean one"):
        find_run("onne", root)
    monkeypatch.setenv("AAT_RUNS", str(root))
    assert runs_root() == root and find_run("one").name == "one"


def test_list_is_newest_first_and_skips_what_is_no_run(run: RunFolder) -> None:
    root = run.path.parent
    later = RunFolder.create(Config(run="later"), root)
    os.utime(run.config_path, (1, 1))
    (root / "_targets").mkdir()
    (root / "stray").mkdir()
    (root / "note.txt").write_text("")
    assert [folder.name for folder in list_runs(root)] == [later.name, run.name]
    assert list_runs(root / "nowhere") == []


def test_a_broken_config_is_named(run: RunFolder) -> None:
    run.config_path.write_text("[train]\nepochs = 'five'\n")
    with pytest.raises(ConfigError, match=r"train.epochs: expected"):
        _ = run.config


# status


def test_status_of_a_dead_process_is_interrupted(run: RunFolder) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = liveness.process_start(child.pid)
    status = RunStatus(state="running", pid=child.pid, host=liveness.host(), process_start=start, heartbeat=time.time())
    run.write_status(status)
    assert run.status().state == "running"
    run.write_status(msgspec.structs.replace(status, process_start=start + 1 if start else 0))
    if start:
        assert run.status().state == "interrupted"  # the number was given to another process
    run.write_status(status)
    child.communicate(b"\n")
    assert run.status().state == "interrupted"
    assert run.written_status().state == "running"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system tells no zombie from a living process")
def test_an_ended_child_nobody_waited_for_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 30
    while liveness.alive(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not liveness.alive(child.pid)
    child.wait()


def test_liveness_of_this_and_no_process() -> None:
    assert liveness.alive(os.getpid(), liveness.process_start(os.getpid()))
    assert not liveness.alive(0) and not liveness.alive(-1)


def test_silence_of_another_machine_and_of_a_queued_run() -> None:
    now = 1_000_000.0
    far = RunStatus(state="running", pid=1, host="elsewhere", heartbeat=now - 10)
    assert far.as_seen(now).state == "running"
    assert far.as_seen(now + 600).state == "interrupted"
    queued = RunStatus(state="queued", heartbeat=now)
    assert queued.as_seen(now + 60).state == "queued"
    assert queued.as_seen(now + 600).state == "interrupted"
    done = RunStatus(state="done", heartbeat=0)
    assert done.as_seen(now).state == "done"


@pytest.mark.parametrize("content", [b"", b'{"state": "runn', b'{"state": "flying"}', b"\xff\xfe"])
def test_an_unreadable_status_is_interrupted(run: RunFolder, content: bytes) -> None:
    run.status_path.write_bytes(content)
    assert run.status().state == "interrupted"


def test_status_is_replaced_in_one_step(run: RunFolder) -> None:
    run.write_status(RunStatus(state="running", step=3, total=4, summary={"dev": {"accuracy": 0.5}}))
    written = json.loads(run.status_path.read_text())
    assert written["state"] == "running" and written["summary"] == {"dev": {"accuracy": 0.5}}
    assert run.written_status().progress == 0.75
    assert [path.name for path in run.path.iterdir() if path.name.startswith(".")] == []


# events


def test_what_is_written_is_read_and_stamped(run: RunFolder) -> None:
    with RunWriter(run.events_path, clock=lambda: 12.5) as writer:
        writer.append(Notice(message="grüße 你好 \x1b[31m \u202e \U0001f600"))
        writer.append(step(1))
    notice, first = history(run.path)
    assert notice == Notice(time=12.5, message="grüße 你好 \x1b[31m \u202e \U0001f600")
    assert isinstance(first, Step) and first.time == 12.5
    assert b"\x1b" not in run.events_path.read_bytes()


def test_a_torn_last_line_waits_and_is_healed(run: RunFolder) -> None:
    with run.writer() as writer:
        writer.append(step(1))
    tail = run.tail()
    assert len(tail.poll()) == 1
    with run.events_path.open("ab") as file:
        file.write(b'{"type":"step","ste')
    assert tail.poll() == []
    with run.writer() as writer:
        writer.append(step(2))
    assert [record.step for record in tail.poll() if isinstance(record, Step)] == [2]
    assert tail.skipped == 0 and tail.resets == 0


def test_a_whole_last_line_without_its_end_is_kept(run: RunFolder) -> None:
    with run.writer() as writer:
        writer.append(step(1))
    run.events_path.write_bytes(run.events_path.read_bytes()[:-1])
    tail = run.tail()
    assert tail.poll() == []
    with run.writer() as writer:
        writer.append(step(2))
    assert [record.step for record in tail.poll() if isinstance(record, Step)] == [1, 2]


def test_a_torn_line_longer_than_a_block_is_healed(run: RunFolder) -> None:
    with run.writer() as writer:
        writer.append(step(1))
    whole = run.events_path.read_bytes()
    run.events_path.write_bytes(whole + b'{"type":"notice","message":"' + b"x" * 200_000)
    run.writer().close()
    assert run.events_path.read_bytes() == whole


def test_lines_of_no_known_record_are_counted(run: RunFolder) -> None:
    with run.writer() as writer:
        writer.append(step(1))
    with run.events_path.open("ab") as file:
        file.write(b'nonsense\n{"type":"of the future"}\n\xff\xff\n')
    with run.writer() as writer:
        writer.append(step(2))
    tail = run.tail()
    assert len(tail.poll()) == 2 and tail.skipped == 3


def test_two_tails_each_see_everything_once(run: RunFolder) -> None:
    first, second = run.tail(), EventTail(run.path)
    assert first.poll() == []
    with run.writer() as writer:
        for number in range(5):
            writer.append(step(number))
            assert len(first.poll()) == 1
    assert len(second.poll()) == 5
    assert first.poll() == [] and second.poll() == []


def test_a_tail_survives_deletion_and_replacement(run: RunFolder) -> None:
    with run.writer() as writer:
        writer.append(step(1))
        writer.append(step(2))
    tail = run.tail()
    assert len(tail.poll()) == 2
    run.events_path.unlink()
    assert tail.poll() == [] and tail.resets == 1
    with run.writer() as writer:
        writer.append(step(9))
    assert [record.step for record in tail.poll() if isinstance(record, Step)] == [9]
    run.events_path.write_bytes(b"")
    assert tail.poll() == [] and tail.resets == 2
    replacement = run.path / "new"
    with RunWriter(replacement) as writer:
        for number in range(30):
            writer.append(step(number))
    with run.writer() as writer:
        writer.append(step(1))
    assert len(tail.poll()) == 1
    replacement.replace(run.events_path)
    assert len(tail.poll()) == 30 and tail.resets == 3


def test_a_tail_reads_a_long_history_in_bounded_looks(run: RunFolder) -> None:
    with run.writer() as writer:
        for number in range(100):
            writer.append(step(number))
        writer.append(Notice(message="y" * 5000))
    tail = EventTail(run.path, limit=1000)
    seen: list[object] = tail.poll()
    assert 0 < len(seen) < 20 and tail.behind
    while tail.behind:
        seen += tail.poll()
    assert len(seen) == 101


def test_resumed_takes_back_what_came_after_its_step(run: RunFolder) -> None:
    with run.writer() as writer:
        writer.append(Started(run="one", total=100, stages=["encoder"], parameters=1, labels=[]))
        for number in (10, 20, 30):
            writer.append(step(number))
            writer.append(Evaluation(step=number, split="dev", metrics={"accuracy": number / 100}))
            writer.append(Checkpointed(step=number, path=f"checkpoints/step-{number:08d}"))
        writer.append(Resumed(step=20))
        writer.append(step(30))
    kept = run.history()
    assert [r.step for r in kept if isinstance(r, Step)] == [10, 20, 30]
    assert [r.step for r in kept if isinstance(r, Evaluation)] == [10, 20]
    assert [r.step for r in kept if isinstance(r, Checkpointed)] == [10, 20]
    assert sum(isinstance(r, Resumed) for r in kept) == 1


# control


def test_commands_arrive_once_and_in_order(run: RunFolder) -> None:
    for text in ("pause", "set train.lr=1e-3", "resume"):
        control.send(run.control_path, text)
    found = control.pending(run.control_path)
    assert [(c.verb, c.value) for c in found] == [("pause", ""), ("set", "train.lr=1e-3"), ("resume", "")]
    found[0].done()
    assert [c.verb for c in control.pending(run.control_path)] == ["set", "resume"]
    control.clear(run.control_path)
    assert control.pending(run.control_path) == []


@pytest.mark.parametrize("text", ["", "explode", "set", "set lr", "set =3", "set lr=", "stop now"])
def test_what_is_no_command_is_refused(run: RunFolder, text: str) -> None:
    with pytest.raises(InputError):
        run.send(text)
    assert list(run.control_path.iterdir()) == []


def test_a_stray_file_does_not_block_the_next_command(run: RunFolder) -> None:
    (run.control_path / "0.cmd").write_bytes(b"\xff\xfe")
    control.send(run.control_path, "stop")
    assert [c.verb for c in control.pending(run.control_path)] == ["stop"]
    assert (run.control_path / "0.bad").exists()


def test_nobody_hears_a_command_to_a_run_that_is_over(run: RunFolder) -> None:
    run.send("stop")
    run.write_status(RunStatus(state="done"))
    with pytest.raises(InputError, match="run one is not running: done"):
        run.send("pause")


# checkpoints and targets


def test_checkpoints_are_named_and_pruned(run: RunFolder) -> None:
    folder = run.checkpoints_path
    assert run.latest() is None and run.best() is None
    for number in (100, 200, 300, 400, 500):
        checkpoints.commit(folder, number, fill, best=number == 200)
    assert [path.name for path in run.steps()] == ["step-00000200", "step-00000400", "step-00000500"]
    root = run.path.parent
    assert resolve_target("one", root).name == "step-00000200"
    assert resolve_target("one@best", root).name == "step-00000200"
    assert resolve_target("one@latest", root).name == "step-00000500"
    assert resolve_target("one@step-400", root).name == "step-00000400"
    assert resolve_target(str(run.path), root).name == "step-00000200"
    assert resolve_target(str(folder / "step-00000400"), root).name == "step-00000400"


def test_targets_that_are_not_there(run: RunFolder) -> None:
    root = run.path.parent
    with pytest.raises(UnknownNameError, match="did you mean one"):
        resolve_target("oen", root)
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        resolve_target("one", root)
    checkpoints.commit(run.checkpoints_path, 5, fill, best=False)
    with pytest.raises(CheckpointError, match="there: step-5"):
        resolve_target("one@step-6", root)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        resolve_target("one@yesterday", root)


def test_a_failed_checkpoint_leaves_the_last_one(run: RunFolder) -> None:
    folder = run.checkpoints_path
    checkpoints.commit(folder, 1, fill, best=True)

    def full_disk(path: Path) -> None:
        fill(path)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        checkpoints.commit(folder, 2, full_disk, best=True)
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["step-00000001"]
    assert run.checkpoint("latest").name == "step-00000001"


def test_a_checkpoint_without_its_marker_is_none(run: RunFolder) -> None:
    folder = run.checkpoints_path
    checkpoints.commit(folder, 1, fill, best=True)
    second = checkpoints.commit(folder, 2, fill, best=False)
    (second / checkpoints.MARKER).unlink()
    assert run.checkpoint("latest").name == "step-00000001"
    (folder / ".step-00000003.abcd").mkdir()
    checkpoints.commit(folder, 4, fill, best=False)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["step-00000001", "step-00000004"]


def test_rewind_restores_the_best_of_that_time(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run.checkpoints_path
    checkpoints.commit(folder, 1, fill, best=True)
    second = checkpoints.commit(folder, 2, fill, best=False)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "prune", killed)  # the process dies when all but the pruning is done
        with pytest.raises(KeyboardInterrupt):
            checkpoints.commit(folder, 3, fill, best=True)
    checkpoints.rewind(folder, second)
    assert run.checkpoint("latest").name == "step-00000002"
    assert run.checkpoint("best").name == "step-00000001"
    assert [path.name for path in run.steps()] == ["step-00000001", "step-00000002"]


def killed(folder: Path, keep: int) -> None:
    raise KeyboardInterrupt


def test_remove(run: RunFolder) -> None:
    with pytest.raises(InputError, match="run one is queued"):
        run.remove()
    run.write_status(RunStatus(state="done"))
    tail = run.tail()
    run.remove()
    assert not run.path.exists() and tail.poll() == []
    assert list_runs(run.path.parent) == []


def test_a_chinese_dataset_is_segmented_unless_asked_otherwise(tmp_path: Path) -> None:
    made = RunFolder.create(configs.apply(Config(), {"data.dataset": "support-zh"}), tmp_path).config
    assert made.data.preprocess == ["normalise", "lowercase", "segment"]
    assert resolve(made, made.run) == made, "going on with a run changes nothing"
    own = configs.apply(Config(), {"data.dataset": "support-zh", "data.preprocess": "normalise, segment"})
    assert RunFolder.create(own, tmp_path).config.data.preprocess == ["normalise", "segment"]
    english = RunFolder.create(configs.apply(Config(), {"data.dataset": "support"}), tmp_path).config
    assert english.data.preprocess == Config().data.preprocess
