"""Hostile texts through every widget, title, notice, log and form of the app: nothing breaks, nothing raw gets through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget
from textual.widgets import Static

from aat_datasets.records import Row
from aat_models.config import Config
from aat_models.events import Token
from aat_workbench.notes import Notes
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.chrome import TopBar
from aat_workbench.tui.keep_probe import KeepProbe
from aat_workbench.tui.live_form import LiveForm
from aat_workbench.tui.notes_form import NotesForm
from aat_workbench.tui.overlays import Ask, Confirm, ShowText
from aat_workbench.tui.row_detail import row_detail
from aat_workbench.tui.row_words import Numbers, StepEffect, Substitutes
from aat_workbench.tui.run_tables import fold
from aat_workbench.tui.view_form import ViewForm
from aat_workbench.tui.widgets.bars import ProbabilityBars, Trajectory
from aat_workbench.tui.widgets.chart_axis import Mark
from aat_workbench.tui.widgets.curves import Curve, CurveChart
from aat_workbench.tui.widgets.entry import TextInput
from aat_workbench.tui.widgets.field import Choice
from aat_workbench.tui.widgets.heat import Word, WordFlow
from aat_workbench.tui.widgets.latent import LatentBox
from aat_workbench.tui.widgets.painted import Painted
from aat_workbench.tui.widgets.probe import Answer, ProbePanel
from aat_workbench.tui.widgets.replies import Reply, Turn
from aat_workbench.tui.widgets.results import ResultsTable
from aat_workbench.tui.widgets.table import Cell, Column, VirtualTable
from aat_workbench.tui.widgets.transcript import Transcript
from aat_workbench.tui.widgets.verdict import Salience, Verdict

from ..hostile import left_over, texts
from ..test_hostile_texts import result_of, tell
from .pane_session import FakeSession
from .shell_support import check_cells, until

WIDTH = 78
PORTIONS = [pytest.param(52, 0, id="a-sample")] + [
    pytest.param(2_500, seed, id=f"quarter-{seed}", marks=pytest.mark.slow) for seed in range(1, 5)
]
TOGETHER = 50  # texts that one form, notice or title shows at once


class Stage(Screen[None]):
    """One widget of each kind that shows texts of data, models or logs."""

    def compose(self) -> ComposeResult:
        yield TopBar([("one", "One")])
        with VerticalScroll():
            yield VirtualTable([Column("label", 12), Column("text"), Column("n", 8, right=True)], id="rows")
            yield ResultsTable(id="results")
            yield WordFlow(id="flow")
            yield ProbabilityBars(id="bars")
            yield Trajectory(id="trajectory")
            yield Verdict(id="verdict")
            yield Transcript(empty="nothing", id="transcript")
            yield Static("nothing", id="nothing")
            yield LatentBox(id="latent")
            yield ProbePanel(id="probe")
            yield CurveChart(id="curves")
            yield Choice("choice", [("a", "")], 20, id="choice")
            yield TextInput(id="input")


def check_strips(strips: Sequence[Strip], width: int) -> None:
    """What a widget sends to the screen: text that is seen, no links and no actions of the text's."""
    for strip in strips:
        for segment in strip:
            assert segment.control is None
            assert not (raw := left_over(segment.text)), ascii(raw)
            style = segment.style
            assert style is None or (
                style.link is None and "evil" not in str(style.meta) and "click" not in str(style.meta)
            )
        assert cell_len(strip.text) <= width, strip.text


def check_screen(app: App[Any]) -> None:
    """``check_strips`` of everything that is on the screen."""
    check_strips(app.screen._compositor.render_strips(), app.size.width)


def strips_of(widget: Widget) -> Iterator[Strip]:
    """The lines of a widget and of those in it, at ``WIDTH`` cells, without a layout of the screen."""
    for part in widget.walk_children(with_self=True):
        if isinstance(part, Painted):
            yield from (line.adjust_cell_length(WIDTH) for line in part.lines(WIDTH))
        elif isinstance(part, VirtualTable | ResultsTable | CurveChart):
            yield from (part.render_line(y) for y in range(part.size.height))
        elif isinstance(part, TextInput):  # it is longer than itself, and cut by whoever draws it
            yield part.render_line(0).crop(0, WIDTH)
        elif isinstance(part, Static | TopBar):
            yield from Visual.to_strips(part, part._render(), WIDTH, None, part.visual_style)


def show_results(stage: Stage, text: str) -> None:
    table = stage.query_one(ResultsTable)
    table.reset([text, text + "2"], [result_of(text)])


def show_verdict(stage: Stage, text: str) -> None:
    verdict = stage.query_one(Verdict)
    verdict.show(result_of(text), [text, text + "2"], text)
    words = Salience(["plain", text, "word"], [0.5, -0.2, 0.1], text, "gradient")
    verdict.set_salience(words, words)


def show_reply(stage: Stage, text: str) -> None:
    """A turn, painted and not kept: a transcript of thousands is another test's."""
    transcript = stage.query_one(Transcript)
    reply = Reply("A", text, text, "greedy")
    reply.take(Token(index=0, text=text, probability=0.5))
    reply.notices = [text]
    strips = transcript._block(Turn(text, [reply]))
    assert strips
    check_strips(strips, WIDTH)


def show_latent(stage: Stage, text: str) -> None:
    near = {"text": text, "label": text, "similarity": 0.9}
    point = {"at": 0.5, "text": text, "logprob": -0.5, "probabilities": [0.1, 0.9], "distance": 1.0, "nearest": [near]}
    box = stage.query_one(LatentBox)
    box.begin(text, ["A", "B"])
    box.tell("B", text)
    box.show("A", {"labels": [text, text], "has_decoder": True, "points": [point, point]}, text)


def show_probe(stage: Stage, text: str) -> None:
    panel = stage.query_one(ProbePanel)
    for side, answer in (("a", Answer([text, text], [0.2, 0.8], [text, "x"], [0.5, -0.5])), ("b", Answer(error=text))):
        panel.set_target(side, text)
        panel.show(side, answer)
    panel.input.put(text)


def show_curves(stage: Stage, text: str) -> None:
    chart = stage.query_one(CurveChart)
    chart.set_curves([Curve(text, [1, 2, 3], [0.1, 0.4, 0.2], letter="A", best="max")], marks=[Mark(2.0, text, 0)])
    check_strips(list(strips_of(chart)), WIDTH)
    chart.set_curves([], empty=text or "nothing")


def show_bar(stage: Stage, text: str) -> None:
    bar = stage.query_one(TopBar)
    bar.job, bar.engine = text, text


def show_detail(stage: Stage, text: str) -> None:
    """A row of a dataset in full, the folded line of a log, and the cells of a label."""
    variables = stage.app.theme_variables
    effects = [StepEffect("lowercase", text + " b", True), StepEffect("tokenise", text + " c", True)]
    detail = row_detail(
        Row(row=1, text=text, label=text, target=text), effects, variables,
        Substitutes(text, {text: ((text, "x"), (text,))}), Numbers(text, [(text, None), (text, 3)]),
    )  # fmt: skip
    place = stage.query_one("#nothing", Static)
    place.update(detail)
    for line in fold(text, 40):
        assert not left_over(line) and cell_len(line) <= 40


WIDGETS: dict[str, tuple[str, Callable[[Stage, str], None]]] = {
    "#rows": (
        "table of rows",
        lambda s, t: s.query_one("#rows", VirtualTable).set_list([(Cell(t, "primary"), t, t)] * 2),
    ),
    "#results": ("table of results", show_results),
    "#flow": (
        "words",
        lambda s, t: s.query_one("#flow", WordFlow).show([Word(t, t, 0.5), Word(t, "", 0.1, 1, ((0, 1),))], t),
    ),
    "#bars": (
        "probabilities",
        lambda s, t: s.query_one("#bars", ProbabilityBars).show([t, t + "2"], [0.4, 0.6], [0.6, 0.4], title=t),
    ),
    "#verdict": ("diff, fall and headline of an attack", show_verdict),
    "#transcript": ("replies", show_reply),
    "#latent": ("way between two texts", show_latent),
    "#probe": ("probe", show_probe),
    "#curves": ("curves", show_curves),
    "TopBar": ("header", show_bar),
    "#transcript ": ("row in full, log", show_detail),
    "#input": ("line of text", lambda s, t: s.query_one("#input", TextInput).put(t)),
}


def forms(group: list[str]) -> list[Callable[[], Screen[Any]]]:
    """Everything that lies over a pane, with these texts wherever a text can stand."""
    text = " ".join(one[:300] for one in group)
    return [
        lambda: Ask(text, text, text, lambda typed: typed),
        lambda: Confirm(text, text),
        lambda: ShowText("\n".join(one[:3000] for one in group)),
        lambda: KeepProbe(text, [one or "x" for one in dict.fromkeys(group)], group[0], text),
        lambda: NotesForm(text, Notes(text, group)),
        lambda: LiveForm(text, Config()),
        lambda: ViewForm(text, text, group, text, 3, text),
    ]


async def check_forms(pilot: Pilot[None], group: list[str]) -> None:
    app: Any = pilot.app
    for make in forms(group):
        form = make()
        await app.push_screen(form)
        await until(pilot, lambda form=form: form.is_mounted and form.is_current)
        check_cells(app)
        app.pop_screen()
        await pilot.pause()
    app.say(" ".join(one[:200] for one in group), " ".join(one[:200] for one in reversed(group)))
    await pilot.pause()
    check_cells(app)
    app.clear_notifications()


@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("count", "seed"), PORTIONS)
async def test_widgets_titles_notices_and_forms(
    count: int, seed: int, tmp_path, record_property: Callable[[str, object], None]
) -> None:
    async with WorkbenchApp(tmp_path, FakeSession()).run_test(size=(WIDTH + 2, 60), notifications=True) as pilot:
        stage = Stage()
        await pilot.app.push_screen(stage)
        await until(pilot, lambda: stage.query_one("#input").is_mounted and stage.query_one("#rows").size.height > 0)
        group: list[str] = []
        for number, text in enumerate(texts(count, seed, longest=20_000)):
            for selector, (name, show) in WIDGETS.items():
                try:
                    show(stage, text)
                    check_strips(list(strips_of(stage.query_one(selector.strip()))), WIDTH)
                except Exception as error:
                    raise AssertionError(f"{name}, text {number}: {text[:300]!a}") from error
            group.append(text)
            if len(group) == TOGETHER:
                stage.query_one(Choice).set_options([(one, one) for one in dict.fromkeys(group)])
                await pilot.pause()
                check_cells(pilot.app)
                await check_forms(pilot, group)
                group = []
    tell(record_property, count, len(WIDGETS) + 9, "widgets, titles, notices, forms")
