"""The Adversarial pane with a stand-in for the engine: attack, stop, results, verdict, probe, stored results."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Select, Static

from aat_datasets.errors import VictimError
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.messages import AttackTarget, ProbeText
from aat_workbench.tui.screens.adversarial import AdversarialPane
from aat_workbench.tui.screens.probing import DEBOUNCE
from aat_workbench.tui.widgets.field import Choice

from ..fixed_run import make_runs
from .pane_session import FakeSession
from .shell_support import check_cells, screen_text, sees, until

SIZE = (120, 40)


def pane_of(app: WorkbenchApp) -> AdversarialPane:
    return app.query_one(AdversarialPane)


def app_on(tmp_path: Path, session: FakeSession) -> WorkbenchApp:
    return WorkbenchApp(tmp_path, session, start_pane="adversarial")


async def test_opening_the_pane_asks_the_engine_for_its_recipes_only(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: session.calls)
        await pilot.pause(DEBOUNCE + 0.1)
        assert session.calls == [("recipes", {})]
        await sees(pilot, "No results yet")


async def test_an_attack_fills_the_table_and_tells_which_word_broke_the_model(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("a")
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 50 and not pane.attacking)
        await sees(pilot, "+51")
        await sees(
            pilot,
            "✗ BROKEN",
            "moving → moveing turns positive .85 into negative .55",
            "it carried 51 % of the salience",
            "[moving]¹",
            "[moveing]¹",
            "broken 32",
        )
        assert session.streams[0].closed
    (asked,) = session.asked("attack")
    assert asked == {
        "target": "builtin:tiny", "recipe": "greedy", "surface": "words", "n": 50, "budget": 0.3, "save": False,
    }  # fmt: skip


@pytest.mark.parametrize("size", [(80, 24), SIZE])
async def test_what_makes_the_figures_doubtful_stays_above_them(tmp_path, size):
    make_runs(tmp_path)
    session = FakeSession()
    session.doubts = ["synonyms are neighbours\x1b[2J in the training texts", "the model is overconfident"]
    async with app_on(tmp_path, session).run_test(size=size) as pilot:
        await pilot.pause()
        pane = pane_of(pilot.app)
        remarks = pane.query_one("#remarks", Static)
        assert not remarks.display
        await pilot.press("a")
        await until(pilot, lambda: len(pane.table.results) == 50 and not pane.attacking)
        await sees(pilot, "! synonyms are neighbours␛[2J in the training texts")
        if size == SIZE:
            await sees(pilot, "! the model is overconfident")
        session.doubts = []
        await pilot.press("a")
        await until(pilot, lambda: not remarks.display)
        folder = tmp_path / "sst2-bilstm-none-1" / "attacks" / "greedy-1"
        (folder / "summary.json").write_text('{"warnings": ["said of what is stored"]}')
        await pilot.press("l")
        await sees(pilot, "stored", "! said of what is stored")


@pytest.mark.parametrize("size", [(80, 24), SIZE, (200, 50)])
async def test_what_a_model_writes_can_be_the_goal_where_it_writes(tmp_path, size):
    make_runs(tmp_path)
    config = tmp_path / "sst2-bilstm-none-1" / "config.toml"
    config.write_text(config.read_text().replace('decoder = "none"', 'decoder = "lstm"'))
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=size) as pilot:
        pane = pane_of(pilot.app)
        goal = pane.query_one("#goal", Choice)
        await until(pilot, lambda: pane.controls.target)
        for target, chosen in (
            ("sst2-bilstm-none-1@step-7", "meaning"),
            ("sst2-bilstm-none-1", ""),
            ("builtin:tiny", "meaning"),
        ):
            pane.controls.target = target
            await until(pilot, lambda shown=target != "builtin:tiny": bool(goal.region) == shown)
            check_cells(pilot.app)
            assert goal.region.right <= size[0]
            goal.set(chosen)
            count = len(session.asked("attack"))
            pane.action_attack()
            await until(pilot, lambda count=count: len(session.asked("attack")) > count and not pane.attacking)
    assert [call.get("goal") for call in session.asked("attack")] == ["meaning", None, None]


async def test_an_attack_can_be_stopped_and_keeps_what_it_found(tmp_path):
    session = FakeSession()
    session.hold = 11  # a progress record and ten results
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("a")
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 10)
        await sees(pilot, "10/50", "/s", "to go")
        await pilot.press("escape")
        await until(pilot, lambda: not pane.attacking)
        assert session.streams[0].closed
        await sees(pilot, "stopped at 10 of 50")
        assert len(pane.table.results) == 10


async def test_a_second_attack_waits_for_the_first(tmp_path):
    session = FakeSession()
    session.hold = 3
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("a", "a")
        await pilot.pause(0.1)
        assert len(session.asked("attack")) == 1


async def test_what_the_engine_says_is_wrong_is_shown(tmp_path):
    session = FakeSession()
    session.fail = VictimError("the victim [/b] said no", "ask [@click=app.quit]it[/] again")
    async with app_on(tmp_path, session).run_test(size=SIZE, notifications=True) as pilot:
        await pilot.pause()
        await pilot.press("a")
        await sees(pilot, "the victim [/b] said no")
        await sees(pilot, "ask [@click=app.quit]it[/] again")
        assert not pane_of(pilot.app).attacking


async def test_a_number_that_is_none_is_refused(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE, notifications=True) as pilot:
        await pilot.pause()
        pane_of(pilot.app).query_one("#budget Input").value = "7"
        await pilot.press("a")
        await sees(pilot, "budget: expected a number from 0.01")
        assert session.asked("attack") == []


async def test_results_are_sorted_and_filtered(tmp_path):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        seen = {}
        for _ in range(6):
            await pilot.press("s")
            seen[pane.table.sort] = list(pane.table._shown)
        assert next(r.status for r in seen["status"]) == "success"
        assert [r.status for r in seen["status"]][-1] == "skipped"
        broken = [len(r.edits) for r in seen["edits"] if r.status == "success"]
        assert broken == sorted(broken)
        queries = [r.queries for r in seen["queries"] if r.status == "success"]
        assert queries == sorted(queries)
        await pilot.press("f")
        assert {r.status for r in pane.table._shown} == {"success"}
        await pilot.press("f", "f", "f", "f")
        assert len(pane.table._shown) == 40


async def test_stored_results_of_a_run_are_there_at_once_with_the_names_of_its_classes(tmp_path):
    make_runs(tmp_path)
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        assert pane.controls.target == "sst2-bilstm-none-1"
        await sees(pilot, "greedy-1 on sst2-bilstm-none-1, stored", "positive → negative")
        assert session.asked("load") == []


async def test_the_cursor_s_result_is_told_and_the_cursor_stays_on_it_while_more_come(tmp_path):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        await pilot.press("down", "down")
        chosen = pane.table.current
        assert pane.verdict.result is chosen
        await pilot.press("s", "s")
        assert pane.table.current is chosen


async def test_the_probe_answers_what_was_typed_last_and_drops_what_is_stale(tmp_path):
    session = FakeSession()
    session.delays = {"a dull film": 0.4}
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await pilot.pause()
        pane = pane_of(pilot.app)
        pane.probe.put("a dull film")
        await until(pilot, lambda: any(c["text"] == "a dull film" for c in session.asked("attribute")))
        pane.probe.put("a moving film")
        await sees(pilot, "says positive")
        await pilot.pause(0.5)
        await sees(pilot, "says positive .89")


async def test_typing_asks_once_after_a_rest(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("p", *"funny")
        await sees(pilot, "says positive")
        assert [asked["text"] for asked in session.asked("attribute")][-1] == "funny"
        assert len(session.asked("attribute")) < 5


async def test_enter_in_the_probe_finds_what_would_break_the_text(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await pilot.pause()
        pilot.app.post_message(ProbeText("the second half is a mess"))
        pane = pane_of(pilot.app)
        await until(pilot, lambda: pane.probe.input.has_focus)
        await pilot.press("enter")
        await sees(pilot, "breaks with mess→mes")
        (asked,) = session.asked("attack")
        assert asked["texts"] == ["the second half is a mess"] and asked["labels"] == [0] and asked["save"] is False
        await sees(pilot, "✗ BROKEN")
        await sees(pilot, "your text")
        await pilot.press("space")
        await pilot.pause()
        assert "breaks with" not in screen_text(pilot.app)  # it no longer holds of what is typed


async def test_a_second_model_answers_beside_the_first(tmp_path):
    make_runs(tmp_path)
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        pane.query_one("#other Select", Select).value = "builtin:tiny"
        await sees(pilot, "B builtin:tiny is")
        pane.probe.put("a moving film")
        await until(pilot, lambda: screen_text(pilot.app).count("says positive") == 2)
        assert {asked["target"] for asked in session.asked("attribute")} >= {"builtin:tiny", "sst2-bilstm-none-1"}


async def test_another_pane_can_choose_the_model(tmp_path):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        pilot.app.post_message(AttackTarget("builtin:tiny"))
        await until(pilot, lambda: pane.controls.target == "builtin:tiny" and not pane.table.results)
        pilot.app.post_message(AttackTarget("sst2-bilstm-none-1@step-200"))
        await until(pilot, lambda: pane.controls.target == "sst2-bilstm-none-1@step-200")


async def test_a_result_can_be_probed(tmp_path):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        result = pane.table.current
        assert result is not None
        await pilot.press("v")
        assert pane.probe.text == result.adversarial
        await pilot.press("escape", "o")
        assert pane.probe.text == result.text


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (120, 40), (200, 50)])
async def test_every_part_is_on_the_screen_at_every_size(tmp_path, size):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=size) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        for part in (pane.table, pane.verdict, pane.probe.input, pane.query_one("#progress", Static)):
            assert part.region.width > 0 and part.region.height > 0
            assert part.region.bottom <= size[1]
        await pilot.press("p")
        await pilot.pause()
        assert pane.probe.input.has_focus and pane.probe.input.region.height == 1


async def test_ten_thousand_results_scroll_and_sort(tmp_path):
    from ..fixed_run import attack_results

    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        await pilot.pause()
        table = pane_of(pilot.app).table
        table.reset(["negative", "positive"], attack_results(10_000))
        await pilot.press("end")
        await pilot.pause()
        await sees(pilot, "9999")
        assert table.current is not None and table.current.id == 9999
