"""The Adversarial pane with a real engine process and the shipped victim."""

from __future__ import annotations

from aat_workbench.session import Session
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.messages import ProbeText
from aat_workbench.tui.screens.adversarial import AdversarialPane
from aat_workbench.tui.screens.generate import GeneratePane

from .test_adversarial_pane import SIZE, screen_text, settle


async def test_attack_probe_break_and_refusal_to_write(tmp_path):
    session = Session(runs_root=tmp_path, log=tmp_path / "engine.log")
    app = WorkbenchApp(tmp_path, session, start_pane="adversarial")
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        pane = app.query_one(AdversarialPane)
        await pilot.press("a")
        await settle(pilot, lambda: len(pane.table.results) == 50 and not pane.attacking, 60)
        assert "✗ BROKEN" in screen_text(app)
        await settle(pilot, lambda: "of the salience" in screen_text(app), 20)
        app.post_message(ProbeText("the film was good and the acting is weak"))
        await settle(pilot, lambda: "says positive" in screen_text(app), 20)
        await pilot.press("enter")
        await settle(pilot, lambda: "✗ breaks with" in screen_text(app), 20)
        await app.open_pane("generate")
        writer = app.query_one(GeneratePane)
        writer.prompt.put("hello")
        await pilot.press("enter")
        await settle(pilot, lambda: "builtin:tiny has no decoder" in screen_text(app), 20)
