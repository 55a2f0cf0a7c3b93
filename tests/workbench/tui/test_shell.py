"""The shell: tabs, keys, help, palette, size, messages between panes, and what the process imports and leaves behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aat_workbench.tui.app import PANES, WorkbenchApp
from aat_workbench.tui.messages import AttackTarget, GenerateFrom, PaneMessage, ProbeText, TrainOn
from aat_workbench.tui.new_run import NewRun
from aat_workbench.tui.overlays import HelpOverlay
from aat_workbench.tui.pane import Pane

from .. import fixed_run
from .shell_support import ClosedSession, check_cells, screen_text, sees, until


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)


async def test_number_keys_and_clicks_open_panes_and_a_pane_is_mounted_when_first_shown(tmp_path: Path) -> None:
    app = WorkbenchApp(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        assert [child.id for child in app.panes.children] == ["datasets"]
        await pilot.press("2")
        assert app.panes.current == "training"
        assert [child.id for child in app.panes.children] == ["datasets", "training"]
        before = app.pane
        await pilot.click("TopBar", offset=(20, 0))
        assert app.panes.current == "datasets"
        await pilot.press("2")
        assert app.pane is before


async def test_every_pane_of_the_table_is_there(tmp_path: Path) -> None:
    app = WorkbenchApp(tmp_path, ClosedSession())  # pyright: ignore[reportArgumentType]
    async with app.run_test(size=(120, 40)):
        for entry in PANES:
            pane = await app.open_pane(entry.name)
            assert isinstance(pane, Pane)
            assert pane.ABOUT


async def test_what_is_waited_for_ends_before_the_widgets_do(tmp_path: Path) -> None:
    """Else an answer that comes while the app ends finds no widgets, and its traceback lands on the terminal."""
    app = WorkbenchApp(tmp_path, ClosedSession())  # pyright: ignore[reportArgumentType]
    left: list[int] = []

    async def wait_for_an_answer() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.append(len(app.query("DiffView > *")))

    async with app.run_test(size=(120, 40)):
        pane = await app.open_pane("adversarial")
        pane.run_worker(wait_for_an_answer())
        there = len(app.query("DiffView > *"))
    assert left == [there]
    assert there


async def test_help_lists_the_panes_keys_and_closes(tmp_path: Path) -> None:
    app = WorkbenchApp(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpOverlay)
        shown = check_cells(app)
        for words in ("find rows by their text", "next split", "Adversarial", "commands", "quit"):
            assert words in shown
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpOverlay)


async def test_the_palette_offers_what_the_pane_can_do(tmp_path: Path) -> None:
    fixed_run.make_runs(tmp_path)
    app = WorkbenchApp(tmp_path, start_pane="training")
    async with app.run_test(size=(120, 40)) as pilot:
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert {"Start a training", "Stop the run", "Open Datasets", "Theme", "Quit"} <= set(titles)
        assert "Open Training" not in titles
        await pilot.press("down")
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert "Delete the run" in titles
        assert "Stop the run" not in titles
        await pilot.press("1")
        assert "Find rows" in [command.title for command in app.get_system_commands(app.screen)]


@pytest.mark.parametrize("theme", ["workbench-dark", "workbench-light", "workbench-contrast", "ansi-dark", "nord"])
async def test_every_theme_draws_both_panes(tmp_path: Path, theme: str) -> None:
    fixed_run.make_runs(tmp_path)
    app = WorkbenchApp(tmp_path, theme=theme)
    async with app.run_test(size=(100, 30)) as pilot:
        await sees(pilot, "Datasets")
        await pilot.press("2", "space", "down", "n")
        await until(pilot, lambda: isinstance(app.screen, NewRun))
        assert "New run" in check_cells(app)


async def test_a_terminal_that_is_too_small_says_so_and_recovers(tmp_path: Path) -> None:
    app = WorkbenchApp(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        await sees(pilot, "This terminal is 40 × 12.")
        await sees(pilot, "Needed: 60 × 16.")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await sees(pilot, "contains…")


@pytest.mark.parametrize(
    "message", [ProbeText("some text"), AttackTarget("run-1"), GenerateFrom("run-1", "hello"), TrainOn("support")]
)
async def test_messages_reach_their_pane_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: PaneMessage
) -> None:
    app = WorkbenchApp(tmp_path, ClosedSession())  # pyright: ignore[reportArgumentType]
    taken: list[tuple[str | None, PaneMessage]] = []
    async with app.run_test(size=(120, 40)) as pilot:
        target = await app.open_pane(message.pane)
        monkeypatch.setattr(type(target), "receive", lambda self, what: taken.append((self.id, what)))
        sender = await app.open_pane("training" if message.pane == "adversarial" else "datasets")
        sender.post_message(message)
        await pilot.pause()
        await pilot.pause()
        assert app.panes.current == message.pane
        assert taken == [(message.pane, message)]


async def test_train_on_opens_the_form_with_the_dataset(tmp_path: Path) -> None:
    app = WorkbenchApp(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        assert app.pane is not None
        app.pane.post_message(TrainOn("sst2"))
        await pilot.pause()
        await pilot.pause()
        assert isinstance(app.screen, NewRun)
        assert app.screen.values()["data.dataset"] == "sst2"


async def test_leaving_closes_the_session(tmp_path: Path) -> None:
    session = ClosedSession()
    app = WorkbenchApp(tmp_path, session)  # pyright: ignore[reportArgumentType]
    async with app.run_test() as pilot:
        await pilot.press("ctrl+q")
    assert session.closed


async def test_the_header_names_the_training_at_work(tmp_path: Path) -> None:
    fixed_run.make_runs(tmp_path)
    app = WorkbenchApp(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "sst2-bilstm-aat-1 ▸ running 1 240 · 62%" in screen_text(app).split("\n")[0]


def test_the_process_that_draws_imports_no_heavy_package(tmp_path: Path) -> None:
    script = """
import asyncio, pathlib, sys
from aat_workbench.tui.app import WorkbenchApp

async def main():
    app = WorkbenchApp(pathlib.Path(sys.argv[1]))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        first = set(sys.modules)
        await pilot.press("2")
        await pilot.press("n")
        await pilot.pause()
    print(sorted({"torch", "duckdb", "numpy", "nltk", "tokenizers"} & first))
    print(sorted({"torch"} & set(sys.modules)))

asyncio.run(main())
"""
    fixed_run.make_runs(tmp_path / "runs")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "runs")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
