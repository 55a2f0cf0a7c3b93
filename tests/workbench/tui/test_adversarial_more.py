"""The Adversarial pane beyond the attack itself: recipes, targets, classes, edit by edit, salience, and what is taken out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from textual.widgets import Input, Select

from aat_datasets import catalog
from aat_datasets.errors import DataError
from aat_models.events import AttackResult, Edit, encode
from aat_workbench.tui import exporting, saving
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.overlays import Ask, ShowText
from aat_workbench.tui.widgets.bars import Trajectory
from aat_workbench.tui.widgets.variation import Variation, applied, stepped, undone, varied_text

from ..fixed_run import attack_results, make_runs
from .pane_session import FakeSession, probabilities
from .shell_support import HOSTILE, check_cells, screen_text, sees, until
from .test_adversarial_pane import SIZE, app_on, pane_of


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    monkeypatch.chdir(tmp_path)


RESULT = AttackResult(
    id=0, text="a dull script and a flat , tired cast", adversarial="a dul script and a even , tierd cast", label=0,
    prediction=0, adversarial_prediction=1, probabilities=[0.9, 0.1], adversarial_probabilities=[0.4, 0.6],
    edits=[Edit(1, "dull", "dul"), Edit(5, "flat", "even"), Edit(7, "tired", "tierd")], queries=9, cache_hits=0,
    edited_share=0.3, status="success", trajectory=[0.9, 0.7, 0.6, 0.4], seconds=0.1,
)  # fmt: skip


# --- what there is to choose ----------------------------------------------------------------------------------------


async def test_recipes_come_from_the_engine_each_with_its_own_budget(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: session.calls)
        await pilot.pause()
        recipe = pane.query_one("#recipe Select", Select)
        assert [value for _, value in recipe._options] == ["greedy", "pwws"]
        recipe.value = "pwws"
        await pilot.pause()
        assert pane.query_one("#budget Input", Input).value == "1"
        await pilot.press("a")
        await until(pilot, lambda: session.asked("attack"))
        (asked,) = session.asked("attack")
        assert (asked["recipe"], asked["budget"]) == ("pwws", 1.0)


async def test_a_typed_model_is_attacked_on_data_that_must_be_chosen(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE, notifications=True) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.query_one("#data Select", Select)._options) > 1)
        await pilot.press("T")
        assert isinstance(pilot.app.screen, Ask)
        await pilot.press(*"py:mine:f", "enter")
        await until(pilot, lambda: pane.controls.target == "py:mine:f")
        pane.table.focus()
        await pilot.press("a")
        await sees(pilot, "has no texts of its own")
        assert session.asked("attack") == []
        data = pane.query_one("#data Select", Select)
        assert data.has_focus
        data.value = "support"
        pane.table.focus()
        await pilot.press("a")
        await until(pilot, lambda: session.asked("attack"))
        (asked,) = session.asked("attack")
        assert (asked["target"], asked["dataset"]) == ("py:mine:f", "support")
        await until(pilot, lambda: not pane.attacking)
        await pilot.press("2", "3")
        assert pane.controls.target == "py:mine:f"  # a typed name stays a choice


async def test_kept_attacks_on_a_typed_model_are_there_again(tmp_path):
    runs = tmp_path / "runs"
    for name, number in (("py:mine:f", 3), ("py:mine:g", 2)):
        folder = runs / "_targets" / name.replace(":", "-") / "attacks" / "greedy-1"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(f'target = "{name}"\nlabels = ["no", "yes"]\n')
        (folder / "results.jsonl").write_bytes(b"".join(encode(result) + b"\n" for result in attack_results(number)))
    async with app_on(runs, FakeSession()).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await pilot.pause()
        pane.controls.target = "py:mine:f"
        await until(pilot, lambda: len(pane.table.results) == 3)
        await sees(pilot, "yes → no")
        pane.controls.target = "py:mine:h"
        await until(pilot, lambda: not pane.table.results)


async def test_the_last_of_the_models_opens_a_line_and_choosing_nothing_changes_nothing(tmp_path):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        for field, now in (("target", "sst2-bilstm-none-1"), ("other", "")):
            select = pane.query_one(f"#{field} Select", Select)
            select.value = select._options[-1][1]
            await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
            await pilot.press("escape")
            await pilot.pause()
            assert select.value == now
        select = pane.query_one("#other Select", Select)
        select.value = select._options[-1][1]
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press(*"http://h/p", "enter")
        await until(pilot, lambda: pane.controls.other == "http://h/p")
        assert pane.controls.target == "sst2-bilstm-none-1"


async def test_the_run_that_is_chosen_here_is_the_one_training_stands_on(tmp_path):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        pane.controls.target = "sst2-bilstm-aat-1@step-200"
        await until(pilot, lambda: pilot.app.selected_run == "sst2-bilstm-aat-1")


@pytest.mark.parametrize("pane", ["adversarial", "generate"])
async def test_escape_leaves_a_number_so_that_digits_switch_panes(tmp_path, pane):
    async with WorkbenchApp(tmp_path, FakeSession(), start_pane=pane).run_test(size=SIZE) as pilot:
        await pilot.pause()
        field = pilot.app.query_one("#n Input" if pane == "adversarial" else "#seed Input", Input)
        field.focus()
        await pilot.press("end", "2")
        assert field.value.endswith("2") and pilot.app.panes.current == pane
        await pilot.press("escape", "2")
        assert pilot.app.panes.current == "training"


# --- the table ------------------------------------------------------------------------------------------------------


async def test_the_table_shows_one_class_alone(tmp_path):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        label = pane.table.current.label
        await pilot.press("c")
        assert {result.label for result in pane.table.shown} == {label}
        await sees(pilot, f"only {['negative', 'positive'][label]}")
        await sees(pilot, f"all {len(pane.table.shown)} ")
        await pilot.press("f")
        assert {(result.label, result.status) for result in pane.table.shown} == {(label, "success")}
        await pilot.press("f", "f", "f", "f", "c")
        assert len(pane.table.shown) == 40
        command = next(command for command in pane.commands() if command.title == "Only negative")
        command.run()
        assert {result.label for result in pane.table.shown} == {0}


# --- edit by edit ---------------------------------------------------------------------------------------------------


def test_steps_go_back_edit_by_edit_and_end_at_both_ends():
    assert stepped(RESULT, None, -1) == Variation("after", 2)
    assert stepped(RESULT, Variation("after", 1), -1) == Variation("after", 0)
    assert stepped(RESULT, Variation("after", 0), -1) == Variation("after", 0)
    assert stepped(RESULT, Variation("after", 2), 1) is None
    assert stepped(RESULT, None, 1) is None
    assert stepped(RESULT, Variation("without", 3), 1) == Variation("without", 3)


def test_an_edit_is_left_out_and_put_back():
    assert undone(RESULT, None) == Variation("without", 3)
    assert undone(RESULT, Variation("after", 2)) == Variation("without", 2)
    assert undone(RESULT, Variation("without", 2)) == Variation("after", 2)
    assert undone(RESULT, Variation("without", 3)) is None
    assert undone(RESULT, Variation("after", 0)) == Variation("without", 1)


def test_a_variation_is_the_text_with_those_edits():
    assert applied(RESULT, Variation("without", 2)) == {1, 3}
    assert varied_text(RESULT, None) == RESULT.adversarial
    assert varied_text(RESULT, Variation("after", 0)) == RESULT.text
    assert varied_text(RESULT, Variation("after", 1)) == "a dul script and a flat , tired cast"
    assert varied_text(RESULT, Variation("without", 1)) == "a dull script and a even , tierd cast"


async def test_stepping_and_undoing_show_the_text_and_what_the_model_says_to_it(tmp_path):
    session = FakeSession([RESULT])
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await pilot.pause()
        await pilot.press("a")
        await until(pilot, lambda: pane.verdict.result is not None and not pane.attacking)
        await pilot.press("left", "left")
        text = "a dul script and a flat , tired cast"
        says = max(probabilities(text.split(" ")))
        await sees(pilot, f"after 1 of 3 edits: says negative .{round(100 * says)}")
        await sees(pilot, "[dull]¹", "[dul]¹", "[flat]²", "▸¹ dull → dul")
        shown = screen_text(pilot.app)
        assert "[even]²" not in shown
        assert session.asked("attribute")[-1]["text"] == text
        await pilot.press("right", "u")
        text = "a dul script and a flat , tierd cast"
        await until(pilot, lambda: session.asked("attribute")[-1]["text"] == text)
        await sees(pilot, "the attack needs this edit")
        await sees(pilot, "without edit ² flat → even")
        assert pane.query_one(Trajectory)._undone == 2
        await pilot.press("v")
        assert pane.probe.text == text  # what is looked at is what is probed
        await pilot.press("escape", "u", "right")
        assert pane.verdict.variation is None
        await sees(pilot, "[even]²")


async def test_an_answer_that_comes_after_the_next_step_is_dropped(tmp_path):
    session = FakeSession([RESULT])
    slow = varied_text(RESULT, Variation("after", 2))
    session.delays = {slow: 0.5}
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await pilot.pause()
        await pilot.press("a")
        await until(pilot, lambda: pane.verdict.result is not None and not pane.attacking)
        await pilot.press("left")
        await until(pilot, lambda: session.asked("attribute")[-1]["text"] == slow)
        await pilot.press("left")
        await sees(pilot, "after 1 of 3 edits: says")
        await pilot.pause(0.6)
        await sees(pilot, "after 1 of 3 edits: says")


async def test_keys_for_edits_are_there_where_there_are_edits(tmp_path):
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        await pilot.pause()
        assert "undo edit" not in screen_text(pilot.app)
        await pilot.press("left", "u", "y", "e", "c")  # nothing to act on, nothing breaks
        await pilot.press("a")
        await sees(pilot, "undo edit")


async def test_a_text_cut_down_to_a_word_is_told_as_such(tmp_path):
    cut = AttackResult(
        id=0, text="a dull script", adversarial="dull", label=0, prediction=0, adversarial_prediction=0,
        probabilities=[0.9, 0.1], adversarial_probabilities=[0.8, 0.2], edits=[Edit(0, "a", ""), Edit(2, "script", "")],
        queries=1, cache_hits=0, edited_share=0.7, status="success", trajectory=[0.9, 0.85, 0.8], seconds=0.1,
    )  # fmt: skip
    async with app_on(tmp_path, FakeSession([cut])).run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("a")
        await sees(pilot, "still says negative .80 with only 1 word left")
        assert "a → ∅" in screen_text(pilot.app) and "1 query" in screen_text(pilot.app)
        await pilot.press("left")
        await sees(pilot, "after 1 of 2 edits: says")
        assert pane_of(pilot.app).verdict.text == "dull script"


async def test_the_true_class_is_listed_however_unlikely(tmp_path):
    many = AttackResult(
        id=0, text="a b", adversarial="a b", label=11, prediction=0, adversarial_prediction=0,
        probabilities=[0.2, *[0.1] * 7, *[0.02] * 5], adversarial_probabilities=[0.2, *[0.1] * 7, *[0.02] * 5], edits=[],
        queries=1, cache_hits=0, edited_share=0.0, status="skipped", trajectory=[0.02], seconds=0.1,
    )  # fmt: skip
    session = FakeSession([many])
    session.labels = [f"class-{number}" for number in range(13)]
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("a")
        await sees(pilot, "★class-11")
        await sees(pilot, "… 7 more, together .38")


# --- salience -------------------------------------------------------------------------------------------------------


async def test_the_method_of_salience_is_named_and_can_be_changed(tmp_path):
    session = FakeSession([RESULT])
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("a")
        await sees(pilot, "salience by gradient × input")
        await pilot.press("m")
        await sees(pilot, "salience by integrated gradients")
        assert {asked["by"] for asked in session.asked("attribute")} == {"gradient", "integrated"}


# --- taken out ------------------------------------------------------------------------------------------------------


async def test_the_text_is_copied_as_it_is_shown(tmp_path):
    hostile = RESULT.adversarial + " \x1b]52;c;aGk=\x07\ud800"
    shown = AttackResult(
        **{name: getattr(RESULT, name) for name in RESULT.__struct_fields__} | {"adversarial": hostile}
    )
    async with app_on(tmp_path, FakeSession([shown])).run_test(size=SIZE, notifications=True) as pilot:
        await pilot.pause()
        await pilot.press("a")
        pane = pane_of(pilot.app)
        await until(pilot, lambda: pane.verdict.result is not None)
        await pilot.press("y")
        assert pilot.app.clipboard == RESULT.adversarial + " ␛]52;c;aGk=␇⟨U+D800⟩"
        await pilot.press("Y")
        assert isinstance(pilot.app.screen, ShowText)
        assert check_cells(pilot.app).startswith("a dul script and a even")
        await pilot.press("w")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "text.txt").exists())
        assert (tmp_path / "text.txt").read_bytes() == hostile.encode("utf-8", "backslashreplace") + b"\n"
        await pilot.pause()
        check_cells(pilot.app)


async def test_the_table_is_written_as_it_is_shown(tmp_path):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE, notifications=True) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        await pilot.press("f", "s", "s", "s")  # the broken ones, fewest edits first
        expected = [result.id for result in pane.table.shown]
        for name in ("greedy.csv", "greedy.jsonl"):
            await pilot.press("e")
            await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
            line = pilot.app.screen.query_one(Input)
            assert line.value == "greedy-1-sst2-bilstm-none-1.csv"
            line.value = "greedy.doc"
            await pilot.press("enter")
            assert "must end with .csv or .jsonl" in screen_text(pilot.app)
            line.value = name
            await pilot.press("enter")
            await until(pilot, lambda name=name: (tmp_path / name).exists())
        with (tmp_path / "greedy.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["id"]) for row in rows] == expected
        assert {row["status"] for row in rows} == {"success"}
        assert {row["label"] for row in rows} == {"negative", "positive"}
        lines = [json.loads(line) for line in (tmp_path / "greedy.jsonl").read_text().splitlines()]
        assert [line["id"] for line in lines] == expected
        assert lines[0]["edits"] == json.loads(rows[0]["edits"])
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        pilot.app.screen.query_one(Input).value = "greedy.csv"
        await pilot.press("enter")
        await sees(pilot, "is there already")


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:16]))
@pytest.mark.parametrize("suffix", exporting.SUFFIXES)
def test_hostile_texts_survive_an_export(tmp_path, text, suffix):
    (result,) = attack_results(1)
    result.text, result.adversarial, result.edits = text, text + "z", [Edit(0, text, text + "z")]
    path = tmp_path / f"rows{suffix}"
    exporting.write_results(path, [result], [text, text])
    if suffix == ".csv":
        csv.field_size_limit(1_000_000)
        with path.open(newline="", encoding="utf-8") as file:
            (row,) = csv.DictReader(file)
        assert row["label"] == text and row["adversarial"] == text + "z"
    else:
        raw = path.read_bytes()
        assert raw.isascii() and not any(byte < 32 and byte != 10 for byte in raw)
        row = json.loads(raw)
        assert row["edits"] == [[0, text, text + "z"]]


async def test_a_probe_is_kept_in_a_test_set_with_its_true_class(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE, notifications=True) as pilot:
        await pilot.pause()
        pane = pane_of(pilot.app)
        pane.probe.put("a moving film")
        await sees(pilot, "says positive")
        await pilot.press("ctrl+s")
        await sees(pilot, "Keep this text")
        assert pilot.app.screen.query_one(Select).value == "positive"
        await pilot.press("ctrl+s")
        await sees(pilot, "kept in probes, which has 1 text")
        pane.probe.put("not a mess [/b]\x1b[2J")
        await sees(pilot, "says negative")
        await pilot.press("ctrl+s")
        await sees(pilot, "Keep this text")
        check_cells(pilot.app)
        pilot.app.screen.query_one(Select).value = "positive"
        await pilot.press("ctrl+s")
        await sees(pilot, "which has 2 texts")
    dataset = catalog.open_dataset("probes")
    assert dataset.splits == {"test": 2}
    kept = {row.text: row.label for row in dataset.table("test").window(0, 9)}
    assert kept == {"a moving film": "positive", "not a mess [/b]\x1b[2J": "positive"}


async def test_a_result_s_text_is_offered_with_its_true_class(tmp_path):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = pane_of(pilot.app)
        await until(pilot, lambda: len(pane.table.results) == 40)
        await pilot.press("v")
        await sees(pilot, "says")
        await pilot.press("ctrl+s")
        await sees(pilot, "Keep this text")
        label = pane.table.current.label
        assert pilot.app.screen.query_one(Select).value == ["negative", "positive"][label]


def test_a_text_that_is_kept_twice_has_its_last_label(tmp_path):
    assert saving.save_probe("mine", "one text", "a") == 1
    assert saving.save_probe("mine", "two texts", "b") == 2
    assert saving.save_probe("mine", "one text", "b") == 2
    assert saving.names() == ["mine"]
    rows = catalog.open_dataset("mine").table("test").window(0, 9)
    assert {row.text: row.label for row in rows} == {"one text": "b", "two texts": "b"}


def test_a_set_stays_as_it_was_where_a_text_cannot_be_kept(tmp_path):
    saving.save_probe("mine", "one text", "a")
    with pytest.raises(DataError, match="cannot be kept"):
        saving.save_probe("mine", "   ", "a")
    assert [row.text for row in catalog.open_dataset("mine").table("test").window(0, 9)] == ["one text"]
    with pytest.raises(DataError, match="not made here"):
        saving.save_probe("support", "one text", "a")
    with pytest.raises(DataError, match="cannot be called"):
        saving.save_probe("../x", "one text", "a")


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:16]))
async def test_what_is_asked_for_and_shown_alone_is_seen_and_not_obeyed(tmp_path, text):
    session = FakeSession([RESULT])
    session.labels = [text, f"{text} too"]
    session.recipes = [{"name": text[:50], "search": text, "paper": text, "needs": [], "budget": 0.5}]
    app = app_on(tmp_path, session)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        pane = pane_of(app)
        await until(pilot, lambda: session.calls)
        check_cells(app)
        pane.probe.put(f"a {text} film")
        await until(pilot, lambda: "a" in pane._probing.answers)
        await pilot.press("ctrl+s")
        await pilot.pause()
        check_cells(app)
        await pilot.press("enter")
        await pilot.pause()
        check_cells(app)  # the list of classes
        await pilot.press("escape", "escape", "escape")
        await pilot.pause()
        assert app.screen is app.screen_stack[0]
        app.push_screen(ShowText(f"a {text} film"))
        await pilot.pause()
        check_cells(app)
        await pilot.press("escape")
        app.push_screen(Ask(text, text, text, lambda typed: typed))
        await pilot.pause()
        check_cells(app)
        await pilot.press("escape")
        assert app.is_running
