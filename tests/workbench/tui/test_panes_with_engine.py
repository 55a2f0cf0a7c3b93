"""The Adversarial pane with a real engine process and the shipped victim."""

from __future__ import annotations

from aat_workbench.session import Session
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.messages import ProbeText
from aat_workbench.tui.screens.adversarial import AdversarialPane
from aat_workbench.tui.screens.generate import GeneratePane

from .shell_support import sees, until
from .test_adversarial_pane import SIZE


async def test_attack_probe_break_and_refusal_to_write(tmp_path):
    session = Session(runs_root=tmp_path, log=tmp_path / "engine.log")
    app = WorkbenchApp(tmp_path, session, start_pane="adversarial")
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        pane = app.query_one(AdversarialPane)
        await pilot.press("a")
        await until(pilot, lambda: len(pane.table.results) == 50 and not pane.attacking, 60)
        await sees(pilot, "✗ BROKEN")
        await sees(pilot, "of the salience")
        app.post_message(ProbeText("the film was good and the acting is weak"))
        await sees(pilot, "says positive")
        await pilot.press("enter")
        await sees(pilot, "✗ breaks with")
        await app.open_pane("generate")
        writer = app.query_one(GeneratePane)
        writer.prompt.put("hello")
        await pilot.press("enter")
        await sees(pilot, "builtin:tiny has no decoder")
