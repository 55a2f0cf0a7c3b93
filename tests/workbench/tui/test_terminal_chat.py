"""A chat in a pseudo-terminal with a real engine and a trained language model: typed, answered, cut, exported."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from aat_models import config as configs
from aat_workbench.detached import child_environment
from aat_workbench.pseudo_terminal import PseudoTerminal
from aat_workbench.terminal import visible
from aat_workbench.training import run_training

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")

SMALL = {
    "run": "clerk", "data.dataset": "support", "data.limit": 100, "model.encoder": "llama", "train.batch_size": 4,
    "train.threads": 1, "train.evaluate_limit": 4, "language.steps": 4, "language.width": 16, "language.layers": 1,
    "language.heads": 2, "language.context": 400,
}  # fmt: skip
HOSTILE = "[/b][@click=app.quit]x[/] \x9b31mC1 \u202eesrever"  # a terminal takes ESC out of a paste itself


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AAT_DATA", str(folder / "data"))
        patch.setenv("AAT_RUNS", str(folder / "runs"))
        patch.delenv("AAT_MIRROR", raising=False)
        list(run_training(configs.apply(configs.Config(), SMALL), runs_root=folder / "runs"))
    return folder


class Chat:
    """The Generate pane as a person sees it."""

    def __init__(self, terminal: PseudoTerminal) -> None:
        self.terminal = terminal

    def begin(self) -> None:
        self.see("1 Datasets")
        self.terminal.press(b"4")
        self.see("type a prompt")
        self.terminal.press(b"\x1b")
        self.see("p probe")
        self.terminal.press(b"c")
        self.see("the turns from here on are remembered")
        self.terminal.press(b"i")
        self.see("⏎ send")

    def see(self, text: str) -> None:
        self.terminal.wait(lambda: text in " ".join(self.terminal.text().split()), 60)

    def say(self, text: str, keys: bytes, before: str) -> str:
        """Type a turn and wait for its reply's end; returns what was shown of the one ``before`` when this was sent."""
        self.terminal.press(keys)
        self.see(text)
        shown = self.reply(before)
        self.terminal.press(b"\r")
        self.terminal.wait(lambda: " log p " in self.reply(text), 60)
        return shown

    def reply(self, text: str) -> str:
        """What stands in the transcript below a turn."""
        lines = [line.strip("│▁▂▃▄▅▆▇█ ") for line in self.terminal.text().split("\n")]
        ends = [number for number, line in enumerate(lines) if line.startswith("╰")]
        starts = (
            [number for number, line in enumerate(lines[: ends[0]]) if line.startswith(f"› {text}")] if ends else []
        )
        return " ".join(lines[starts[-1] + 1 : ends[0]]) if starts else ""


def talk(place: Path, turns: int, path: Path, seen: list[bytes]) -> None:
    environment = {
        **child_environment(place / "runs"),
        "AAT_DATA": str(place / "data"),
        "XDG_STATE_HOME": str(place / "state"),
        "LC_ALL": "C.UTF-8",
    }
    command = [sys.executable, "-m", "aat_workbench.cli.start"]
    said: list[str] = []
    shown: list[str] = []
    with PseudoTerminal(command, size=(120, 60), environment=environment) as terminal:
        chat = Chat(terminal)
        chat.begin()
        for number in range(turns):
            text = f"turn {number}, where is my parcel"
            keys = text.encode()
            if number == turns - 2:
                text, keys = HOSTILE, b"\x1b[200~" + HOSTILE.encode() + b"\x1b[201~"
            shown.append(chat.say(visible(text), keys, visible(said[-1]) if said else text))
            said.append(text)
        terminal.press(b"\x1b")
        chat.see("e export")
        shown = [*shown[1:], chat.reply(said[-1])]
        terminal.press(b"e")
        chat.see("Export the transcript to")
        chat.see("transcript.md")
        terminal.press(b"\x15")  # what is proposed is cleared
        terminal.wait(lambda: "transcript.md" not in terminal.text(), 20)
        terminal.press(str(path).encode())
        chat.see(path.name)
        terminal.press(b"\r")
        terminal.wait(path.exists, 30)
        assert terminal.running
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert [turn["prompt"] for turn in written] == said
    left = []
    for turn, there in zip(written, shown, strict=True):
        (reply,) = turn["replies"]
        assert reply["tokens"] > 0 and not reply["problem"]
        told = "".join(reply["notices"]) + visible(reply["text"].strip(), lines=True)
        assert "".join(there.split()).endswith("".join(told.split()))
        left += [match for one in reply["notices"] if (match := re.search(r"(none|last \d+) of the (\d+) turns", one))]
    assert left and int(left[-1][2]) == 2 * (turns - 1)
    assert any(match[1] != "none" for match in left)
    output = b"".join(seen)
    assert "\u202e".encode() not in output and "\x9b".encode() not in output


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every byte the program writes."""
    found: list[bytes] = []
    read = PseudoTerminal._read

    def keep(self: PseudoTerminal, seconds: float) -> bytes:
        found.append(read(self, seconds))
        return found[-1]

    monkeypatch.setattr(PseudoTerminal, "_read", keep)
    return found


@pytest.mark.slow
def test_a_chat_of_five_turns(place: Path, tmp_path: Path, seen: list[bytes]) -> None:
    talk(place, 5, tmp_path / "talk.jsonl", seen)


@pytest.mark.slow
def test_a_chat_of_twenty_turns(place: Path, tmp_path: Path, seen: list[bytes]) -> None:
    talk(place, 20, tmp_path / "talk.jsonl", seen)
