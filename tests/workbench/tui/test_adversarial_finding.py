"""The Adversarial pane's ``/``: results that contain what is typed."""

from __future__ import annotations

from textual.pilot import Pilot

from aat_models.events import AttackResult
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.screens.adversarial import AdversarialPane
from aat_workbench.tui.widgets.finding import FindLine

from .pane_session import TEXTS, FakeSession, attacked
from .shell_support import screen_text, sees, until

RESULTS = [attacked(row, text, label) for row, (text, label) in enumerate(TEXTS)]


async def begun(tmp_path, pilot: Pilot[None], count: int = len(RESULTS)) -> AdversarialPane:
    await pilot.pause()
    await pilot.press("a")
    pane = pilot.app.query_one(AdversarialPane)
    await until(pilot, lambda: len(pane.table.results) == count)
    return pane


def app_on(tmp_path, session: FakeSession) -> WorkbenchApp:
    return WorkbenchApp(tmp_path, session, start_pane="adversarial")


def ids(shown: list[AttackResult]) -> list[int]:
    return [result.id for result in shown]


async def test_what_is_typed_filters_at_once_and_escape_drops_it(tmp_path):
    async with app_on(tmp_path, FakeSession(RESULTS)).run_test(size=(140, 40)) as pilot:
        pane = await begun(tmp_path, pilot)
        line = pane.query_one(FindLine)
        assert not line.display
        await pilot.press("slash")
        await until(pilot, lambda: line.has_focus and line.display)
        await pilot.press(*"JOKES")
        await until(pilot, lambda: ids(pane.table.shown) == [5])
        await sees(pilot, "all 1", "with “JOKES”")
        assert pane.verdict.result is RESULTS[5]
        await pilot.press("enter")  # the filter stays, the table has the keys
        await until(pilot, lambda: pane.table.has_focus)
        assert ids(pane.table.shown) == [5] and line.display
        await pilot.press("slash", "escape")
        await until(pilot, lambda: pane.table.has_focus and len(pane.table.shown) == len(RESULTS))
        await until(pilot, lambda: not line.display)
        assert "with “" not in screen_text(pilot.app)


async def test_every_word_counts_in_either_text_or_the_classes_names(tmp_path):
    async with app_on(tmp_path, FakeSession(RESULTS)).run_test(size=(140, 40)) as pilot:
        pane = await begun(tmp_path, pilot)
        await pilot.press("slash", *"clever warm")
        await until(pilot, lambda: ids(pane.table.shown) == [2, 6])
        pane.query_one(FindLine).value = RESULTS[0].edits[0].target  # stands in the changed text only
        await until(pilot, lambda: ids(pane.table.shown) == [0])
        pane.query_one(FindLine).value = "NEGATIVE script"
        await until(pilot, lambda: ids(pane.table.shown) == [3])
        pane.query_one(FindLine).value = "[/b] nowhere"
        await until(pilot, lambda: not pane.table.shown)
        await sees(pilot, "No result of this kind; f, c and / show others.", "with “[/b] nowhere”")
        assert pane.verdict.result is None


async def test_it_goes_with_the_other_filters_and_with_results_that_stream_in(tmp_path):
    session = FakeSession(RESULTS)
    session.hold = 3
    async with app_on(tmp_path, session).run_test(size=(140, 40)) as pilot:
        pane = await begun(tmp_path, pilot, 3)
        await pilot.press("slash", *"is", "enter")
        await until(pilot, lambda: ids(pane.table.shown) == [1])
        assert pane.attacking  # neither enter nor a letter stopped it
        session.streams[0].release()
        await until(pilot, lambda: not pane.attacking)
        matching = [result.id for result in RESULTS if "is" in result.text]
        await until(pilot, lambda: ids(pane.table.shown) == matching)
        broken = [result.id for result in RESULTS if "is" in result.text and result.status == "success"]
        await pilot.press("f")
        await until(pilot, lambda: ids(pane.table.shown) == broken)
        await sees(pilot, f"all {len(matching)}", f"broken {len(broken)}")


async def test_escape_in_the_line_does_not_stop_an_attack(tmp_path):
    session = FakeSession(RESULTS)
    session.hold = 3
    async with app_on(tmp_path, session).run_test(size=(140, 40)) as pilot:
        pane = await begun(tmp_path, pilot, 3)
        await pilot.press("slash", *"mess", "escape")
        await until(pilot, lambda: pane.table.has_focus and len(pane.table.shown) == 3)
        assert pane.attacking
        await pilot.press("escape")
        await until(pilot, lambda: not pane.attacking)
