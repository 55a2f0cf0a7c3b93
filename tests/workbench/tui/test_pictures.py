"""The pictures in docs/screenshots are what the app draws now, on the fixed runs, at 120 × 40.

``AAT_PICTURES=write python -m pytest tests/workbench/tui/test_pictures.py`` draws them anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Select, Static

from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.messages import GenerateFrom
from aat_workbench.tui.screens.adversarial import AdversarialPane
from aat_workbench.tui.screens.generate import GeneratePane

from .. import fixed_run
from .pane_session import FakeSession
from .shell_support import screen_text, sees, until

TOP = Path(__file__).parents[3]
FOLDER = TOP / "docs" / "screenshots"
SIZE = (120, 40)
THEMES = pytest.mark.parametrize("theme", ["dark", "light"])


@pytest.fixture
def runs(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAT_DATA", str(data))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    fixed_run.make_runs(tmp_path / "runs")
    return tmp_path / "runs"


def app_on(runs: Path, pane: str, theme: str = "dark") -> WorkbenchApp:
    return WorkbenchApp(runs, FakeSession(), start_pane=pane, theme=f"workbench-{theme}")


def words_of(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


async def compare(pilot: Pilot[None], name: str, theme: str = "dark") -> None:
    """The screen against the stored picture, or into it."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    if (app.runs_root / "sst2-bilstm-aat-1").exists():  # the header names the run at work once it has looked
        await until(pilot, lambda: "▸" in screen_text(app).split("\n")[0])
    path = FOLDER / (f"{name}.svg" if theme == "dark" else f"{name}-{theme}.svg")
    # Ids are made up for every drawing; nothing else differs between two drawings of the same screen.
    drawn = re.sub(r"terminal-\d+", "terminal-0", app.export_screenshot(title="aat-workbench"))
    if os.environ.get("AAT_PICTURES") == "write":
        FOLDER.mkdir(parents=True, exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
    stored = path.read_text(encoding="utf-8")
    assert words_of(drawn) == words_of(stored), f"{path.name} is out of date: AAT_PICTURES=write draws it anew"
    assert drawn == stored, f"{path.name} differs in its colours: AAT_PICTURES=write draws it anew"


@THEMES
async def test_datasets(runs: Path, theme: str) -> None:
    app = app_on(runs, "datasets", theme)
    async with app.run_test(size=SIZE) as pilot:
        detail = app.query_one("#detail", Static)
        await until(pilot, lambda: "words for the model" in str(detail.visual))
        await pilot.press("down", "down", "down")
        told = ("tokens · ids", "substitutes · ")
        await until(pilot, lambda: "Row 3 " in screen_text(app) and all(text in str(detail.visual) for text in told))
        await until(pilot, lambda: "counted" not in screen_text(app))
        await compare(pilot, "datasets", theme)


@THEMES
async def test_training(runs: Path, theme: str) -> None:
    app = app_on(runs, "training", theme)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("space", "down", "space", "up")
        await compare(pilot, "training", theme)


@THEMES
async def test_adversarial(runs: Path, theme: str) -> None:
    app = app_on(runs, "adversarial", theme)
    async with app.run_test(size=SIZE) as pilot:
        pane = app.query_one(AdversarialPane)
        await until(pilot, lambda: len(pane.table.results) == 40)
        pane.query_one("#other Select", Select).value = "builtin:tiny"
        pane.probe.put("a funny and warm film with a tired plot")
        await until(pilot, lambda: screen_text(app).count("says positive") == 2)
        await sees(pilot, "B builtin:tiny is")
        await pilot.press("escape")
        await compare(pilot, "adversarial", theme)


@THEMES
async def test_generate(runs: Path, theme: str) -> None:
    app = app_on(runs, "generate", theme)
    async with app.run_test(size=SIZE) as pilot:
        pane = app.query_one(GeneratePane)
        await pilot.pause()
        app.post_message(GenerateFrom("support-joint-1"))
        await until(pilot, lambda: pane.controls.target == "support-joint-1")
        for prompt in ("where is my order", "my parcel is late and the box was open"):
            pane.prompt.put(prompt)
            pane.prompt.focus()
            await pilot.press("enter")
            await until(pilot, lambda: not pane.writing and len(pane.tokens.words) == 11)
        await pilot.press("escape", *["right"] * 7)
        await compare(pilot, "generate", theme)


async def test_new_run(runs: Path) -> None:
    app = app_on(runs, "training")
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "▸" in screen_text(app).split("\n")[0])
        await pilot.press("n")
        await sees(pilot, "✓ support-bilstm-aat-…")
        await pilot.press("tab", "tab", "tab")
        await compare(pilot, "new-run")


async def test_overview(tmp_path: Path, runs: Path) -> None:
    app = app_on(tmp_path / "none", "training")
    async with app.run_test(size=SIZE) as pilot:
        await sees(pilot, "No runs here yet")
        await compare(pilot, "overview")


def test_every_picture_is_drawn_by_a_test_here() -> None:
    drawn = {
        f"{name}{theme}.svg" for name in ("datasets", "training", "adversarial", "generate") for theme in ("", "-light")
    }
    assert {path.name for path in FOLDER.iterdir()} == drawn | {"new-run.svg", "overview.svg"}
