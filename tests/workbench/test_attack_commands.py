"""``attack``, ``probe``, ``generate`` and ``engine`` as a user runs them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from aat_models.events import AttackResult, Edit
from aat_workbench.cli.diff import diff
from aat_workbench.detached import child_environment

MAIN = [sys.executable, "-m", "aat_workbench.cli.main"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def call(*arguments: str, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*MAIN, *arguments], input=stdin, capture_output=True, text=True, env=child_environment(), timeout=120
    )
    assert done.returncode == code, done.stderr
    return done


def test_attack_prints_a_summary_and_examples(place: Path):
    done = call("attack", "builtin:tiny", "-n", "40")
    assert "accuracy_under_attack" in done.stdout
    assert "[excellent→superb]" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert "results: " in done.stderr and "greedy-1" in done.stderr


def test_attack_in_json_is_one_object_a_recipe_and_nothing_else():
    done = call("attack", "builtin:tiny", "-n", "20", "--recipe", "greedy,deepwordbug", "--json")
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["recipe"], second["recipe"]) == ("greedy", "deepwordbug")
    assert first["examples"] == second["examples"] == 20
    assert first["warnings"] == []
    assert done.stderr == ""
    again = json.loads(call("attack", "builtin:tiny", "-n", "20", "--json", "--resume").stdout)
    assert again == first
    wide = json.loads(call("attack", "builtin:tiny", "-n", "20", "--json", "--surface", "all").stdout)
    assert wide["accuracy_under_attack"] < first["accuracy_under_attack"]


def test_attack_lists_its_recipes():
    found = json.loads(call("attack", "--list", "--json").stdout)
    assert {"greedy", "deepwordbug"} <= {entry["name"] for entry in found}
    for entry in found:
        assert entry["goal"] and entry["transform"] and entry["constraint"] and entry["search"] and entry["paper"]
    assert "Gao et al. 2018" in call("attack", "--list").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["attack"], "no target"),
        (["attack", "builtin:tiny", "--recipe", "greedy,gredy"], "did you mean greedy"),
        (["attack", "no-such-run"], "no run named"),
        (["attack", "builtin:tiny", "--budget", "7"], "budget"),
        (["attack", "builtin:tiny", "--resume"], "without --resume"),
        (["probe", "builtin:tiny", ""], "the text is empty"),
        (["probe", "builtin:tiny"], "no text"),
        (["generate", "builtin:tiny", "--prompt", "x"], "no decoder"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments: list[str], told: str, place: Path):
    done = call(*arguments, code=2)
    assert done.stdout == ""
    assert told in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (place / "runs" / "_targets").exists()


def test_probe_explains_a_text():
    (found,) = json.loads(call("probe", "builtin:tiny", "a great film with terrible acting", "--json").stdout)
    assert found["prediction"] == "negative"
    assert found["probabilities"] == {"negative": 0.731059, "positive": 0.268941}
    assert found["words"][1] == "great"
    assert found["salience"] == [0, -2, 0, 0, 3, 0]
    assert found["failing_edit"]["edits"] == [[4, "terrible", "dreadful"]]
    shown = call("probe", "builtin:tiny", "a great film with terrible acting").stdout
    assert "[terrible→dreadful]" in shown and "++++++++++" in shown
    stubborn = call("probe", "builtin:tiny", "the acting", "--surface", "words")
    assert "no failing edit found" in stubborn.stderr


def test_probe_reads_lines_and_shows_hostile_text_harmlessly():
    hostile = "great \x1b[31mfilm\u202e [bold]x[/bold]"
    found = json.loads(call("probe", "builtin:tiny", "--json", stdin=f"{hostile}\n\nterrible\n").stdout)
    assert [entry["text"] for entry in found] == [hostile, "terrible"]
    shown = call("probe", "builtin:tiny", stdin=f"{hostile}\n")
    assert "\x1b" not in shown.stdout and "\u202e" not in shown.stdout
    assert "␛[31mfilm" in shown.stdout and "[bold]x[/bold]" in shown.stdout


def test_a_diff_is_marked_and_not_only_coloured():
    result = AttackResult(
        id=0, text="the [b]good[/b] film", adversarial="the \x07 film", label=1, prediction=1,
        adversarial_prediction=0, probabilities=[0.1, 0.9], adversarial_probabilities=[0.8, 0.2],
        edits=[Edit(1, "[b]good[/b]", "\x07")], queries=3, cache_hits=0, edited_share=0.3, status="success",
        trajectory=[0.9, 0.2], seconds=0.0,
    )  # fmt: skip
    text = diff(result, ["neg", "pos"])
    assert text.plain == "pos 0.90 → neg 0.80\n  the [[b]good[/b]→␇] film"
    console = Console(force_terminal=True, color_system="standard", width=80, no_color=False)
    with console.capture() as capture:
        console.print(text)
    assert "\x1b[" in capture.get()
    assert diff(result, []).plain.startswith("1 0.90 → 0 0.80")


SLOW = """
import time
from aat_models.attacks import tiny
from aat_models.attacks.victim import score_texts

def slow(texts):
    time.sleep(0.1)
    return score_texts(tiny.TinyVictim(), texts)
"""


def heeds_interrupts() -> None:
    """In the child, before the program: Ctrl-C counts, though the tests run behind a shell that ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_attack_says_what_was_kept_and_goes_on(place: Path):
    (place / "command_victims.py").write_text(SLOW, encoding="utf-8")
    # The longer a text, the more rounds its attack takes: the first ends seconds before the last.
    rows = "\n".join(f"a film with {'great ' * (1 + i % 15)}acting and number{i}\tpositive" for i in range(60))
    (place / "texts.tsv").write_text("text\tlabel\n" + rows + "\nterrible\tnegative\n", encoding="utf-8")
    environment = child_environment() | {"AAT_DATA": str(place / "data")}
    added = [*MAIN, "data", "add", "films", "texts.tsv", "--split", "test=texts.tsv", "--json"]
    done = subprocess.run(added, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    command = [*MAIN, "attack", "py:command_victims:slow", "--dataset", "films", "--recipe", "deepwordbug", "-n", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
        preexec_fn=heeds_interrupts,
    )  # fmt: skip
    folder = place / "runs" / "_targets" / "py-command_victims-slow" / "attacks" / "deepwordbug-1"
    deadline = time.monotonic() + 120
    while not ((folder / "results.jsonl").exists() and (folder / "results.jsonl").stat().st_size):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out == "" and "results are kept in" in err and "--resume goes on" in err
    assert "Traceback" not in err
    done = subprocess.run(
        [*command, "--resume", "--json"], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["examples"] == 61


def test_the_engine_command_speaks_the_protocol_alone():
    asked = '{"id": 1, "method": "predict", "params": {"target": "builtin:tiny", "texts": ["great"]}}\n'
    done = call("engine", stdin=asked)
    hello, reply = map(json.loads, done.stdout.splitlines())
    assert hello["hello"]["protocol"] == 2
    assert reply["id"] == 1 and reply["result"]["words"] == [["great"]]


def test_a_terminal_sees_progress_and_colour(place: Path):
    (place / "command_victims.py").write_text(SLOW, encoding="utf-8")
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*MAIN, "probe", "builtin:tiny", "a great film with terrible acting"],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        env=child_environment() | {"TERM": "xterm-256color"},
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            block = os.read(leader, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not block:
            break
        seen += block
    os.close(leader)
    assert process.wait(timeout=120) == 0
    assert b"\x1b[" in seen and "→".encode() in seen
