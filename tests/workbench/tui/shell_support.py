"""What the tests of the app's shell and of its Datasets and Training panes share."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable

from rich.cells import cell_len
from textual.pilot import Pilot

from aat_datasets.errors import EngineError
from aat_workbench.tui.app import WorkbenchApp

HOSTILE = [
    "[bold red]loud",
    "[/b]",
    "[@click=app.quit]x[/]",
    "\x1b[2Jclear",
    "\x1b]52;c;aGk=\x07",
    "nul\x00nul",
    "tab\tnew\nline\rback",
    "\u202eesrever",
    "zero\u200bwidth\ufeff",
    "e" + "\u0301" * 400,
    "👩‍👩‍👧‍👦👍🏽1️⃣ ㅤ",
    "中文文本没有空格" * 20,
    "\x9b31mC1",
    "a" * 100_000,
]


class ClosedSession:
    """A session without an engine, that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def call(self, method: str, **params: object) -> object:
        raise EngineError("there is no engine", f"{method} was asked with {len(params)} parameters")

    async def close(self) -> None:
        self.closed = True


def screen_text(app: WorkbenchApp) -> str:
    """The screen as lines of text."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def check_cells(app: WorkbenchApp) -> str:
    """No cell holds what a terminal would obey, hide or reorder, and no line is wider than the screen."""
    shown = screen_text(app)
    for line in shown.split("\n"):
        assert cell_len(line) <= app.size.width
        for character in line:
            assert unicodedata.category(character) not in ("Cc", "Cs", "Cf"), ascii(character)
            assert character not in "\u2028\u2029\u3164\ufe0f", ascii(character)
    return shown


async def until(pilot: Pilot[None], true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something that a worker, a timer or another thread brings; fails after about ``seconds``."""
    for _ in range(int(seconds / 0.05)):
        if true():
            await pilot.pause()
            return
        await asyncio.sleep(0.05)
        await pilot.pause()
    raise AssertionError("it did not come:\n" + screen_text(pilot.app))  # pyright: ignore[reportArgumentType]


async def sees(pilot: Pilot[None], *texts: str) -> None:
    """Wait until the screen shows every text: what a state brings to the screen is painted after the state changes."""
    await until(pilot, lambda: all(text in screen_text(pilot.app) for text in texts))  # pyright: ignore[reportArgumentType]
