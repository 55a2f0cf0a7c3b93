"""The app in a pseudo-terminal with a real engine: what a person types and sees."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from aat_datasets import catalog
from aat_workbench.detached import child_environment
from aat_workbench.pseudo_terminal import PseudoTerminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")

LEFT = b"\x1b[D"


def app(tmp_path: Path) -> PseudoTerminal:
    environment = {
        **child_environment(tmp_path / "runs"),
        "AAT_DATA": str(tmp_path / "data"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "LC_ALL": "C.UTF-8",
    }
    return PseudoTerminal([sys.executable, "-m", "aat_workbench.cli.start"], environment=environment)


def test_a_probe_is_typed_and_its_prediction_changes_and_an_edit_is_undone(tmp_path: Path) -> None:
    with app(tmp_path) as terminal:
        terminal.wait(lambda: "1 Datasets" in " ".join(terminal.text().split()), 60)
        terminal.press(b"3p")  # typed ahead: the key behind the pane's reaches that pane
        terminal.wait(lambda: "what would break this?" in terminal.text(), 60)
        terminal.press(b"a great film")
        terminal.wait(lambda: "says positive" in terminal.text(), 60)
        terminal.press(b" but dull, boring and awful")
        terminal.wait(lambda: "says negative" in terminal.text(), 60)
        terminal.press(b"\x1b")
        terminal.wait(lambda: "l stored results" in terminal.text(), 20)
        terminal.press(b"a")
        terminal.wait(lambda: "undo edit" in terminal.text() and "under attack" in terminal.text(), 60)
        terminal.press(b"u")
        terminal.wait(lambda: "the attack needs this edit" in terminal.text(), 60)
        terminal.press(LEFT + b"q")  # an edit back, and no key of the pane
        assert terminal.running
        with pytest.raises(TimeoutError, match="the program ended"):
            terminal.press(b"\x11")
            terminal.wait(lambda: False, 20)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the terminal has been sent."""
    kept: list[bytes] = []
    read = PseudoTerminal._read

    def keep(self: PseudoTerminal, seconds: float) -> bytes:
        kept.append(read(self, seconds))
        return kept[-1]

    monkeypatch.setattr(PseudoTerminal, "_read", keep)
    return kept


def test_an_app_that_ends_leaves_nothing_on_the_terminal(tmp_path: Path, seen: list[bytes], monkeypatch: Any) -> None:
    (tmp_path / "few.csv").write_text("text,label\n" + "\n".join(f"text {i},{'ab'[i % 2]}" for i in range(40)))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    catalog.add("few", [tmp_path / "few.csv"])
    with app(tmp_path) as terminal:
        terminal.wait(
            lambda: "preprocessing" in terminal.text() and "substitutes" in terminal.text(), 60
        )  # a row, in full
        with pytest.raises(TimeoutError, match="the program ended"):
            terminal.press(b"\x11")
            terminal.wait(lambda: False, 20)
    _, mark, rest = b"".join(seen).rpartition(b"\x1b[?1049l")
    assert mark and not re.search(rb"[a-z]{3}", rest), rest


def test_a_copy_reaches_the_terminal_as_osc_52(tmp_path: Path, seen: list[bytes]) -> None:
    with app(tmp_path) as terminal:
        terminal.wait(lambda: "1 Datasets" in " ".join(terminal.text().split()), 60)
        terminal.press(b"3")
        terminal.wait(lambda: "l stored results" in terminal.text(), 60)
        terminal.press(b"a")
        terminal.wait(lambda: "undo edit" in terminal.text() and "under attack" in terminal.text(), 60)
        terminal.press(b"y")
        terminal.wait(lambda: "Copied, where the terminal allows it" in terminal.text(), 20)
    _, mark, rest = b"".join(seen).partition(b"\x1b]52;c;")
    assert mark
    copied = base64.b64decode(rest.partition(b"\x07")[0]).decode()
    assert len(copied.split()) > 2 and copied.isprintable()
