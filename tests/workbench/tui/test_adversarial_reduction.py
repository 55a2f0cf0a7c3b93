"""The Adversarial pane with the results of an input reduction: words left, and nothing broken."""

from __future__ import annotations

from aat_models.events import AttackResult, Edit
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.screens.adversarial import AdversarialPane

from .pane_session import FakeSession, probabilities
from .shell_support import screen_text, sees, until


def shortened(row: int, text: str, left: str) -> AttackResult:
    words, kept = text.split(" "), left.split(" ")
    gone = [Edit(i, word, "") for i, word in enumerate(words) if word not in kept]
    before, after = probabilities(words), probabilities(kept)
    status = "success" if len(kept) == 1 else "failed"
    return AttackResult(
        id=row, text=text, adversarial=left, label=1, prediction=1, adversarial_prediction=1, probabilities=before,
        adversarial_probabilities=after, edits=gone, queries=12, cache_hits=0, edited_share=len(gone) / len(words),
        status=status, trajectory=[before[1], after[1]], seconds=0.0,
    )  # fmt: skip


RESULTS = [
    shortened(0, "a moving and honest portrait", "moving"),
    shortened(1, "a clever plot with a warm heart", "clever heart"),
]


async def test_a_reduction_is_told_in_words_and_not_as_broken(tmp_path):
    session = FakeSession(RESULTS)
    app = WorkbenchApp(tmp_path, session, start_pane="adversarial")
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        await pilot.press("a")
        pane = pilot.app.query_one(AdversarialPane)
        await until(pilot, lambda: len(pane.table.results) == 2 and not pane.attacking)
        await sees(
            pilot,
            "accuracy 1.00 · 6.0 words → 1.5 with the same prediction · 12 queries",
            "one word left 1",
            "more words left 1",
            "↓ reduced",
            "↓ REDUCED",
            "What it needs",
            "with only 1 word left",
        )
        await pilot.press("j")
        await sees(pilot, "with only 2 words left")
        shown = screen_text(pilot.app)
        assert "broke" not in shown and "held" not in shown and "under attack" not in shown


async def test_while_it_runs_the_share_reduced_is_told(tmp_path):
    session = FakeSession(RESULTS)
    session.hold = 1  # one result
    app = WorkbenchApp(tmp_path, session, start_pane="adversarial")
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        await pilot.press("a")
        await sees(pilot, "reduced to a word 100 %")
        assert "broken 0" not in screen_text(pilot.app)
        session.streams[0].release()
        await sees(pilot, "with the same prediction")
