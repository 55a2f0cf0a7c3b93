"""The benchmark of the app: what it measures with, and one small run of the whole."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aat_models.events import Evaluation, Step
from aat_workbench.cli.bench import app
from aat_workbench.pseudo_terminal import PseudoTerminal
from aat_workbench.runs import RunFolder
from aat_workbench.tui_bench import percentile
from aat_workbench.tui_curves_bench import make_long_runs

ECHO = """
import sys, termios, tty, time
tty.setraw(0)
sys.stdout.write("\\x1b[2J\\x1b[3;5Hready"); sys.stdout.flush()
while True:
    key = sys.stdin.read(1)
    if key == "q": break
    time.sleep(0.05)
    sys.stdout.write("\\x1b[5;1Hkey " + key); sys.stdout.flush()
"""


def echo() -> PseudoTerminal:
    return PseudoTerminal([sys.executable, "-c", ECHO], size=(40, 10))


def test_the_screen_is_drawn_and_a_key_s_paint_is_timed():
    with echo() as terminal:
        seen = terminal.wait(lambda: "ready" in terminal.text())
        assert seen > terminal.started
        assert terminal.text().split("\n")[2].startswith("    ready")
        before = terminal.looks(3, 8)
        pressed = terminal.press(b"k")
        painted = terminal.wait(lambda: terminal.looks(3, 8) != before)
        assert 0.05 <= painted - pressed < 5
        assert "key k" in terminal.text()


def test_what_does_not_appear_is_told_with_the_screen():
    with echo() as terminal, pytest.raises(TimeoutError, match="ready"):
        terminal.wait(lambda: "never" in terminal.text(), 1.0)


def test_what_came_with_what_was_waited_for_before_is_seen_at_once():
    with echo() as terminal:
        terminal.wait(lambda: "ready" in terminal.text())
        assert terminal.wait(lambda: "rea" in terminal.text(), 5.0) > terminal.started


def test_a_program_that_ends_is_told_of():
    with PseudoTerminal([sys.executable, "-c", "print('good bye')"]) as terminal:
        with pytest.raises(TimeoutError, match="good bye"):
            terminal.wait(lambda: False, 20.0)
        assert not terminal.running


def test_a_program_that_does_not_end_is_ended():
    began = time.monotonic()
    with echo() as terminal:
        terminal.wait(lambda: "ready" in terminal.text())
        terminal.signal(signal.SIGCONT)
        assert terminal.running
    assert not terminal.running
    assert time.monotonic() - began < 20


def test_percentiles_are_values_that_were_measured():
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 0.95) == 95.0
    assert percentile([7.0], 0.95) == 7.0


def test_a_size_that_is_none_is_refused():
    result = CliRunner().invoke(app, ["tui", "--size", "big"])
    assert result.exit_code != 0
    assert "--size: expected COLSxLINES" in str(result.exception)


def test_a_count_of_curves_that_is_none_is_refused():
    for text in ("many", "1x100", "3x0"):
        result = CliRunner().invoke(app, ["tui", "--curves", text])
        assert result.exit_code != 0
        assert "--curves: expected RUNSxPOINTS" in str(result.exception)


def test_long_runs_are_made_once(tmp_path: Path):
    make_long_runs(2, 2000, tmp_path)
    stamps = [(path, path.stat().st_mtime_ns) for path in sorted(tmp_path.glob("*/events.jsonl"))]
    make_long_runs(2, 2000, tmp_path)
    assert stamps == [(path, path.stat().st_mtime_ns) for path in sorted(tmp_path.glob("*/events.jsonl"))]
    records = RunFolder(tmp_path / "long-00").history()
    assert sum(isinstance(record, Step) for record in records) == 2000
    assert sum(isinstance(record, Evaluation) for record in records) == 2


@pytest.mark.slow
def test_the_training_pane_is_measured_on_long_runs_and_on_one_that_grows(tmp_path: Path):
    result = CliRunner().invoke(app, ["tui", "--json", "--quiet", "--curves", "3x3000", "--data", str(tmp_path)])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["redraw_ms"]["keys"] == 100
    assert figures["open_ms"]["curves"] > 0 and figures["memory_mib"]["peak"] > 10
    result = CliRunner().invoke(app, ["tui", "--json", "--quiet", "--live", "4"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["events"] > 50


@pytest.mark.slow
def test_the_generate_pane_is_measured_with_a_model_of_each_kind(tmp_path: Path):
    arguments = ["tui", "--json", "--quiet", "--generate", "2", "--data", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    models = json.loads(result.stdout)["models"]
    assert set(models) == {"encoder-decoder", "llama"}
    for found in models.values():
        assert found["first_token_ms"]["p95"] > 0 and found["stop_ms"]["rounds"] == 2
        assert found["long_prompt_ms"]["first_token"] > 0


@pytest.mark.slow
def test_the_whole_measures_start_and_keys():
    result = CliRunner().invoke(app, ["tui", "--json", "--quiet", "--rounds", "1", "--keys", "8"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["cold_start_ms"]["ratio"] > 1
    assert figures["key_to_paint_ms"]["idle"]["keys"] == 8
    assert figures["key_to_paint_ms"]["training"]["p95"] >= figures["key_to_paint_ms"]["training"]["p50"] > 0
