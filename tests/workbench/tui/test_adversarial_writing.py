"""The Adversarial pane with attacks on what a model writes: the wanted output, that before and that after."""

from __future__ import annotations

from aat_models.events import AttackResult, Edit, Written
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.screens.adversarial import AdversarialPane

from .pane_session import FakeSession
from .shell_support import sees, until


def turned(row: int, status: str) -> AttackResult:
    lost = 0.74 if status == "success" else 0.5
    edits = [Edit(3, "parcel", "package")] if status == "success" else []
    return AttackResult(
        id=row, text="where is my parcel", adversarial="where is my package" if edits else "where is my parcel", label=0,
        prediction=0, adversarial_prediction=int(status == "success"), probabilities=[0.5, 0.5],
        adversarial_probabilities=[1 - lost, lost], edits=edits, queries=9, cache_hits=1, edited_share=0.25, status=status,
        trajectory=[0.5, 1 - lost] if edits else [0.5], seconds=0.0,
        written=Written(
            reference="It is on its way.", before="It is under way. [red]",
            after="We returned your money." if edits else "It is under way. [red]",
            near_before=0.62, near_after=0.11, similarity=0.81, damage=0.8226,
        ),
    )  # fmt: skip


async def test_outputs_stand_under_the_texts_and_no_label_is_asked_for(tmp_path):
    session = FakeSession([turned(0, "success"), turned(1, "failed")])
    session.labels = ["meaning kept", "meaning lost"]
    app = WorkbenchApp(tmp_path, session, start_pane="adversarial")
    async with app.run_test(size=(140, 44)) as pilot:
        await pilot.pause()
        await pilot.press("a")
        pane = pilot.app.query_one(AdversarialPane)
        await until(pilot, lambda: len(pane.table.results) == 2 and not pane.attacking)
        await sees(
            pilot, "BROKEN", "meaning kept", "meaning lost", "wanted It is on its way.", "wrote  It is under way. [red]",
            "writes We returned your money.", "chrF .62", "82% lost", "no salience",
        )  # fmt: skip
        assert not session.asked("attribute")
        await pilot.press("left", "u")  # single edits are not looked at
        await pilot.pause()
        assert pane.verdict.variation is None
        await pilot.press("j")
        await sees(pilot, "HELD")
        assert pilot.app.is_running
