"""The Datasets pane beyond reading: lengths, jumps, sorting, views, adding files, long work, several searches at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Select

from aat_datasets import adding, catalog, scanning
from aat_datasets.selection import Selection
from aat_workbench.tui import dataset_view
from aat_workbench.tui.adding_form import AddingForm
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.data_job import DataJob
from aat_workbench.tui.dataset_view import Chosen
from aat_workbench.tui.messages import PaneMessage, TrainOn
from aat_workbench.tui.screens.datasets import DatasetsPane, within
from aat_workbench.tui.screens.training import TrainingPane
from aat_workbench.tui.view_form import ViewForm
from aat_workbench.tui.widgets.entry import TextInput
from aat_workbench.tui.widgets.table import VirtualTable

from .pane_session import FakeSession
from .shell_support import ClosedSession, check_cells, screen_text, sees, until
from .test_datasets_pane import lines, pane_of, pane_text, write

SIZE = (120, 40)
ROWS = 3_000


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows of 2 to 21 words with three labels; every hundredth holds a needle; looked through in many stretches."""
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    monkeypatch.setattr(scanning, "STRETCH", 500)
    rows = [
        (f"row {row}{' word' * (row * 7 % 20)}{' needle' if row % 100 == 50 else ''}", "abc"[row % 3])
        for row in range(ROWS)
    ]
    train = write(tmp_path / "train.csv", rows)
    write(tmp_path / "dev.csv", rows[:30])
    adding.add("many", [], splits={"train": train, "dev": tmp_path / "dev.csv", "test": tmp_path / "dev.csv"})
    return tmp_path / "runs"


def sizes(app: WorkbenchApp) -> list[int]:
    return [pane_of(app)._glimpses[place].size for place in sorted(pane_of(app)._glimpses)]


async def ready(pilot) -> DatasetsPane:
    await until(pilot, lambda: pane_of(pilot.app).row is not None and "counted" not in screen_text(pilot.app))
    return pane_of(pilot.app)


async def test_lengths_filter_and_the_histograms_follow(many: Path) -> None:
    app = WorkbenchApp(many)
    async with app.run_test(size=SIZE) as pilot:
        pane = await ready(pilot)
        assert sum(count for _, _, count in pane.counts.lengths) == ROWS == sum(pane.counts.labels.values())
        low, high, count = pane.counts.lengths[1]
        await pilot.press("w", "home", "down", "enter")
        await sees(pilot, f"{count} of 3000 rows", f"{low}–{high} words")
        await until(pilot, lambda: sum(pane.counts.labels.values()) == count)
        assert pane.counts.lengths[0][0] >= low and pane.counts.lengths[-1][1] <= high
        await pilot.press("l", "home", "enter")
        await sees(pilot, f"label a, {low}–{high} words")
        await until(pilot, lambda: sum(n for _, _, n in pane.counts.lengths) == pane.counts.labels["a"] < count)
        await pilot.press("x")
        await sees(pilot, "train · 3000 rows")
    chosen = Selection(contains="x")
    assert within(chosen, 3, 5) == Selection(contains="x", shortest=3, longest=5)
    assert within(within(chosen, 3, 5), 9, 12) == Selection(contains="x", shortest=3, longest=12)
    assert within(within(chosen, 3, 5), 3, 5) == chosen


async def test_a_row_is_gone_to_by_its_number(many: Path) -> None:
    app = WorkbenchApp(many)
    async with app.run_test(size=SIZE) as pilot:
        pane = await ready(pilot)
        await pilot.press("g", *"9999")
        await sees(pilot, "expected a number from 0 to 2999")
        await pilot.press(*["backspace"] * 4, *"2345", "enter")
        await until(pilot, lambda: pane.row is not None and pane.row.row == 2345)
        await sees(pilot, "Row 2345")
        await pilot.press("slash", *"needle")
        await sees(pilot, "30 of 3000 rows")
        await pilot.press("enter", "g", *"1200", "enter")  # filtered out: the next one
        await until(pilot, lambda: pane.row is not None and pane.row.row == 1250)


@pytest.mark.parametrize("here", [True, False])
async def test_rows_are_sorted_here_or_in_a_process(many: Path, monkeypatch: pytest.MonkeyPatch, here: bool) -> None:
    monkeypatch.setattr(dataset_view, "SORTED_HERE", 10**6 if here else 0)
    app = WorkbenchApp(many)
    async with app.run_test(size=SIZE) as pilot:
        pane = await ready(pilot)
        box, table = app.query_one("#rows-box"), app.query_one("#rows", VirtualTable)
        x = box.region.x + lines(app)[0].index("words") + 2
        for descending in (False, True):
            await pilot.click(offset=(x, table.region.y))
            await sees(pilot, "words↓" if descending else "words↑")
            await until(pilot, lambda: "sorting" not in screen_text(app))
            wanted = (
                catalog.open_dataset("many").table("train").window(0, 50, order="-words" if descending else "words")
            )
            await until(pilot, lambda wanted=wanted: pane.row is not None and pane.row.row == wanted[0].row)
            assert [pane._glimpses[place].row for place in range(50)] == [row.row for row in wanted]
        await pilot.press("l", "enter")  # a filter keeps the order
        await sees(pilot, "label a", "1000 of 3000 rows")
        await until(pilot, lambda: "sorting" not in screen_text(app))
        await until(pilot, lambda: len(sizes(app)) >= 100 and sizes(app) == sorted(sizes(app), reverse=True))
        assert {pane._glimpses[place].label for place in range(100)} == {"a"}
        folder = pane.reader._orders
        assert folder is not None and len(list(folder.iterdir())) == 1  # the orders before are gone
    assert not folder.exists()


async def test_a_later_search_is_the_one_that_is_shown(many: Path) -> None:
    app = WorkbenchApp(many)
    async with app.run_test(size=SIZE) as pilot:
        pane = await ready(pilot)
        line = app.query_one("#filter", TextInput)
        for text in ("row 1", "row 2", "word", "row 77", "needle"):
            line.value = text
            await pilot.pause()
        await sees(pilot, "30 of 3000 rows")
        await until(pilot, lambda: all("needle" in row.text for row in pane._glimpses.values()))
        assert pane.selection == Selection(contains="needle")


async def test_a_slow_search_holds_up_no_key(many: Path) -> None:
    app = WorkbenchApp(many)
    async with app.run_test(size=SIZE) as pilot:
        pane = await ready(pilot)
        slow = "= (SELECT sum(hash(a.range + b.range) % 7) FROM range(1000000) a, range(1000000) b) = row"
        app.query_one("#filter", TextInput).value = slow
        await asyncio.sleep(0.4)
        await pilot.press("escape", "pagedown")
        await until(pilot, lambda: pane.row is not None and pane.row.row > 20)  # the rows before are still there
        await pilot.press("x")
        app.query_one("#filter", TextInput).value = "needle"
        await sees(pilot, "30 of 3000 rows")  # the slow one was ended


async def test_filtered_rows_are_trained_on_as_a_view(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[PaneMessage] = []
    monkeypatch.setattr(TrainingPane, "receive", lambda self, message: taken.append(message))
    app = WorkbenchApp(many, ClosedSession())  # pyright: ignore[reportArgumentType]
    async with app.run_test(size=SIZE) as pilot:
        await ready(pilot)
        await pilot.press("slash", *"needle", "enter")
        await sees(pilot, "30 of 3000 rows")
        await pilot.press("t")
        await sees(pilot, "Save these rows as a view", "many, contains 'needle': 30 rows of train")
        form = app.screen
        assert isinstance(form, ViewForm)
        form.query_one(TextInput).put("many")
        await sees(pilot, "it is no view")
        await pilot.press("enter")
        assert app.screen is form
        form.query_one(TextInput).put("needles")
        form.query_one(Select).value = "only"
        await sees(pilot, "train --dataset needles")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: taken)
    (message,) = taken
    assert isinstance(message, TrainOn) and message.dataset == "needles"
    made = catalog.open_dataset("needles")
    assert made.splits == {"train": 30, "dev": 30, "test": 30}
    assert all("needle" in row.text for row in made.table("train").window(0, 99))


async def test_a_row_is_attacked_with_its_whole_text(many: Path, tmp_path: Path) -> None:
    long = "a moving and dull film " * 300
    adding.add("long", [write(tmp_path / "long.csv", [(long.strip(), "x"), ("short", "y")] * 5)])
    session = FakeSession()
    app = WorkbenchApp(many, session)
    async with app.run_test(size=SIZE) as pilot:
        await ready(pilot)
        pane_of(app).open("long")
        await sees(pilot, "long · train")
        await until(pilot, lambda: pane_of(app).row is not None and pane_of(app).row.text.startswith("a moving"))
        assert not pane_of(app).row.whole  # the list holds its beginning only
        await pilot.press("a")
        await until(pilot, lambda: session.asked("attack"))
        assert app.panes.current == "adversarial"
    assert session.asked("attack")[0]["texts"] == [long.strip()]


async def test_about_tells_the_overlap_of_splits(many: Path) -> None:
    app = WorkbenchApp(many)
    async with app.run_test(size=SIZE) as pilot:
        await ready(pilot)
        await pilot.press("i")
        await until(pilot, lambda: "30 texts of test also in dev" in pane_text(app))
        assert "30 texts of dev also in train" in pane_text(app)
        assert "3000 rows in train" in pane_text(app)


async def test_a_file_is_looked_at_added_and_opened(many: Path, tmp_path: Path) -> None:
    rows = [(f"message {row} [/b]\x1b[2J", "good bad".split()[row % 2]) for row in range(60)]  # noqa: SIM905
    path = write(tmp_path / "My Mail.csv", rows)
    with path.open("a") as file:
        file.write("only one\n")
    app = WorkbenchApp(many)
    async with app.run_test(size=SIZE) as pilot:
        await ready(pilot)
        await pilot.press("n")
        await sees(pilot, "Add a file")
        form = app.screen
        assert isinstance(form, AddingForm)
        line = form.query_one("#file-path", TextInput)
        line.value = str(tmp_path / "My M")
        await sees(pilot, "no such file")
        await until(pilot, lambda: line._suggestion.endswith("My Mail.csv"))
        await pilot.press("end", "right")
        await sees(pilot, "2 labels in the first 60 rows: good 30, bad 30", "1 of the first 61 lines look wrong")
        await sees(pilot, "message 0 [/b]␛[2J", "✓ My Mail.csv becomes the dataset my-mail")
        check_cells(app)
        form.query_one("#file-label", Select).value = "text"
        await sees(pilot, "one column cannot be two things")
        form.query_one("#file-label", Select).value = "label"
        form.query_one("#file-name", TextInput).value = "many"
        await sees(pilot, "there is a dataset 'many' already")
        form.query_one("#file-name", TextInput).value = "mail"
        await sees(pilot, "becomes the dataset mail")
        await pilot.press("ctrl+s")
        await sees(pilot, "mail: 60 rows", "1 line left out", "expected 2 columns, found 1", "62")
        check_cells(app)
        await pilot.press("enter")
        await sees(pilot, "mail · train · 48 rows", "●  mail")
    assert catalog.open_dataset("mail").labels == ["bad", "good"]


async def begin_to_add(pilot: Pilot[None], path: Path) -> None:
    await ready(pilot)
    await pilot.press("n")
    await sees(pilot, "Add a file")
    pilot.app.screen.query_one("#file-path", TextInput).value = str(path)


async def test_a_file_without_bad_lines_is_opened_by_enter(many: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "whole.csv", [(f"服务员热情，菜好吃 {row}", "好差"[row % 2]) for row in range(60)])
    async with WorkbenchApp(many).run_test(size=SIZE) as pilot:
        await begin_to_add(pilot, path)
        await sees(pilot, "becomes the dataset whole", "· Chinese ·")
        await pilot.press("ctrl+s")
        await sees(pilot, "whole: 60 rows", "enter opens it")
        await pilot.press("enter")
        await sees(pilot, "whole · train · 48 rows")
        pane = pane_of(pilot.app)
        assert pane.info is not None
        assert pane.info.name == "whole"  # the list points at it too
    assert catalog.describe("whole").language == "zh"


async def test_the_rest_of_a_bad_file_is_added_when_asked_for_again(many: Path, tmp_path: Path) -> None:
    rows = [(f"message {row}", "good bad".split()[row % 2]) for row in range(60)]  # noqa: SIM905
    path = write(tmp_path / "torn.csv", rows)
    with path.open("a") as file:
        file.write("only one\n" * 30)
    async with WorkbenchApp(many).run_test(size=SIZE) as pilot:
        await begin_to_add(pilot, path)
        await sees(pilot, "becomes the dataset torn")
        await pilot.press("ctrl+s")
        await sees(pilot, "30 of 90 lines rejected", "^s again keeps")
        await pilot.press("ctrl+s")
        await sees(pilot, "torn: 60 rows", "30 lines left out")
    assert len(catalog.open_dataset("torn").labels) == 2


async def test_adding_is_cancelled(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "big.csv", [(f"text {row} " * 20, "ab"[row % 2]) for row in range(60_000)])
    async with WorkbenchApp(many).run_test(size=SIZE) as pilot:
        await begin_to_add(pilot, path)
        await sees(pilot, "becomes the dataset big")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: any((tmp_path / "data").glob(".tmp-big-*")))
        await sees(pilot, "big: ")
        await pilot.press("escape")
        await sees(pilot, "big: cancelled")
        await pilot.press("escape")
        await until(pilot, lambda: len(pilot.app.screen_stack) == 1)
    assert not any((tmp_path / "data").glob(".tmp-*"))
    assert "big" not in catalog.names()


async def test_work_is_told_and_cancelled_with_a_key(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_view, "SORTED_HERE", 0)
    gate = asyncio.Event()
    run = DataJob.run

    async def slow(self: DataJob, progress=lambda: None):
        await gate.wait() if not self.cancelled else None
        return await run(self, progress)

    monkeypatch.setattr(DataJob, "run", slow)
    app = WorkbenchApp(many)
    async with app.run_test(size=SIZE) as pilot:
        pane = await ready(pilot)
        assert "c cancel" not in screen_text(app)
        await pilot.press("o")
        await sees(pilot, "many: starting", "c cancels", "c cancel ", "sorting…")
        await pilot.press("c")
        gate.set()
        await sees(pilot, "many: cancelled")
        assert pane.jobs.job is None
        assert lines(app)[1].split()[0] == "0"  # the rows are there, in their order


async def test_a_text_without_spaces_is_measured_in_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    rows = [("房间很干净服务也好" * (1 + row % 3), "好坏"[row % 2]) for row in range(60)]
    adding.add("hotel", [write(tmp_path / "rows.csv", rows)], language="zh")
    app = WorkbenchApp(tmp_path / "runs")
    async with app.run_test(size=SIZE) as pilot:
        pane = await ready(pilot)
        await sees(pilot, "Characters", "chars")
        check_cells(app)
        assert {glimpse.size for glimpse in pane._glimpses.values()} == {9, 18, 27}
        await sees(pilot, "segment", "房间 很")
        assert "1 word" not in screen_text(app)
        await pilot.press("w", "end", "enter")
        await sees(pilot, "characters")
        await until(pilot, lambda: pane._glimpses and all(len(row.text) >= 25 for row in pane._glimpses.values()))


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (60, 16)])
async def test_no_size_breaks_the_forms(many: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    app = WorkbenchApp(many)
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("n")
        await sees(pilot, "Add a file")
        app.screen.query_one("#file-path", TextInput).value = str(tmp_path / "train.csv")
        await sees(pilot, "becomes the dataset train")
        check_cells(app)
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        pane_of(app).choose(Chosen(Selection(label="a")))
        await sees(pilot, "of 3000")
        await pilot.press("t")
        await sees(pilot, "rows of train")
        check_cells(app)
