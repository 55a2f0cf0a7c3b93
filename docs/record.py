"""Records ``docs/demo.cast``, a session of the app in asciinema's format (version 2): ``python docs/record.py``.

Play it with ``asciinema play docs/demo.cast``. The app is driven in a pseudo-terminal: every key waits until what it is
about is on the screen. What is kept is the screen as a terminal emulator draws it, ten times a second, and of that what
changed. The model is the one that ships, ``builtin:tiny``; runs and data are the user's own, none are needed.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aat_workbench.pseudo_terminal import PseudoTerminal

SIZE = (96, 28)
OUT = Path(__file__).with_name("demo.cast")
LONGEST = 6.0  # seconds without a change; what takes longer is shown as this
NAMES = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")

STEPS: list[tuple[bytes, str, float]] = [
    # keys (typed one by one), what is then on the screen, seconds to look at it
    (b"", "1 Datasets", 3),
    (b"j", "", 2),
    (b"2", "Training", 3),
    (b"3", "Adversarial", 2),
    (b"p", "what would break this?", 1),
    (b"a great film with a wonderful cast", "says positive", 3),
    (b"\r", "breaks with", 6),
    (b"\x1b", "a attack", 2),
    (b"a", "under attack", 6),
    (b"j", "", 4),
    (b"4", "Generate", 4),
    (b"\x1b?", "", 5),
]


Frame = tuple[tuple[tuple[str, str], ...], ...]  # lines of (character, the sequence that sets its looks)


def looks(cell: Any) -> str:
    """The sequence that sets a cell's looks; pyte has a colour as six hexadecimal digits or a name."""
    codes = ["0"] + ["1"] * cell.bold + ["3"] * cell.italics + ["4"] * cell.underscore + ["7"] * cell.reverse
    for name, base in ((cell.fg, 30), (cell.bg, 40)):
        if re.fullmatch("[0-9a-f]{6}", name):
            codes += [str(base + 8), "2", *(str(int(name[i : i + 2], 16)) for i in (0, 2, 4))]
        elif name in NAMES:
            codes.append(str(base + NAMES.index(name)))
    return f"\x1b[{';'.join(codes)}m"


def frame(terminal: PseudoTerminal) -> Frame:
    buffer = terminal.screen.buffer
    cells = [[buffer[y][x] for x in range(SIZE[0])] for y in range(SIZE[1])]
    return tuple(tuple((cell.data, looks(cell)) for cell in line) for line in cells)


def drawn(before: Frame, after: Frame) -> str:
    """What turns one frame into the next: the lines that differ, from the first cell to the last that do."""
    text = ""
    for y, (old, new) in enumerate(zip(before, after, strict=True)):
        changed = [x for x in range(SIZE[0]) if old[x] != new[x]]
        if not changed:
            continue
        text += f"\x1b[{y + 1};{changed[0] + 1}H"
        style = ""
        for character, wanted in new[changed[0] : changed[-1] + 1]:
            text += (wanted if wanted != style else "") + character
            style = wanted
    return text


def record(terminal: PseudoTerminal) -> list[tuple[float, str]]:
    """Plays the steps; returns what was to be seen and when, in seconds of the recording."""
    found: list[tuple[float, str]] = [(0.0, "\x1b[?25l\x1b[2J")]
    seen: Frame = ((("", ""),) * SIZE[0],) * SIZE[1]
    now = waited = 0.0

    def watch(seconds: float) -> None:
        nonlocal seen, now, waited
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            began = time.perf_counter()
            terminal.feed(terminal.drain(min(left, 0.1), min(left, 0.1)), lambda: False)
            time.sleep(max(0.0, min(left, 0.1) - (time.perf_counter() - began)))
            passed = time.perf_counter() - began
            after = frame(terminal)
            waited = 0.0 if after != seen else waited + passed
            now += passed if waited < LONGEST else 0.0
            if after != seen:
                found.append((now, drawn(seen, after)))
            seen = after

    for keys, shown, pause in STEPS:
        for key in [keys[i : i + 1] for i in range(len(keys))]:
            terminal.press(key)
            watch(0.12)
        deadline = time.monotonic() + 90
        while shown and shown not in " ".join(terminal.text().split()):
            if time.monotonic() > deadline:
                raise SystemExit(f"{shown!r} did not appear:\n{terminal.text()}")
            watch(0.2)
        waited = 0.0
        watch(pause)
    return [*found, (now, "\x1b[0m")]


def cast(found: list[tuple[float, str]]) -> str:
    """The recording as a cast file."""
    header = {"version": 2, "width": SIZE[0], "height": SIZE[1], "title": "aat-workbench"}
    lines = [json.dumps([round(when, 2), "o", text], ensure_ascii=False) for when, text in found]
    return "\n".join([json.dumps(header), *lines]) + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as state:
        environment = {
            "XDG_STATE_HOME": state,
            "LC_ALL": "C.UTF-8",
            "COLORTERM": "",  # 256 colours: half the bytes
            "AAT_RUNS": os.environ.get("AAT_RUNS", state + "/runs"),
        }
        words = [sys.executable, "-m", "aat_workbench.cli.start"]
        with PseudoTerminal(words, size=SIZE, environment=environment) as terminal:
            OUT.write_text(cast(record(terminal)), encoding="utf-8")
    print(f"{OUT}: {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
