"""Long histories: a metric in bounded memory, the digest beside the events, and the view that reads it."""

from __future__ import annotations

import json
import math
import random
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aat_models import config as configs
from aat_models import events
from aat_models.config import Config
from aat_models.events import Evaluation, Event, Notice, Resumed, Started, Step
from aat_workbench import curve_digest
from aat_workbench.curve_digest import BUCKETS, OTHERS, Maker, load, make
from aat_workbench.runs import RunFolder
from aat_workbench.tui import run_view
from aat_workbench.tui.curve_points import MOST, Series
from aat_workbench.tui.run_view import RunView


def step(number: int, value: float, **more: float) -> Step:
    metrics = {"loss": value, **more}
    return Step(time=1e9 + number, step=number, total=10**6, epoch=0.1, stage="encoder", metrics=metrics)


def run_of(root: Path, records: list[Event], name: str = "long") -> RunFolder:
    folder = RunFolder.create(configs.apply(Config(), {"run": name}), root)
    with folder.events_path.open("wb") as file:
        file.writelines(events.encode(record) + b"\n" for record in records)
    return folder


def caught_up(folder: RunFolder) -> RunView:
    view = RunView(folder)
    for _ in range(4000):
        view.update()
        if not view.behind and not view.waiting:
            return view
        time.sleep(0.005)
    raise AssertionError("it never caught up")


# A series


def test_few_points_are_kept_as_they_came() -> None:
    series = Series()
    for x in range(MOST):
        series.add(x, x / 3)
    assert list(series.xs) == list(range(MOST))
    assert series.cuts == 0
    assert series.ys[-1] == (MOST - 1) / 3


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6), st.integers(40_000, 60_000))
def test_many_points_keep_their_extremes_and_end_in_bounded_room(seed: int, count: int) -> None:
    draw = random.Random(seed)
    series = Series()
    values = [draw.gauss(0, 1) for _ in range(count)]
    for x, y in enumerate(values):
        series.add(x, y)
        assert len(series.xs) == len(series.ys) <= 2 * MOST
    assert (min(series.ys), max(series.ys)) == (min(values), max(values))
    assert series.best() == max(values)
    assert series.cuts > 3
    assert list(series.xs) == sorted(series.xs)
    assert (series.xs[0], series.xs[-1], series.ys[-1]) == (0, count - 1, values[-1])
    assert all(values[int(x)] == y for x, y in zip(series.xs, series.ys, strict=True))


def test_points_at_one_place_take_no_more_room() -> None:
    series = Series()
    for value in range(5 * MOST):
        series.add(0, value)
    assert len(series.xs) <= 2 * MOST
    assert series.ys[-1] == 5 * MOST - 1


def test_what_is_dropped_is_not_the_best_any_more() -> None:
    series = Series()
    for x, y in enumerate((1.0, 3.0, math.inf, math.nan, 9.0)):
        series.add(x, y)
    assert series.best() == 9.0
    series.drop_after(4)
    assert series.cuts == 0
    series.drop_after(3)
    assert (series.best(), series.cuts) == (3.0, 1)
    series.drop_from(1)
    assert (list(series.xs), series.best()) == ([0.0], 1.0)
    series.drop_from(0)
    assert math.isnan(series.best())


# A digest


def test_a_digest_keeps_the_extremes_of_every_metric(tmp_path: Path) -> None:
    draw = random.Random(1)
    records: list[Event] = [Started(time=1e9, run="long", total=1, stages=["encoder"], parameters=1, labels=["a"])]
    values = [draw.random() for _ in range(30_000)]
    for number, value in enumerate(values, 1):
        records.append(step(number, value, lr=-value))
        if number % 100 == 0:
            records.append(Evaluation(time=1e9, step=number, split="dev", metrics={"accuracy": value}))
            records.append(Notice(time=1e9, message=f"at {number}", step=number))
    folder = run_of(tmp_path, records)
    make(folder.path)
    digest = load(folder.path)
    assert digest is not None
    assert digest.offset == folder.events_path.stat().st_size
    steps = [record for record in digest.records if isinstance(record, Step)]
    assert len(steps) <= 2 * BUCKETS * 2 + 400
    assert {min(values), max(values)} <= {record.metrics["loss"] for record in steps}
    assert (steps[0].step, steps[-1].step) == (1, 30_000)
    assert isinstance(digest.records[0], Started)
    notices = [record.message for record in digest.records if isinstance(record, Notice)]
    assert notices == [f"at {number}" for number in range(100, 30_001, 100)][-OTHERS:]
    assert all(record in records for record in digest.records)


def test_what_was_taken_back_is_in_no_digest(tmp_path: Path) -> None:
    records: list[Event] = [step(number, 0.5) for number in range(1, 101)]
    records += [Notice(time=1.0, message="gone", step=90), Resumed(time=1.0, step=40), step(41, 0.25)]
    folder = run_of(tmp_path, records)
    with folder.events_path.open("ab") as file:
        file.write(b'not json\n{"type":"from-the-future","step":1}\n')
    make(folder.path)
    digest = load(folder.path)
    assert digest is None  # a record that only a later version knows: that version's digest
    folder.events_path.write_bytes(
        folder.events_path.read_bytes().replace(b'{"type":"from-the-future","step":1}\n', b"")
    )
    make(folder.path)
    digest = load(folder.path)
    assert digest is not None and digest.skipped == 1
    assert [record.step for record in digest.records if isinstance(record, Step)] == list(range(1, 42))
    assert not [record for record in digest.records if isinstance(record, Notice)]


def test_a_digest_of_other_events_is_none(tmp_path: Path) -> None:
    folder = run_of(tmp_path, [step(number, 0.5) for number in range(1, 50)])
    make(folder.path)
    assert load(folder.path) is not None
    assert load(folder.path, beyond=folder.events_path.stat().st_size) is None
    content = folder.events_path.read_bytes()
    folder.events_path.write_bytes(content[:-200])
    assert load(folder.path) is None
    folder.events_path.write_bytes(b" " + content)
    assert load(folder.path) is None
    folder.events_path.write_bytes(content)
    (folder.path / "curves.jsonl").write_bytes(b'{"offset":1}\n')
    assert load(folder.path) is None


# A view


def test_a_view_of_a_long_run_reads_its_digest_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_view, "LONG", 100_000)
    records: list[Event] = [step(number, math.sin(number)) for number in range(1, 5001)]
    folder = run_of(tmp_path, records)
    view = RunView(folder)
    view.update()
    assert view.waiting and not view.series  # a process of its own is at it
    view = caught_up(folder)
    assert (folder.path / "curves.jsonl").exists()
    assert view.last("loss") == math.sin(5000)
    assert view.series["loss"].best() == max(math.sin(number) for number in range(1, 5001))
    with folder.writer() as writer:
        writer.append(step(5001, 7.0))
    view.update()
    assert view.last("loss") == 7.0
    with folder.writer() as writer:
        writer.append(Resumed(time=1.0, step=100))
    view.update()
    assert max(view.series["loss"].xs) <= 100


def test_a_view_reads_by_itself_where_no_digest_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_view, "LONG", 100_000)
    folder = run_of(tmp_path, [step(number, float(number)) for number in range(1, 5001)])
    (folder.path / "curves.jsonl").mkdir()  # cannot be written over
    view = caught_up(folder)
    assert list(view.series["loss"].xs) == list(range(1, 5001))


def test_one_process_at_a_time_makes_digests(tmp_path: Path) -> None:
    folders = [run_of(tmp_path, [step(1, 0.5)], name) for name in ("a", "b")]
    maker = Maker()
    asked = [maker.ask(folder.path) for folder in folders]
    assert asked == [True, True]
    while maker.ask(folders[0].path):
        time.sleep(0.005)
    assert load(folders[0].path) is not None
    assert load(folders[1].path) is None
    assert maker.ask(folders[1].path)
    while maker.ask(folders[1].path):
        time.sleep(0.005)
    assert load(folders[1].path) is not None


def test_a_digest_is_plain_lines(tmp_path: Path) -> None:
    folder = run_of(tmp_path, [step(1, 0.5)])
    make(folder.path)
    head, line = (folder.path / "curves.jsonl").read_text().splitlines()
    assert json.loads(head)["offset"] == folder.events_path.stat().st_size
    assert msgspec.json.decode(line, type=Step).step == 1
    assert curve_digest.LONG > 1 << 20
