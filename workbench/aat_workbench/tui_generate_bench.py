"""How fast the Generate pane answers: Enter to the first token, a key that stops, and a prompt of 50,000 characters.

Everything is measured from outside, in a pseudo-terminal, on the program as a user starts it, with an engine that holds the
model already. Two models are trained for it, one of each kind, for some seconds: how well they write changes nothing.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aat_datasets.errors import EngineError
from aat_models import config as configs
from aat_workbench.pseudo_terminal import PseudoTerminal
from aat_workbench.surroundings import surrounded_by
from aat_workbench.tui_bench import APP, SHARE, percentile

__all__ = ["LONG_PROMPT", "MODELS", "bench_generate_pane", "rows_of_replies"]

LONG_PROMPT = 50_000  # characters
ENTER, ESCAPE, TAB, HOME, RIGHT, BACKSPACE = b"\r", b"\x1b", b"\t", b"\x1b[H", b"\x1b[C", b"\x7f"
STOP = b"\x07"  # ctrl+g: an escape waits a tenth of a second, for it may begin another key
PASTE = (b"\x1b[200~", b"\x1b[201~")
WRITING = "▌"
_SMALL: dict[str, Any] = {
    "data.dataset": "support",
    "data.limit": 2000,
    "train.epochs": 0.2,
    "train.decoder_epochs": 0.2,
}
MODELS: dict[str, dict[str, Any]] = {
    "encoder-decoder": {"model.decoder": "lstm", "train.stages": ["encoder", "decoder"]},
    "llama": {"model.encoder": "llama", "language.context": 256, "language.tokenizer": "bpe", "train.batch_size": 16},
}
Figures = dict[str, Any]


def bench_generate_pane(rounds: int, size: tuple[int, int], data: Path | None) -> Iterator[str | Figures]:
    """Lines of narration, and last the figures. Times are in milliseconds.

    ``data`` is a folder for the models that is kept, and used again where it holds them already. Raises EngineError where the
    app does not show what it should.
    """
    with tempfile.TemporaryDirectory(prefix="aat-bench-") as name:
        root = data.absolute() if data is not None else Path(name)
        models: Figures = {}
        for kind, settings in MODELS.items():
            environment = {
                "AAT_RUNS": str(root / "runs" / kind),
                "AAT_DATA": str(root / "data"),
                "XDG_STATE_HOME": str(Path(name) / "state"),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            }
            yield f"training {kind}"
            _train(kind, settings, environment)
            with PseudoTerminal(APP, size=size, environment=environment) as terminal:
                pane = _Pane(terminal)
                pane.open()
                models[kind] = {}
                for part, measure in (("first_token_ms", pane.first), ("stop_ms", pane.stop)):
                    yield f"{kind}: {part.removesuffix('_ms').replace('_', ' ')}"
                    times = [measure(number) for number in range(rounds)]
                    models[kind][part] = _spread([seen for seen in times if seen is not None])
                yield f"{kind}: a prompt of {LONG_PROMPT:,} characters"
                models[kind]["long_prompt_ms"] = pane.long()
    yield {"size": list(size), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2), "models": models}


def _train(kind: str, settings: dict[str, Any], environment: dict[str, str]) -> None:
    """A run called ``kind``, made by a process of its own; one that is there is kept."""
    from aat_workbench.jobs import start_training
    from aat_workbench.runs import RunFolder

    root = Path(environment["AAT_RUNS"])
    folder = RunFolder(root / kind)
    if (root / kind).exists() and folder.status().state == "done":
        return
    with surrounded_by(environment):
        config = configs.apply(configs.Config(), {**_SMALL, **settings, "run": kind, "train.threads": 1})
        folder = start_training(config, runs_root=root)
    deadline = time.monotonic() + 300
    while folder.status().active and time.monotonic() < deadline:
        time.sleep(0.2)
    if (status := folder.status()).state != "done":
        raise EngineError(f"the model could not be trained: {status.state}", status.error)


class _Pane:
    """The Generate pane of an app that is driven by keys."""

    def __init__(self, terminal: PseudoTerminal) -> None:
        self.terminal = terminal

    def open(self) -> None:
        """Settings with which a reply does not end by itself, and an engine that has the model."""
        self._wait(lambda: "1 Datasets" in self._words())
        self._press(b"4")
        self._wait(lambda: "type a prompt" in self.terminal.text())
        self._settle()
        # at 10 every token is about as likely, the one that ends a text too
        temperature, longest = [TAB] * 4 + [b"10"], [TAB] * 6 + [b"4000"]
        for keys in (ESCAPE, b"t", *temperature, *longest, ENTER):
            self._press(keys)
            self._settle()
        self._ask("warm up")
        self._stopped()

    def first(self, number: int) -> float:
        """From Enter to the paint of the first token."""
        asked, seen = self._ask(f"where is my parcel number {number}")
        self._stopped()
        return 1000 * (seen - asked)

    def stop(self, number: int) -> float | None:
        """From the key to the screen that says that the reply was stopped; None where every one of several ended before.

        At this temperature a small vocabulary draws its end within some hundred words, a tenth of a second on a free machine.
        """
        for _ in range(5):
            self._ask(f"where is my parcel number {number}")
            if (seconds := self._stopped()) is not None:
                return 1000 * seconds
        return None

    def long(self) -> Figures:
        """From the paste to its paint, from Enter to the first token with the notice, and keys in between and after it."""
        self._settle()
        pasted = self._press(PASTE[0] + b"where is my parcel please " * (LONG_PROMPT // 26) + PASTE[1])
        shown = self._wait(lambda: "The prompt has" in self.terminal.text())
        self._press(HOME)
        self._settle()
        moved = self._press(RIGHT * 150)  # the line goes along
        scrolled = self._wait(lambda: "› where" not in self._line())
        self._wait(lambda: "The prompt has" not in self.terminal.text())  # what was told is taken away again
        asked = self._press(ENTER)
        begun = re.compile(r" tokens? [^\n]*\n[^\n]* too long for the model")
        seen = self._wait(lambda: begun.search(self.terminal.text()) is not None)
        beside = self._echo()
        self._stopped()
        after = self._echo()
        return {
            "paste_to_paint": round(1000 * (shown - pasted), 1),
            "first_token": round(1000 * (seen - asked), 1),
            "key_after_paste": round(1000 * (scrolled - moved), 1),
            "key_while_writing": beside,
            "key_after": after,
        }

    def _ask(self, text: str) -> tuple[float, float]:
        """When Enter was pressed, and when the first token was there."""
        self._settle()
        self._press(text.encode())
        self._wait(lambda: f"› {text}" in self._line())
        self._settle()
        asked = self._press(ENTER)
        begun = re.compile(rf"› {text} [^\n]*\n[^\n]* tokens? ")
        return asked, self._wait(lambda: begun.search(self.terminal.text()) is not None)

    def _stopped(self) -> float | None:
        """Seconds from the key until nothing is being written, and the screen says so; None where it had ended before."""
        pressed = self._press(STOP)
        seen = self._wait(lambda: WRITING not in self.terminal.text())
        self._settle()
        if "⏎ send" in self.terminal.text().splitlines()[-1]:
            return seen - pressed
        self._press(b"i")  # there was nothing to stop, and the key left the prompt
        self._settle()
        return None

    def _echo(self) -> float:
        """Milliseconds until a letter at the beginning of the prompt is painted there; it is taken back."""
        self._press(HOME)
        self._settle()
        pressed = self._press(b"#")
        seen = self._wait(lambda: "› #" in self._line())
        self._press(BACKSPACE)
        self._wait(lambda: "› #" not in self._line())
        return round(1000 * (seen - pressed), 1)

    def _press(self, keys: bytes) -> float:
        return self.terminal.press(keys)

    def _settle(self) -> None:
        self.terminal.feed(self.terminal.drain(0.25, 3.0), lambda: False)

    def _line(self) -> str:
        """The line of the prompt."""
        return self.terminal.text().splitlines()[-3]

    def _words(self) -> str:
        return " ".join(self.terminal.text().split())

    def _wait(self, seen: Callable[[], bool], limit: float = 60.0) -> float:
        """When ``seen`` first held, as soon as it does: a screen on which a text grows is never quiet."""
        deadline = time.monotonic() + limit
        if seen():
            return time.perf_counter()
        while time.monotonic() < deadline and self.terminal.running:
            if (found := self.terminal.feed(self.terminal.drain(0.02, 0.04), seen)) is not None:
                return found
        raise EngineError("the app did not show what it should", self.terminal.text().strip()[-2000:])


def _spread(times: list[float]) -> Figures:
    if not times:
        return {"p50": None, "p95": None, "most": None, "rounds": 0}
    return {
        "p50": round(statistics.median(times), 1),
        "p95": round(percentile(times, SHARE), 1),
        "most": round(max(times), 1),
        "rounds": len(times),
    }


def rows_of_replies(figures: Figures) -> list[tuple[str, object, str]]:
    """What is measured, seen and asked, a line each."""
    rows: list[tuple[str, object, str]] = [("load of the machine", figures["load"], "")]
    for kind, found in figures["models"].items():
        long = found["long_prompt_ms"]
        for name, part, wanted in (("Enter to first token", "first_token_ms", "< 150"), ("stop", "stop_ms", "< 100")):
            rows += [
                (f"{kind}: {name}, {share}, ms", found[part][share], wanted if share == "p95" else "")
                for share in ("p50", "p95", "most")
            ]
        rows += [
            (f"{kind}: {LONG_PROMPT:,} characters, {name.replace('_', ' ')}, ms", value, "")
            for name, value in long.items()
        ]
    return rows
