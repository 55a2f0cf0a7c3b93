"""The Training pane's forms and charts: settings changed live, notes, filter, queue, axes, zoom, presets, ends."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from textual.events import MouseScrollDown, MouseScrollUp
from textual.widgets import Input, Select, SelectionList, TextArea

from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import ControlApplied, Resumed, Step
from aat_workbench import control, detached, jobs, notes, queue
from aat_workbench.runs import RunFolder, RunStatus
from aat_workbench.tui.config_text import ConfigText
from aat_workbench.tui.derived import Derived, Looks, at, smooth
from aat_workbench.tui.live_form import LiveForm
from aat_workbench.tui.metric_picker import MetricPicker
from aat_workbench.tui.new_run import NewRun
from aat_workbench.tui.notes_form import NotesForm
from aat_workbench.tui.run_ends import Ends, outcome, terminal_notice
from aat_workbench.tui.run_view import RunView, Series
from aat_workbench.tui.widgets.curves import CurveChart
from aat_workbench.tui.widgets.plotting import between

from .. import fixed_run
from .shell_support import HOSTILE, check_cells, screen_text, sees, until
from .training_support import app_on, caught_starts, pane_of
from .training_support import chart as lines

SIZE = (120, 40)
NAME = "sst2-bilstm-aat-1"


# settings


async def test_settings_are_changed_in_a_form_with_their_values_now(runs: Path) -> None:
    app = app_on(runs)
    folder = RunFolder(runs / NAME)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, LiveForm))
        await sees(pilot, f"Change {NAME}", "nothing is changed yet", "weight of the adversarial loss")
        assert app.screen.query_one("#live-train-lr", Input).value == "0.0008"  # as it was set at step 620
        app.screen.query_one("#live-adversary-beta", Input).value = "-2"
        await sees(pilot, "✗ adversary.beta: expected float >= 0.0, got -2")
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, LiveForm)
        app.screen.query_one("#live-adversary-beta", Input).value = "2"
        app.screen.query_one("#live-adversary-cache", Input).value = "false"
        await sees(pilot, "✓ adversary.beta=2.0 · adversary.cache=false")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(control.pending(folder.control_path)) == 2)
        asked = [command.value for command in control.pending(folder.control_path)]
        assert asked == ["adversary.beta=2.0", "adversary.cache=false"]
        await pilot.press("down", "e")
        await sees(pilot, "sst2-bilstm-none-1 is done")


@pytest.mark.parametrize("size", [(80, 24), SIZE])
async def test_the_form_says_all_of_what_a_value_is(runs: Path, size: tuple[int, int]) -> None:
    """Where the line of the value has no room for it, below them."""
    app = app_on(runs)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.press("e")
        await sees(pilot, "train.lr: peak learning rate", "recorded, and kept on resuming")
        await pilot.press("tab")
        await sees(pilot, "adversary.beta: weight of", "aat .75, ascc 4, trades 6, else 1")


async def test_a_change_is_in_the_log_the_config_and_the_charts(runs: Path) -> None:
    app = app_on(runs)
    folder = RunFolder(runs / NAME)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        assert "▴" in lines(app)[-2]
        with folder.writer() as writer:
            record = ControlApplied(
                time=fixed_run.BEGIN + 189, step=1240, command="set", value="adversary.beta=2.0", before="1.0", by="me@here"
            )  # fmt: skip
            writer.append(record)
        pane_of(app).look()
        await sees(pilot, "set adversary.beta=2.0 (was 1.0, by me@here)", "2.0 (was 1.0)")
        assert lines(app)[-2].count("▴") == 2
        app.query_one("#chart-0", CurveChart).focus()
        await pilot.press("left")  # the cursor begins at the last step
        assert lines(app)[0].startswith("step 1240  ▴ A beta=2.0  A 0.224")
        with folder.writer() as writer:
            writer.append(Resumed(time=fixed_run.BEGIN + 500, step=600))
        pane_of(app).look()
        await pilot.pause()
        assert "▴" not in lines(app)[-2]


# charts


async def test_curves_by_epoch_and_time_smoothed_and_their_peaks_stay(runs: Path) -> None:
    folder = RunFolder(runs / NAME)
    with folder.writer() as writer:
        for step, loss in ((1241, 5.0), (1242, 0.2)):
            writer.append(
                Step(time=fixed_run.BEGIN + 190, step=step, total=2000, epoch=2.48, stage="encoder", metrics={"loss": loss})
            )  # fmt: skip
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        chart = app.query_one("#chart-0", CurveChart)
        for word, unit in (("epoch", "epoch"), ("time", "min")):
            await pilot.press("x")
            await until(pilot, lambda word=word: f"by {word}" in str(chart.border_subtitle))
            assert lines(app)[-1].rstrip().endswith(unit)
        await pilot.press("x", "m", "m")
        await until(pilot, lambda: "smoothed 0.9" in str(chart.border_subtitle))
        assert lines(app)[1].startswith("5.0"), "the peak of the values themselves is in view"
        await pilot.press("m", "m")
        await until(pilot, lambda: not chart.border_subtitle)


async def test_a_chart_is_zoomed_and_panned_by_keys(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        chart = app.query_one("#chart-0", CurveChart)
        chart.focus()
        await pilot.press("plus", "equals_sign")
        await until(pilot, lambda: "zoomed" in str(chart.border_subtitle))
        assert chart.window.span == (935.0, 1240.0)
        await pilot.press("h")
        assert chart.window.span == (935.0 - 305 / 4, 1240.0 - 305 / 4) and not chart.window.follows
        await pilot.press("left")
        assert lines(app)[0].startswith("step 1164  A clean")
        await pilot.press("shift+right", "l", "l")
        assert chart.window.span == (935.0, 1240.0) and chart.window.follows
        with RunFolder(runs / NAME).writer() as writer:
            writer.append(Step(step=1300, total=2000, epoch=2.6, stage="encoder", metrics={"loss": 0.1}))
        pane_of(app).look()
        await pilot.pause()
        assert lines(app) and chart.window.span == (995.0, 1300.0), "it goes along with what comes"
        check_cells(app)
        await pilot.press("minus", "minus", "minus")
        assert chart.window.span is None
        await pilot.press("plus", "0")
        assert chart.window.span is None and not chart.border_subtitle
        await pilot._post_mouse_events([MouseScrollUp], chart, (20, 4), button=0)
        await until(pilot, lambda: chart.window.span is not None)
        await pilot._post_mouse_events([MouseScrollDown], chart, (20, 4), button=0)
        await until(pilot, lambda: chart.window.span is None)


async def test_charts_are_chosen_among_all_that_was_recorded(runs: Path) -> None:
    with RunFolder(runs / NAME).writer() as writer:
        for step in (1250, 1260):
            metrics = {"own figure [/b]": 0.5 + step / 1e4, "loss": 0.2}
            writer.append(Step(step=step, total=2000, epoch=2.6, stage="encoder", metrics=metrics))
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, MetricPicker))
        await sees(pilot, "own figure [/b]", "learning rate")
        listed = app.screen.query_one(SelectionList)
        listed.deselect_all()
        app.screen.query_one(Input).value = "own|learning"
        await until(pilot, lambda: listed.option_count == 2)
        listed.select_all()
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, MetricPicker))
        shown = [chart for chart in app.query(CurveChart) if chart.display]
        assert [str(chart.border_title).replace("\\", "") for chart in shown] == ["learning rate", "own figure [/b]"]
        await sees(pilot, "own figure [/b]")
        assert "0.626" in lines(app, 1)[0]
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, MetricPicker))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: sum(chart.display for chart in app.query(CurveChart)) == 4)


def test_smoothing_begins_at_the_first_value_and_leaves_gaps() -> None:
    memory = [0.0, 0.0]
    found = smooth([2.0, 2.0, float("nan")], 0.9, memory) + smooth([4.0], 0.9, memory)
    assert found[:2] == pytest.approx([2.0, 2.0]) and found[2] != found[2]
    assert found[3] == pytest.approx((2 * 0.9**2 + 2 * 0.9 + 4) / (0.9**2 + 0.9 + 1))


def test_a_derived_curve_grows_and_begins_again_where_points_were_taken_back(tmp_path: Path) -> None:
    view = RunView(RunFolder(fixed_run.make_run(tmp_path, NAME)))
    view.update()
    derived, looks = Derived(), Looks("time", 0.6)
    first = derived.of(view, "loss", looks)
    assert first is not None and len(first[0]) == 62 and first[0][-1] == pytest.approx(188.0)
    view.series["loss"].add(1300, 0.5)
    assert derived.of(view, "loss", looks) == Derived().of(view, "loss", looks)
    view._take(Resumed(time=fixed_run.BEGIN + 9000, step=600))
    view._take(
        Step(time=fixed_run.BEGIN + 9003, step=620, total=2000, epoch=1.24, stage="encoder", metrics={"loss": 0.3})
    )
    again = derived.of(view, "loss", looks)
    assert again == Derived().of(view, "loss", looks) and again is not None
    assert again[0][-1] == pytest.approx(95.0), "what was lost, and the time between, counts no more"
    assert derived.of(view, "nothing", looks) is None


def test_places_between_records_and_epochs_over_stages() -> None:
    axis = Series()
    axis.add(10.0, 1.0)
    axis.add(20.0, 3.0)
    assert [at(axis, step) for step in (5, 10, 15, 20, 30)] == [1.0, 1.0, 2.0, 3.0, 3.0]
    view = RunView(RunFolder(Path("none")))
    for step, stage, epoch in ((10, "encoder", 1.0), (20, "encoder", 2.0), (30, "decoder", 0.5)):
        view._take(Step(step=step, total=40, epoch=epoch, stage=stage, metrics={}))
    assert list(view._axes["epoch"].ys) == [1.0, 2.0, 2.5]


def test_the_part_of_a_curve_in_view_ends_at_the_edges() -> None:
    xs, ys = [0.0, 1.0, 2.0, 3.0], [0.0, 10.0, 20.0, float("nan")]
    assert between(xs, ys, 0.0, 3.0) == (xs, ys)
    inside, values = between(xs, ys, 0.5, 1.5)
    assert (inside, values) == ([0.5, 1.0, 1.5], [5.0, 10.0, 15.0])
    inside, values = between(xs, ys, 2.2, 2.8)
    assert inside == [2.2, 2.8] and all(value != value for value in values)


# notes, filter, queue


async def test_the_choice_of_charts_keeps_up_with_fast_typing(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE) as pilot:
        await sees(pilot, "sst2-bilstm-aat-1")
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, MetricPicker))
        line = app.screen.query_one(Input)
        for words in (("loss", "zz"), ("loss", "zz", "l"), ("", "no such", "")):
            for word in words:
                line.value = word
            await pilot.pause()
        await sees(pilot, "accuracy")


async def test_notes_and_tags_are_written_and_found(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, NotesForm))
        app.screen.query_one(Input).value = "#good paper, draft"
        app.screen.query_one(TextArea).text = "the one\nfor table 2"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: notes.read(runs / NAME).tags == ["draft", "good", "paper"])
        await sees(pilot, f"{NAME} #draft #go…", "#draft #good", "#paper the one for", "table 2")
        await pilot.press("slash", *"#paper")
        await sees(pilot, "1 of 3 · #paper")
        assert "sst2-bilstm-none-1" not in screen_text(app)
        await pilot.press("enter", "p")
        await until(pilot, lambda: control.pending(RunFolder(runs / NAME).control_path))
        await pilot.press("slash", *"nothing")
        await sees(pilot, "no run fits")
        assert pane_of(app).run is None
        await pilot.press("escape", "down")
        await sees(pilot, "sst2-bilstm-none-1")
        await pilot.press("slash", *"FGM", "enter")
        await sees(pilot, "support-cnn-fgm-1")
        assert pane_of(app).run is not None and pane_of(app).run.name == "support-cnn-fgm-1"  # type: ignore[union-attr]


async def test_hostile_notes_are_seen_and_not_obeyed(runs: Path) -> None:
    tags = ["[/b]", "\x1b]52;c;x\x07", "a\u202eb"]
    (runs / NAME / "notes.toml").write_bytes(
        b'text = "[@click=app.quit]\\u001b[2J"\ntags = ["[/b]", "\\u001b]52;c;x\\u0007", "a\\u202Eb"]\n'
    )
    assert notes.read(runs / NAME).tags == tags
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, "[@click=app.quit", "#␛]52;c;x␇")
        check_cells(app)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, NotesForm))
        await pilot.pause()
        check_cells(app)
        await pilot.press("escape", "slash")
        for text in HOSTILE[:6]:
            app.query_one("#find-run", Input).value = text
            await pilot.pause()
            check_cells(app)


async def test_runs_that_wait_show_their_place_and_begin_on_r(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(detached, "start_process", lambda arguments, log, *more: begun.append(log.parent.name))
    for name in ("first", "second"):
        jobs.start_training(configs.apply(Config(), {"run": name}), runs_root=runs, queued=True)
    assert begun == []  # a run of the fixed ones is at work
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, "○ queued 1", "○ queued 2")
        pane = pane_of(app)
        pane.go_to("second")
        await pilot.press("r")
        await until(pilot, lambda: begun == ["second"])
        pane.go_to("first")
        await pilot.press("s")
        await until(pilot, lambda: RunFolder(runs / "first").status().state == "interrupted")
        jobs.resume_training(RunFolder(runs / "first"), queued=True)
        RunFolder(runs / "second").write_status(RunStatus(state="done"))
        assert begun == ["second"] and queue.places(runs) == {"first": 1}
        status = RunFolder(runs / NAME).written_status()
        RunFolder(runs / NAME).write_status(msgspec.structs.replace(status, state="done"))
        await until(pilot, lambda: begun == ["second", "first"])  # the app looked
        await sees(pilot, f"{NAME}: done", "accuracy 0.812 · robust accuracy 0.481")


# new runs


async def test_the_form_begins_from_presets_and_from_the_selected_run(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = caught_starts(monkeypatch)
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewRun))
        preset = app.screen.query_one("#field-preset", Select)
        preset.value = "quick look"
        await until(pilot, lambda: app.screen.query_one("#field-model-encoder", Select).value == "bow")
        preset.value = "as the selected run"
        await until(pilot, lambda: app.screen.query_one("#field-model-encoder", Select).value == "bilstm")
        app.screen.query_one("#field-data-dataset", Input).value = "support"
        app.screen.query_one("#field-when", Select).value = "when its turn comes"
        await pilot.pause()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: started)
        config, queued = started[0]
        assert queued and config.train.lr == 0.001 and config.run == "" and config.adversary.name == "aat"


async def test_the_whole_config_is_edited_as_toml(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = caught_starts(monkeypatch)
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewRun))
        await pilot.press("ctrl+e")
        await until(pilot, lambda: isinstance(app.screen, ConfigText))
        area = app.screen.query_one(TextArea)
        whole = area.text
        for text, said in (
            (whole.replace("epochs = 4.0", 'epochs = "four"'), "✗ train.epochs: expected float, got 'four'"),
            (whole + "\n[extra]\nx = 1\n", "extra"),
            ("run = [", "not TOML"),
            (f'run = "{NAME}"', "exists already"),
            ('[data]\ndataset = "suport"', "did you mean support"),
        ):
            area.text = text
            await sees(pilot, said)
            await pilot.press("ctrl+s")
            assert isinstance(app.screen, ConfigText)
        area.text = 'seed = 7\n[data]\ndataset = "support"\n[adversary]\nname = "fgm"\n'
        await sees(pilot, "✓ every key fits")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: started)
        config = started[0].config
        assert (config.seed, config.adversary.name, config.train.epochs) == (7, "fgm", 4.0)


# ends


def test_ends_are_told_once_and_not_of_before(runs: Path) -> None:
    ends = Ends(runs)
    active, ended = ends.look()
    assert [name for name, _ in active] == [NAME] and ended == []
    folder = RunFolder(runs / NAME)
    folder.write_status(msgspec.structs.replace(folder.written_status(), state="failed", error="no space"))
    _, ended = ends.look()
    assert [(name, outcome(status)) for name, status in ended] == [(NAME, "no space")]
    assert ends.look() == ([], [])


def test_what_a_terminal_is_sent_cannot_be_turned_by_a_name() -> None:
    sent = terminal_notice("a\x1b\\b;c\x07", "x\x9cy;z\n", {"TERM": "xterm-256color"})
    assert sent == "\x1b]9;a␛\\b,c␇: x⟨U+009C⟩y,z␊\x1b\\\x1b]777;notify;a␛\\b,c␇;x⟨U+009C⟩y,z␊\x1b\\\a"
    assert terminal_notice("a", "b", {"TERM": "dumb"}) == "\a"
    assert terminal_notice("a", "b", {"TERM": "xterm", "AAT_NOTIFY": "bell"}) == "\a"
    assert terminal_notice("a", "b", {"TERM": "xterm", "AAT_NOTIFY": "off"}) == ""
