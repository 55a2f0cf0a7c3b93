"""The Training pane on the fixed runs: table, overlay, charts, log, configs, control, form, and runs that change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from textual.widgets import Input, Select

from aat_datasets.errors import ConfigError, InputError, UnknownNameError
from aat_models import config as configs
from aat_models import events
from aat_models.config import Config
from aat_models.events import Done, Evaluation, Notice, Resumed, Step
from aat_workbench import jobs
from aat_workbench.runs import RunFolder, RunStatus
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.messages import AttackTarget, GenerateFrom, PaneMessage
from aat_workbench.tui.new_run import NewRun, form_config
from aat_workbench.tui.overlays import Confirm
from aat_workbench.tui.run_tables import LOG_MARGIN
from aat_workbench.tui.run_view import RunView, duration, refresh
from aat_workbench.tui.screens.training import TrainingPane
from aat_workbench.tui.widgets.charts import charts_of
from aat_workbench.tui.widgets.table import VirtualTable

from .. import fixed_run
from .shell_support import HOSTILE, ClosedSession, check_cells, screen_text, sees, until
from .training_support import app_on, caught_starts, chart, pane_of

SIZE = (120, 40)


async def test_the_table_has_every_runs_figures(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.pause()
        lines = screen_text(app).split("\n")
        row = next(line for line in lines if "sst2-bilstm-aat-1" in line and "A " in line)
        for figure in ("▶ running", "62%", "1 m 54 s", ".812", ".481", "430/s"):
            assert figure in row, figure
        row = next(line for line in lines if "sst2-bilstm-none-1" in line)
        for figure in ("✓ done", "100%", ".828", ".164", "×1.00"):
            assert figure in row, figure
        assert any("✗ failed" in line and "support-cnn-fgm-1" in line for line in lines)


async def test_space_pins_runs_so_that_others_lie_over_them(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        assert chart(app, 0)[0].startswith("A clean 0.224 min 0.187  A· adversarial 0.407 min 0.396")
        await pilot.press("space", "down")
        legend = chart(app, 0)[0]
        assert legend.startswith("B clean 0.175")
        assert "A clean 0.224" in legend
        assert "A· adversarial 0.407" in legend
        config = screen_text(app)
        assert "adversary.name" in config
        assert "B none" in config
        assert "A aat" in config
        await pilot.press("up", "space", "down")
        assert "A clean 0.224" not in chart(app, 0)[0]


async def test_charts_show_families_radius_and_turn_pages(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        assert chart(app, 1)[0].startswith("A dev 0.812  A· robust 0.481")
        assert chart(app, 2)[0].startswith("A fooled")
        assert chart(app, 3)[0].startswith("A mean 0.266  A· p10 0.155  A· p90 0.300")
        await pilot.press("v")
        assert chart(app, 0)[0].startswith("w word 0.486  c char 0.248  h hull 0.266")
        assert chart(app, 1)[0].startswith("A lr 0.00032")
        assert chart(app, 2)[0].startswith("A rate 430.3")
        await pilot.press("v")
        assert chart(app, 0)[0].startswith("A clean")
        await pilot.press("down")  # a clean run: no chart stands empty
        assert chart(app, 2)[0].startswith("A lr")


def test_one_family_alone_has_no_chart() -> None:
    class Run(NamedTuple):
        name: str
        series: dict[str, object]

    title = "adversary families: weight"
    assert title not in {kind.title for kind in charts_of([Run("a", {"weight_any": None})])}
    assert title in {kind.title for kind in charts_of([Run("a", {"weight_word": None, "weight_char": None})])}


def test_a_training_that_only_writes_has_no_empty_chart_once_it_was_evaluated() -> None:
    class Run(NamedTuple):
        name: str
        series: dict[str, object]

    begun = [kind.title for kind in charts_of([Run("a", {"lr": None, "loss_decoder": None})])]
    assert begun[:2] == ["loss", "accuracy · robust accuracy"]  # may come yet
    later = charts_of([Run("a", {"lr": None, "loss_decoder": None, "dev.decoder_loss": None})])
    assert [kind.title for kind in later] == ["decoder loss", "decoder loss, training", "learning rate"]


def test_rare_charts_are_there_for_runs_that_have_their_figures() -> None:
    class Run(NamedTuple):
        name: str
        series: dict[str, object]

    plain = {kind.title for kind in charts_of([])}
    assert plain == {kind.title for kind in charts_of([Run("a", {"loss": None})])}
    more = {kind.title for kind in charts_of([Run("a", {"loss": None}), Run("b", {"beta": None})])}
    assert more - plain == {"β: weight of the adversarial loss"}


@pytest.mark.parametrize("size", [(80, 24), SIZE, (200, 50)])
async def test_lines_of_log_and_config_take_the_width_there_is(runs: Path, size: tuple[int, int]) -> None:
    """Narrow, the log has all of it, and the config where it is asked for; whichever way the terminal came to its size."""
    said = "this line is said by a run and folds where its box ends and no sooner " * 3
    folder = RunFolder(runs / "sst2-bilstm-aat-1")
    with folder.events_path.open("ab") as file:
        file.write(events.encode(Notice(time=1e9, message=said)) + b"\n")
    app = app_on(runs)
    async with app.run_test(size=size, notifications=True) as pilot:
        for asked in (size, (110, 40), (80, 24), size):
            await pilot.resize_terminal(*asked)
            log = app.query_one("#log", VirtualTable)
            room = log.size.width - LOG_MARGIN
            longest = next(said[:n] for n in range(room, 0, -1) if said[n] == " ")
            await sees(pilot, longest)
        if size[0] < 110:
            await pilot.press("c")
            await sees(pilot, "adversary.name", "aat")


async def test_the_log_says_why_a_run_failed(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("end")
        await sees(pilot, "the loss is not a number at step 160 (lower")
        await sees(pilot, "train.lr)")
        await sees(pilot, "surface: dataset, 5210 words")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (60, 16)])
async def test_no_size_breaks_the_pane(runs: Path, size: tuple[int, int]) -> None:
    app = app_on(runs)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await sees(pilot, "sst2-bils", "0.224")
        check_cells(app)
        await pilot.press("c", "z")
        check_cells(app)


async def test_new_records_are_drawn_and_a_resume_drops_what_came_after(runs: Path) -> None:
    app = app_on(runs)
    folder = RunFolder(runs / "sst2-bilstm-aat-1")
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        with folder.writer() as writer:
            writer.append(
                Step(
                    time=fixed_run.BEGIN + 300,
                    step=1260,
                    total=2000,
                    epoch=2.5,
                    stage="encoder",
                    metrics={"loss": 0.125},
                )
            )
        pane_of(app).look()
        await pilot.pause()
        assert chart(app, 0)[0].startswith("A clean 0.125")
        with folder.writer() as writer:
            writer.append(Resumed(time=fixed_run.BEGIN + 301, step=400))
        pane_of(app).look()
        await pilot.pause()
        view = pane_of(app).run
        assert view is not None
        assert max(view.series["loss"].xs) == 400
        assert max(view.series["dev.accuracy"].xs) == 400
        await sees(pilot, "goes on from step 400")


async def test_a_run_that_appears_or_goes_leaves_the_cursor_where_it_was(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("down")
        fixed_run.make_run(runs, "sst2-cnn-aat-9", steps=100, age=-60)
        pane_of(app).look()
        await pilot.pause()
        await sees(pilot, "sst2-cnn-aat-9")
        assert pane_of(app).run is not None
        assert pane_of(app).run.name == "sst2-bilstm-none-1"  # pyright: ignore[reportOptionalMemberAccess]


async def test_keys_write_commands_into_the_runs_folder(runs: Path) -> None:
    app = app_on(runs)
    control = runs / "sst2-bilstm-aat-1" / "control"
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        for key, command in (("p", "pause"), ("k", "checkpoint"), ("s", "stop")):
            await pilot.press(key)
            assert any(command in path.name or command in path.read_text() for path in control.iterdir()), command
        await pilot.press("down", "s")
        await sees(pilot, "run sst2-bilstm-none-1 is not running: done")


async def test_delete_asks_first_and_not_while_the_run_is_at_work(runs: Path) -> None:
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("d")
        await sees(pilot, "sst2-bilstm-aat-1 is running")
        assert not isinstance(app.screen, Confirm)
        await pilot.press("down", "d")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("n")
        await pilot.pause()
        assert (runs / "sst2-bilstm-none-1").exists()
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: not (runs / "sst2-bilstm-none-1").exists())
        assert "sst2-bilstm-none-1" not in screen_text(app)


async def test_attack_and_generate_go_to_their_panes(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = WorkbenchApp(runs, ClosedSession(), start_pane="training")  # pyright: ignore[reportArgumentType]
    taken: list[PaneMessage] = []
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        for name in ("adversarial", "generate"):
            monkeypatch.setattr(type(await app.open_pane(name)), "receive", lambda self, what: taken.append(what))
        for key in ("a", "g"):
            await app.open_pane("training")
            await pilot.press(key)
            await pilot.pause()
    assert [
        (type(message), message.target) for message in taken if isinstance(message, AttackTarget | GenerateFrom)
    ] == [
        (AttackTarget, "sst2-bilstm-aat-1"),
        (GenerateFrom, "sst2-bilstm-aat-1"),
    ]


async def test_without_runs_the_pane_offers_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Path] = []

    def start(root: Path) -> Path:
        started.append(root)
        return root / "_demo" / "log.txt"

    monkeypatch.setattr(jobs, "start_demo", start)
    app = app_on(tmp_path / "runs")
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.pause()
        await sees(pilot, "No runs here yet")
        await pilot.press("d")
        await sees(pilot, "the demo has started")
        await pilot.press("d")  # a second demo beside the first would only slow both
        await pilot.pause()
        assert started == [tmp_path / "runs"]


async def test_the_cursor_stands_on_the_run_that_was_chosen_elsewhere(runs: Path) -> None:
    app = WorkbenchApp(runs, start_pane="datasets")
    async with app.run_test(size=SIZE) as pilot:
        app.selected_run = "sst2-bilstm-none-1"
        await pilot.press("2")
        pane = app.pane
        assert isinstance(pane, TrainingPane) and pane.run is not None
        assert pane.run.name == "sst2-bilstm-none-1"
        await pilot.press("1")
        app.selected_run = "support-cnn-fgm-1"
        await pilot.press("2")
        assert pane.run is not None and pane.run.name == "support-cnn-fgm-1"


async def test_the_form_checks_while_it_is_filled_and_starts_a_training(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = caught_starts(monkeypatch)
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewRun))
        await sees(pilot, "✓ support-bilstm-aat-…: encoder, 4 epochs")
        app.screen.query_one("#field-data-dataset", Input).value = "suport"
        await pilot.pause()
        await sees(pilot, "no dataset named 'suport'")
        await sees(pilot, "did you mean support")
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, NewRun)
        app.screen.query_one("#field-data-dataset", Input).value = "support"
        app.screen.query_one("#field-train-epochs", Input).value = "many"
        await pilot.pause()
        await sees(pilot, "train.epochs: expected float, got 'many'")
        app.screen.query_one("#field-train-epochs", Input).value = "2"
        app.screen.query_one("#field-model-decoder", Select).value = "lstm"
        app.screen.query_one("#field-run", Input).value = "mine"
        app.screen.query_one("#field-more", Input).value = "train.lr=1e-3"
        await pilot.pause()
        await sees(pilot, "✓ mine: encoder → decoder, 2 epochs")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: started)
        assert started[0].config.train.lr == 1e-3
        assert started[0].config.train.stages == ["encoder", "decoder"]
        await until(pilot, lambda: pane_of(app).run and pane_of(app).run.name == "mine")


async def test_hostile_runs_are_seen_and_not_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    runs = tmp_path / "runs"
    folder = RunFolder(fixed_run.make_run(runs, "sst2-bilstm-aat-1"))
    status = msgspec.structs.replace(folder.written_status(), state="failed", error="[/b]\x1b[2J")
    folder.write_status(status)
    config = folder.config_path.read_text(encoding="utf-8")
    folder.config_path.write_text(config.replace('"sst2"', '"[bold red]sst2[/b]"'), encoding="utf-8")
    folder.log_path.write_bytes(b"\x1b]0;title\x07 \xff\xfe [@click=app.quit]x[/]\n")
    with folder.writer() as writer:
        for text in HOSTILE:
            writer.append(Notice(time=fixed_run.BEGIN + 400, message=text))
            figures = {text[:40]: 0.5, "accuracy": 0.5}
            writer.append(Evaluation(time=fixed_run.BEGIN + 400, step=1300, split=text[:40], metrics=figures))
    app = app_on(runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, "[@click=app.quit]x[/]")
        log = app.query_one("#log", VirtualTable)
        log.focus()
        await pilot.press("home")
        for _ in range(0, log.total, 4):
            check_cells(app)
            await pilot.press("pagedown")
        app.say("[/b]\x1b[2J", "[@click=app.quit]x[/]\u202e")
        await until(pilot, lambda: "␛[2J" in check_cells(app))
        await pilot.press("question_mark")
        check_cells(app)


def test_the_forms_errors_name_the_key(runs: Path) -> None:
    good = {"data.dataset": "support", "train.epochs": "2", "seed": "1", "run": "", "more": ""}
    assert form_config(good, ["support"], runs).train.epochs == 2
    for change, error, message in (
        ({"data.dataset": ""}, ConfigError, "data.dataset"),
        ({"data.dataset": "nope"}, UnknownNameError, "nope"),
        ({"seed": "-1"}, ConfigError, "seed"),
        ({"run": "sst2-bilstm-aat-1"}, InputError, "exists already"),
        ({"more": "train.lr"}, ConfigError, "KEY=VALUE"),
        ({"more": "train.learning=1"}, UnknownNameError, "train.learning"),
    ):
        with pytest.raises(error, match=message):
            form_config({**good, **change}, ["support"], runs)


def test_a_view_survives_deletion_truncation_and_unknown_lines(runs: Path) -> None:
    folder = RunFolder(runs / "sst2-bilstm-aat-1")
    view = RunView(folder)
    view.update()
    assert view.last("loss") == pytest.approx(0.22385, abs=1e-3)
    with folder.events_path.open("ab") as file:
        file.write(b'{"type":"from-the-future"}\nnot json\n{"type":"step","step":12')
    view.update()
    assert max(view.series["loss"].xs) == 1240
    os.truncate(folder.events_path, 0)
    with folder.events_path.open("ab") as file:
        file.write(events.encode(Notice(time=1.0, message="anew")) + b"\n")
    view.update()
    assert [line.text for line in view.log] == ["anew"]
    assert view.series == {}
    folder.events_path.unlink()
    view.update()
    assert view.series == {}


def test_a_view_has_figures_even_where_little_is_recorded(tmp_path: Path) -> None:
    folder = RunFolder.create(configs.apply(Config(), {"run": "bare"}), tmp_path)
    view = RunView(folder)
    view.update()
    assert duration(view.remaining()) == "–"
    assert view.figure("dev", "accuracy") != view.figure("dev", "accuracy")
    with folder.writer() as writer:
        writer.append(Evaluation(step=1, split="dev", metrics={"accuracy": 0.5}))
        writer.append(Done(summary={"step_time_ratio": 2.5, "run": "bare"}))
    folder.write_status(RunStatus(state="done", summary={"step_time_ratio": 2.5, "run": "bare"}))
    view.update()
    assert view.figure("dev", "accuracy") == 0.5
    assert view.summary("step_time_ratio") == 2.5
    assert view.summary("run") != view.summary("run")
    folder.config_path.write_text("broken = [", encoding="utf-8")
    broken = RunView(folder)
    broken.update()
    assert "not TOML" in broken.config_error


def test_a_look_at_many_runs_keeps_to_its_time_and_gets_through(tmp_path: Path) -> None:
    for place in range(30):
        fixed_run.make_run(tmp_path, f"sst2-cnn-none-{place:02}", steps=200, total=200, state="done", age=place)
    views: dict[str, RunView] = {}
    ordered, complete = refresh(views, tmp_path, ["sst2-cnn-none-07"], seconds=0.0)
    assert len(ordered) == 30
    assert not complete
    assert views["sst2-cnn-none-07"].series
    for _ in range(40):
        ordered, complete = refresh(views, tmp_path, ["sst2-cnn-none-07"], seconds=0.0005)
    assert all(view.series for view in ordered)


def test_durations_read_well() -> None:
    assert [duration(seconds) for seconds in (0.4, 59, 200, 7500, float("nan"))] == [
        *("0 s", "59 s", "3 m 20 s", "2 h 05 m", "–"),
    ]


def test_a_status_with_strange_numbers_is_shown(runs: Path) -> None:
    folder = RunFolder(runs / "sst2-bilstm-aat-1")
    status = msgspec.structs.replace(folder.written_status(), total=0, step=5)
    folder.write_status(status)
    view = RunView(folder)
    view.update()
    assert view.status.progress == 0.0
