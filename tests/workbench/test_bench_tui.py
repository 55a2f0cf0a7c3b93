"""The benchmark of the app: what it measures with, and one small run of the whole."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest
from typer.testing import CliRunner

from aat_workbench.cli.bench import app
from aat_workbench.pseudo_terminal import PseudoTerminal
from aat_workbench.tui_bench import percentile

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


@pytest.mark.slow
def test_the_whole_measures_start_and_keys():
    result = CliRunner().invoke(app, ["tui", "--json", "--quiet", "--rounds", "1", "--keys", "8"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["cold_start_ms"]["ratio"] > 1
    assert figures["key_to_paint_ms"]["idle"]["keys"] == 8
    assert figures["key_to_paint_ms"]["training"]["p95"] >= figures["key_to_paint_ms"]["training"]["p50"] > 0
