"""The Datasets pane on small datasets of real files: rows, filters, splits, labels, detail, and what can go wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from textual.widgets import Static

from aat_datasets import adding, lexicon
from aat_datasets.lexicon import Lexicon
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.messages import PaneMessage, ProbeText, TrainOn
from aat_workbench.tui.screens.datasets import DatasetsPane
from aat_workbench.tui.widgets.entry import TextInput
from aat_workbench.tui.widgets.table import VirtualTable

from ..fixed_run import SENTENCES
from .shell_support import HOSTILE, ClosedSession, check_cells, screen_text, sees, until

SIZE = (120, 40)
COPIES = 40


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    return path


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset of film sentences in a data folder of its own; returns the folder of runs."""
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    names = ("negative", "positive")
    rows = [(f"Take {place}: {text}", names[label]) for place in range(COPIES) for text, label, _ in SENTENCES]
    train = write(tmp_path / "train.csv", rows)
    dev = write(tmp_path / "dev.csv", rows[:12])
    test = write(tmp_path / "test.csv", rows[12:20])
    adding.add("films", [train], splits={"dev": dev, "test": test}, title="Sentences on films")
    return tmp_path / "runs"


def pane_of(app: WorkbenchApp) -> DatasetsPane:
    assert isinstance(app.pane, DatasetsPane)
    return app.pane


def lines(app: WorkbenchApp, id: str = "rows") -> list[str]:
    table = app.query_one(f"#{id}", VirtualTable)
    return [table.render_line(y).text for y in range(table.size.height)]


def sizes(app: WorkbenchApp) -> list[int]:
    """The third column of the rows in view."""
    rows = pane_of(app)._glimpses
    return [rows[place].size for place in range(app.query_one("#rows", VirtualTable).total) if place in rows]


async def test_the_first_ready_dataset_is_open_with_its_figures(films: Path) -> None:
    app = WorkbenchApp(films)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: pane_of(app).row is not None and "→" in screen_text(app))
        await sees(pilot, "films · train · 400 rows", "●  films")
        await until(pilot, lambda: any("negative" in line and "160" in line for line in lines(app, "labels")))
        check_cells(app)
        assert "Take 0: a stirring , funny" in lines(app)[1]
        assert any("positive" in line and "240" in line for line in lines(app, "labels"))
        assert sum(int(line.split()[1]) for line in lines(app, "lengths") if line.strip()) == 400


async def test_filters_find_texts_labels_and_conditions(films: Path) -> None:
    app = WorkbenchApp(films)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: pane_of(app).row is not None)
        await pilot.press("slash", *"engage")
        await sees(pilot, "40 of 400 rows")
        await until(pilot, lambda: all("never fails" in line for line in lines(app)[1:11]))
        await pilot.press("enter", "x")
        await sees(pilot, "train · 400 rows")
        await pilot.press("l", "enter")
        await sees(pilot, "160 of 400 rows")
        await sees(pilot, "label negative")
        assert any("▸ negative" in line for line in lines(app, "labels"))
        await pilot.press("enter")
        await sees(pilot, "train · 400 rows")
        app.query_one("#filter", TextInput).value = "= row < 7 and label = 'positive'"
        await sees(pilot, "4 of 400 rows")
        app.query_one("#filter", TextInput).value = "= row <"
        await until(pilot, lambda: "Parser Error" in screen_text(app) or "syntax" in screen_text(app))
        app.query_one("#filter", TextInput).value = "no such text"
        await sees(pilot, "0 of 400 rows", "no row is like that")
        await pilot.press("p")
        assert app.panes.current == "datasets"


async def test_splits_and_orders_turn(films: Path) -> None:
    app = WorkbenchApp(films)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: pane_of(app).row is not None)
        await pilot.press("s")
        await sees(pilot, "films · dev · 12 rows")
        await pilot.press("o")
        await until(pilot, lambda: "by words↑" in screen_text(app) and "sorting" not in screen_text(app))
        await until(pilot, lambda: sizes(app) == sorted(sizes(app)) and len(sizes(app)) == 12)
        await pilot.press("o")
        await until(pilot, lambda: sizes(app) == sorted(sizes(app), reverse=True) and len(sizes(app)) == 12)


async def test_the_detail_shows_what_each_step_does(films: Path) -> None:
    app = WorkbenchApp(films)
    async with app.run_test(size=SIZE) as pilot:
        await sees(pilot, " words for the")  # and then "model", on the next line once a scrollbar is there
        await sees(pilot, "normalise  no change", "lowercase", "take 0:", "tokenise")
        await until(pilot, lambda: app.focused is not None and app.focused.id == "rows")
        await pilot.press("down")
        await sees(pilot, "Row 1 ")


async def test_probe_and_train_go_to_their_panes(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = WorkbenchApp(films, ClosedSession())  # pyright: ignore[reportArgumentType]
    taken: list[PaneMessage] = []
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: pane_of(app).row is not None)
        row = pane_of(app).row
        for name in ("adversarial", "training"):
            monkeypatch.setattr(type(await app.open_pane(name)), "receive", lambda self, what: taken.append(what))
        for key in ("p", "t"):
            await app.open_pane("datasets")
            await pilot.press(key)
            await pilot.pause()
        await until(pilot, lambda: len(taken) == 2)
    probe, train = taken
    assert isinstance(probe, ProbeText)
    assert row is not None
    assert probe.text == row.text
    assert not probe.attack
    assert isinstance(train, TrainOn)
    assert train.dataset == "films"


async def test_without_a_ready_dataset_the_pane_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    app = WorkbenchApp(tmp_path / "runs")
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await sees(pilot, "made by this program")
        pane = pane_of(app)
        missing = next(place for place, info in enumerate(pane._infos) if info.state in ("downloadable", "missing"))
        app.query_one("#datasets-list", VirtualTable).cursor = missing
        await pilot.press("enter")
        await until(pilot, lambda: "Download " in screen_text(app) or "is not on this machine" in screen_text(app))


async def test_the_words_that_have_substitutes_are_listed(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Lexicon({"stirring": ["rousing", "moving", "[/b]\x1b[2J", "d", "e", "f"], "funny": ["droll"]}, "a\x1btable")
    monkeypatch.setattr(lexicon, "choose", lambda *args, **options: table)
    app = WorkbenchApp(films)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "substitutes" in pane_text(app) and "tokens" in pane_text(app))
        check_cells(app)
        text = pane_text(app)
        assert "→ 16 words for the model, 15 different" in text
        words = text[text.index("tokens · ids · 400 train texts\n") :].split("\n")[1].split("  ")
        assert len([word for word in words if word.strip()]) == 16
        assert all(word.rsplit(" ", 1)[1].isdecimal() for word in words if word.strip())
        spelt = sum(
            bool(lexicon.character_variants(word)) for word in dict.fromkeys(SENTENCES[0][0].split()) | {"take": 0}
        )
        assert f"substitutes · {spelt} of 15 words · a␛table, misspelt" in text
        stirring, funny = (", ".join(lexicon.character_variants(word)) for word in ("stirring", "funny"))
        assert f"stirring rousing, moving, [/b]␛[2J, d +2 · {stirring}\n" in text
        assert f"funny droll · {funny}\n" in text


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (60, 16)])
async def test_no_size_breaks_the_pane(films: Path, size: tuple[int, int]) -> None:
    app = WorkbenchApp(films)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: pane_of(app).row is not None)
        await sees(pilot, "films · train", "Take 0")
        check_cells(app)


async def test_hostile_texts_are_seen_and_not_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    texts = [text.replace("\x00", "\u2400") for text in HOSTILE]
    rows = [(text, "[/b]" if place % 2 else "[@click=app.quit]x[/]\x1b[2J") for place, text in enumerate(texts)]
    adding.add("hostile", [write(tmp_path / "rows.csv", rows)], title="[bold]\x1b[2J", allow_rejects=True)
    app = WorkbenchApp(tmp_path / "runs")
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: pane_of(app).row is not None)
        for _ in range(len(rows)):
            number = app.query_one("#rows", VirtualTable).cursor
            await until(pilot, lambda: pane_of(app).row is not None and "→" in str(pane_text(app)))
            shown = check_cells(app)
            assert "[/b]" in shown or "[@click" in shown
            await pilot.press("l", "escape", "down")
            assert app.query_one("#rows", VirtualTable).cursor >= number
        await pilot.press("question_mark", "escape", "t")
        await pilot.pause()
        check_cells(app)


def pane_text(app: WorkbenchApp) -> str:
    return str(app.query_one("#detail", Static).visual)
