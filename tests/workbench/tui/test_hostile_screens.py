"""Hostile texts through whole panes: from files and a session's answers to the cells of the screen."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
import tomli_w
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Input, Select, SelectionList, Static, TextArea

from aat_models import config as configs
from aat_models import events
from aat_models.config import Config, DataConfig
from aat_models.events import (
    ControlApplied,
    Done,
    Evaluation,
    Event,
    Failed,
    Notice,
    Progress,
    Started,
    Step,
    Token,
)
from aat_workbench.notes import Notes
from aat_workbench.runs import RunStatus
from aat_workbench.tui import foreign_view
from aat_workbench.tui.adding_form import AddingForm
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.config_text import ConfigText
from aat_workbench.tui.metric_picker import MetricPicker
from aat_workbench.tui.new_run import NewRun
from aat_workbench.tui.screens.datasets import DatasetsPane
from aat_workbench.tui.screens.generate import GeneratePane
from aat_workbench.tui.screens.run_charts import RunCharts
from aat_workbench.tui.screens.training import TrainingPane
from aat_workbench.tui.widgets.entry import TextInput
from aat_workbench.tui.widgets.finding import FindLine
from aat_workbench.tui.widgets.latent import LatentBox
from aat_workbench.tui.widgets.table import VirtualTable

from ..hostile import texts, whole
from ..test_hostile_texts import tell
from .pane_session import FakeSession, FakeStream
from .shell_support import until
from .test_hostile_widgets import check_screen

SIZE = (120, 50)
PORTIONS = [
    pytest.param(24, 0, id="a-sample"),
    pytest.param(2_500, 1, id="two-thousand-five-hundred", marks=pytest.mark.slow),
]


def groups(count: int, seed: int, size: int) -> Iterator[list[str]]:
    """``count`` texts, ``size`` at a time."""
    found = list(texts(count, seed, longest=20_000))
    for start in range(0, count, size):
        yield found[start : start + size]


def file_name(text: str, suffix: str) -> str:
    """What of ``text`` a file can be named."""
    kept = os.fsencode(whole(text).replace("/", "").replace("\0", ""))[:100].decode("utf-8", "ignore")
    return f"f{kept}{suffix}"


async def seen(pilot: Pilot[None]) -> None:
    """What was put in has come to the screen, without the rest that ``pause`` takes; it is looked at."""
    for _ in range(20):
        await asyncio.sleep(0)
    check_screen(pilot.app)


async def paged(pilot: Pilot[None], table: VirtualTable) -> None:
    """Every row of a table comes into view."""
    table.action_first()
    for _ in range(0, max(table.total, 1), max(1, table.size.height - 1)):
        await seen(pilot)
        table.action_move_page(1)


# Datasets


def write_rows(folder: Path, group: Sequence[str], number: int) -> Path:
    """The texts as texts, labels, outputs and names of columns: as JSON lines, every third time as CSV."""
    head = ["text", "label", "target", *dict.fromkeys(f"c{text[:30]}" for text in group[:4])]
    if number % 3 == 2:
        path = folder / file_name(group[0], ".csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([map(whole, head), *([whole(text)] * len(head) for text in group)])
        return path
    path = folder / file_name(group[0], ".jsonl")
    broken = next((text for text in group if text != whole(text)), "")
    lines = [json.dumps(dict.fromkeys(map(whole, head), text if text == broken else whole(text))) for text in group]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


async def add_rows(pilot: Pilot[None], path: Path, name: str) -> bool:
    """Add the file through the form; whether it was taken."""
    app = pilot.app
    await pilot.press("n")
    await until(
        pilot, lambda: isinstance(app.screen, AddingForm) and app.screen.is_current and app.screen.query(Static)
    )
    form = app.screen
    assert isinstance(form, AddingForm)
    form.query_one("#file-path", Input).value = str(path)
    await until(pilot, lambda: form._look is not None)
    await paged(pilot, form.query_one("#file-rows", VirtualTable))
    form.query_one("#file-name", Input).value = name
    for column in ("text", "label", "target"):
        form.query_one(f"#file-{column}", Select).value = column
    await until(pilot, lambda: form._look is not None and form._look.columns.target == "target")
    form.query_one("#file-label", Select).focus()
    await pilot.press("enter")  # the names of the columns
    check_screen(app)
    await pilot.press("escape", "f2")
    verdict = form.query_one("#verdict", Static)
    await until(pilot, lambda: form._added or "✗" in str(verdict.visual), 60)
    await paged(pilot, form.query_one("#file-rows", VirtualTable))
    taken = bool(form._added)
    await pilot.press("escape")
    return taken


async def look_at_rows(pilot: Pilot[None], name: str, group: Sequence[str]) -> None:
    app = pilot.app
    pane = app.query_one(DatasetsPane)
    await until(pilot, lambda: pane.reader.dataset is not None and pane.reader.dataset.info.name == name)
    await until(pilot, lambda: pane.row is not None and pane.counts.labels)
    await paged(pilot, pane.rows_table)
    await paged(pilot, pane.query_one("#labels", VirtualTable))
    await paged(pilot, pane.query_one("#lengths", VirtualTable))
    await pilot.press("l", "enter")  # the rows of one label
    await pilot.pause()
    check_screen(app)
    await pilot.press("i")
    await pilot.pause()
    check_screen(app)
    for text in group[:3]:
        for typed in (text[:300], f"= {text[:300]}"):
            pane.query_one("#filter", TextInput).put(typed)
            await pilot.pause(0.15)
            check_screen(app)
    await pilot.press("x")


@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("count", "seed"), PORTIONS)
async def test_datasets_pane(
    count: int,
    seed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    async with WorkbenchApp(tmp_path / "runs", FakeSession()).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: pilot.app.query_one(DatasetsPane).datasets_table.total)
        taken = number = 0
        for number, group in enumerate(groups(count, seed, 250)):
            path = write_rows(tmp_path, group, number)
            if await add_rows(pilot, path, f"d{number}"):
                await look_at_rows(pilot, f"d{number}", group)
                taken += 1
            path.unlink()
        assert taken > number // 2
    tell(record_property, count, 8, "a file, the form that adds it, its rows, labels, lengths and filter")


# Training


def config_of(text: str) -> Config:
    """A config that says ``text`` wherever it says a text."""
    data = DataConfig(dataset=text, augment=[text], preprocess=[text, text])
    model = msgspec.structs.replace(Config().model, encoder=text)
    adversary = msgspec.structs.replace(Config().adversary, name=text)
    return msgspec.structs.replace(Config(), run=text, data=data, model=model, adversary=adversary)


def records_of(text: str) -> list[Event]:
    name = text[:200]
    return [
        Started(run=text, total=3, stages=[text], parameters=1, labels=[text], device=text, surface=text, time=1.0),
        Step(step=1, total=3, stage=text, epoch=0.1, metrics={name: 0.5, "loss": 0.2}, time=2.0),
        Step(step=2, total=3, stage=text, epoch=0.1, metrics={name: 0.2, "loss": 0.1}, time=3.0),
        Evaluation(step=2, split=text, metrics={name: 0.5}, time=4.0),
        Notice(message=text, level="warning", time=5.0),
        ControlApplied(step=2, command="set", value=f"{text}={text}", by=text, before=text, time=5.0),
        Progress(done=1, total=2, message=text),
        Done(summary={name: text, "dev": {name: 0.5}}, time=6.0),
        Failed(error=text, hint=text, time=6.0),
    ]  # fmt: skip


STATES = ("done", "failed", "interrupted", "stopped")


def write_run(root: Path, text: str, number: int) -> None:
    """A run folder in which every file says ``text`` wherever it can; every fourth config cannot be read for it."""
    folder = root / f"r{number}"
    folder.mkdir(parents=True)
    state: Any = STATES[number % 4]
    config = config_of(text)
    if number % 4:
        config = msgspec.structs.replace(config, model=Config().model, adversary=Config().adversary)
    (folder / "config.toml").write_text(configs.dump(config), encoding="utf-8")
    (folder / "events.jsonl").write_bytes(b"".join(events.encode(record) + b"\n" for record in records_of(text)))
    (folder / "log.txt").write_text(text, encoding="utf-8")
    status = RunStatus(state=state, step=2, total=3, stage=text, error=text, metrics={text: 0.5}, summary={text: text})
    (folder / "status.json").write_bytes(msgspec.json.encode(status))
    notes_of = Notes(text, [text])
    (folder / "notes.toml").write_bytes(tomli_w.dumps(msgspec.to_builtins(notes_of)).encode())


def write_table(path: Path, group: Sequence[str]) -> None:
    """A training of another tool: figures by the name of each text."""
    lines = [{"step": step} | {text[:100]: 0.5 / step for text in group} for step in (1, 2, 3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


async def look_at_runs(pilot: Pilot[None], pane: TrainingPane) -> None:
    table = pane.query_one("#runs", VirtualTable)
    table.action_first()
    for _ in range(table.total):
        await seen(pilot)
        table.action_move(1)
    await paged(pilot, pane.query_one("#log", VirtualTable))
    await paged(pilot, pane.query_one("#config", VirtualTable))


async def choose_charts(pilot: Pilot[None], group: Sequence[str]) -> None:
    """The choice of charts, found by the texts as regular expressions, and the charts it leads to."""
    app = pilot.app
    await pilot.press("o")
    await until(pilot, lambda: isinstance(app.screen, MetricPicker) and app.screen.query(Input))
    for text in group[:5]:
        app.screen.query_one(Input).value = text[:100]
        await seen(pilot)
    app.screen.query_one(Input).value = ""
    listed = app.screen.query_one(SelectionList)
    listed.focus()
    for _ in range(0, listed.option_count, 20):
        await pilot.press(*["space", "down"] * 2, "pagedown")
        check_screen(app)
    await pilot.press("enter")
    await pilot.pause()
    check_screen(app)


async def fill_forms(pilot: Pilot[None], group: Sequence[str]) -> None:
    """The form for a new run, from the config of the run under the cursor, and the same as TOML."""
    app = pilot.app
    await pilot.press("n")
    await until(pilot, lambda: isinstance(app.screen, NewRun) and app.screen.is_current and app.screen.query(Static))
    app.screen.query_one("#field-preset", Select).value = "as the selected run"
    await pilot.pause()
    check_screen(app)
    for line, text in zip(app.screen.query(Input), group, strict=False):
        line.value = text[:1000]
        await seen(pilot)
    await pilot.press("ctrl+e")
    await until(
        pilot, lambda: isinstance(app.screen, ConfigText) and app.screen.is_current and app.screen.query(Static)
    )
    page = app.screen.query_one(TextArea)
    for text in group[:5]:
        page.replace(f'run = "{text}"\n', (0, 0), (0, 0))
        await seen(pilot)
    await pilot.press("escape", "escape")
    await until(pilot, lambda: not isinstance(app.screen, ModalScreen))


@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("count", "seed"), PORTIONS)
async def test_training_pane(
    count: int,
    seed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(foreign_view, "SEARCH_SECONDS", 0.0)
    runs, watched = tmp_path / "runs", tmp_path / "watched"
    watched.mkdir()
    write_table(watched / "first.jsonl", ["loss"])
    app = WorkbenchApp(runs, FakeSession(), start_pane="training", watched=[watched])
    async with app.run_test(size=SIZE) as pilot:
        pane = app.query_one(TrainingPane)
        for group in groups(count, seed, 50):
            for path in watched.iterdir():
                path.unlink()
            shutil.rmtree(runs, ignore_errors=True)
            held = list(map(whole, group))
            for number, text in enumerate(held):
                write_run(runs, text, number)
            write_table(watched / file_name(group[1], ".jsonl"), held)
            there = len(group) + 1
            await until(pilot, lambda there=there: pane.look() or len(pane._all) == there)
            await look_at_runs(pilot, pane)
            pane.query_one("#runs", VirtualTable).cursor -= 1  # one whose config can be read
            await choose_charts(pilot, group)
            await fill_forms(pilot, group)
            pane.query_one("#runs", VirtualTable).action_first()  # the training that is not ours
            await choose_charts(pilot, group)
            pane.query_one(RunCharts).chosen = []
            for text in group[:3]:
                pane.query_one(FindLine).value = text[:100]
                await seen(pilot)
            pane.query_one(FindLine).value = ""
    tell(record_property, count, 9, "runs, notes, log, config, charts, their choice, the forms for a new run")


# Generate


class Writer(FakeSession):
    """Writes the texts as tokens, with the texts beside them, and finds them on every way through a vector."""

    group: ClassVar[Sequence[str]] = ()

    def _generate(self) -> list[Event]:
        notices = [Notice(message=text, level="warning") for text in self.group[:3]]
        beside = [*self.group[1:], self.group[0]]
        tokens = [
            Token(index=index, text=text, probability=0.4, alternatives=[(text, 0.4), (other, 0.3), ("", 0.1)])
            for index, (text, other) in enumerate(zip(self.group, beside, strict=True))
        ]
        return [*notices, *tokens]

    def stream(self, method: str, **params: Any) -> FakeStream:
        if method != "latent":
            return super().stream(method, **params)
        self.calls.append((method, params))
        points = [
            {
                "at": at / len(self.group), "text": text, "logprob": -0.5, "probabilities": [0.1, 0.9], "distance": 1.0,
                "nearest": [{"text": text, "label": text, "similarity": 0.9}],
            }
            for at, text in enumerate(self.group)
        ]  # fmt: skip
        found = {"labels": [self.group[0], self.group[-1]], "has_decoder": True, "indexed": 9, "points": points}
        return FakeStream([Progress(done=1, total=2, message=self.group[0])], found)


async def write_and_walk(pilot: Pilot[None], pane: GeneratePane, session: Writer) -> None:
    """A turn with these texts as prompt, system text, tokens, alternatives; then the way through the vector."""
    app, group = pilot.app, session.group
    session.labels = [group[0], group[1]]
    for text in group[:5]:
        for line in (pane.prompt, pane.system):
            line.put(text)
        await seen(pilot)
    pane.prompt.put("p " + " ".join(text[:100] for text in group))
    pane.focus_on(pane.prompt)
    await pilot.press("enter")
    await until(pilot, lambda: not pane.writing and len(pane.tokens.words) == len(group))
    check_screen(app)
    pane.focus_on(pane.tokens)
    for _ in group:
        pane.tokens.action_move(1)
        await seen(pilot)
    for _ in range(4):
        pane.transcript.scroll_page_up(animate=False)
        await seen(pilot)
    await pilot.press("l")
    box = pane.query_one(LatentBox)
    await until(pilot, lambda: len(box.slider.places) == len(group))
    box.to.put(group[-1])
    for _ in group:
        box.slider.action_move(1)
        await seen(pilot)
    box.slider.at = 0
    await pilot.press("l")


@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("count", "seed"), PORTIONS)
async def test_generate_pane(
    count: int, seed: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    session = Writer()
    app = WorkbenchApp(tmp_path, session, start_pane="generate")
    async with app.run_test(size=SIZE) as pilot:
        pane = app.query_one(GeneratePane)
        await pilot.pause()
        pane.action_chat()
        for group in groups(count, seed, 50):
            session.group = group
            await write_and_walk(pilot, pane, session)
    tell(record_property, count, 7, "prompts, system texts, replies, their tokens, alternatives, ways through a vector")
