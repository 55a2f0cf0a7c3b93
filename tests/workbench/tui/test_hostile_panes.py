"""Hostile text in every place the Adversarial and Generate panes show text of data or models: seen, never obeyed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from textual.events import Paste
from textual.screen import ModalScreen
from textual.widgets import Input, TextArea

from aat_models.events import AttackResult, Edit, Token
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.screens.adversarial import AdversarialPane
from aat_workbench.tui.screens.generate import GeneratePane

from . import pane_session
from .pane_session import FakeSession
from .shell_support import HOSTILE, check_cells, sees, until
from .test_adversarial_pane import SIZE
from .training_support import app_on


def result_of(text: str) -> AttackResult:
    words = f"plain {text} word".split(" ")
    return AttackResult(
        id=3, text=" ".join(words), adversarial=" ".join(["plain", text + "z", *words[2:]]), label=0, prediction=0,
        adversarial_prediction=1, probabilities=[0.9, 0.1], adversarial_probabilities=[0.2, 0.8],
        edits=[Edit(1, words[1], text + "z"), Edit(2, words[2], text)], queries=7, cache_hits=0, edited_share=0.5,
        status="success", trajectory=[0.9, 0.5, 0.2], seconds=0.1,
    )  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:16]))
async def test_results_verdict_labels_and_probe_show_hostile_text_as_text(tmp_path, text):
    session = FakeSession([result_of(text), msgspec.structs.replace(result_of(text), status="failed", id=4)])
    session.labels = [text, f"{text} too"]
    async with WorkbenchApp(tmp_path, session, start_pane="adversarial").run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("a")
        pane = pilot.app.query_one(AdversarialPane)
        await until(pilot, lambda: len(pane.table.results) == 2 and not pane.attacking)
        await until(pilot, lambda: bool(session.asked("attribute")))
        await pilot.pause(0.1)
        await sees(pilot, "BROKEN")
        shown = check_cells(pilot.app)
        if len(text) < 100 and text.isascii() and text.isprintable():
            assert text in shown  # markup is shown as it is written
        pane.probe.put(f"a {text} film")
        await sees(pilot, "says")
        check_cells(pilot.app)
        assert pane.probe.text == f"a {text} film"
        await pilot.press("enter")
        await until(pilot, lambda: len(session.asked("attack")) == 2)
        await pilot.pause(0.1)
        check_cells(pilot.app)
        assert pilot.app.is_running


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:16]))
async def test_prompts_replies_tokens_and_alternatives_show_hostile_text_as_text(tmp_path, text, monkeypatch):
    token = Token(index=0, text=text, probability=0.4, alternatives=[(text + "1", 0.3), ("\n", 0.1), ("", 0.05)])
    monkeypatch.setattr(pane_session.FakeSession, "_generate", lambda self: [token, token])
    async with WorkbenchApp(tmp_path, FakeSession(), start_pane="generate").run_test(size=SIZE) as pilot:
        await pilot.pause()
        pane = pilot.app.query_one(GeneratePane)
        pane.prompt.put(text)
        await pilot.press("enter")
        await until(pilot, lambda: not pane.writing and len(pane.tokens.words) == 2)
        await pilot.press("escape", "right")
        await pilot.pause()
        check_cells(pilot.app)
        await sees(pilot, "token 2 of 2")


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:16]))
async def test_what_is_pasted_is_seen(tmp_path, text):
    async with WorkbenchApp(tmp_path, FakeSession(), start_pane="adversarial").run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("p")
        pane = pilot.app.query_one(AdversarialPane)
        pane.probe.input.post_message(Paste(text))
        await until(pilot, lambda: bool(pane.probe.input.value))
        check_cells(pilot.app)


@pytest.mark.parametrize("key", "noet")
async def test_what_is_pasted_into_a_form_is_seen(runs: Path, key: str):
    app = app_on(runs)
    async with app.run_test(size=SIZE) as pilot:
        await sees(pilot, "sst2-bilstm-aat-1")
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, ModalScreen))
        for line in app.screen.query(Input):
            line.scroll_visible(animate=False)
            line.value = ""
            line.post_message(Paste(" ".join(" ".join(text.split())[:40] for text in HOSTILE)))
            await until(pilot, lambda line=line: "loud" in line.value)
            check_cells(app)
            line.cursor_position = 30  # so that what lay further right is in view
            await pilot.pause()
            check_cells(app)
            line.cursor_position = len(line.value)
            await pilot.pause()
            check_cells(app)
        for page in app.screen.query(TextArea):
            page.post_message(Paste("\r\n".join(text[:40] for text in HOSTILE)))
            await until(pilot, lambda page=page: "loud" in page.text)
            check_cells(app)
        assert app.is_running


async def test_a_target_s_name_is_shown_as_text(tmp_path):
    from aat_workbench.tui.messages import AttackTarget

    async with WorkbenchApp(tmp_path, FakeSession(), start_pane="adversarial").run_test(size=SIZE) as pilot:
        await pilot.pause()
        pilot.app.post_message(AttackTarget("py:[/b][@click=app.quit]x\x1b[2J"))
        pane = pilot.app.query_one(AdversarialPane)
        await until(pilot, lambda: pane.controls.target.startswith("py:"))
        await pilot.press("t", "enter")
        await pilot.pause()
        assert "py:[/b][@click=app" in check_cells(pilot.app)
