"""Chinese takes two cells a character: what is drawn, as a terminal emulator places it, lines up all the same."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pyte
import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult

from aat_models.events import AttackResult, Edit
from aat_workbench.cli.diff import diff
from aat_workbench.cli.output import print_table
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.run_tables import fold
from aat_workbench.tui.screens.adversarial import AdversarialPane
from aat_workbench.tui.themes import DARK
from aat_workbench.tui.widgets.diff import DiffView, Side, diff_words
from aat_workbench.tui.widgets.heat import Word, WordFlow, salience_words
from aat_workbench.tui.widgets.painted import fit
from aat_workbench.tui.widgets.table import Bar, Column, VirtualTable

from .pane_session import FakeSession
from .shell_support import check_cells, screen_text, until

WORDS = ["酒店", "的", "服务员", "非常", "热情", ",", "wifi", "快", ",", "房间", "也", "很", "干净"]
EDITS = [Edit(2, "服务员", "服务原"), Edit(12, "干净", "净干")]


def result_of(number: int) -> AttackResult:
    after = list(WORDS)
    for edit in EDITS:
        after[edit.position] = edit.target
    return AttackResult(
        id=number, text=" ".join(WORDS), adversarial=" ".join(after), label=1, prediction=1, adversarial_prediction=0,
        probabilities=[0.1, 0.9], adversarial_probabilities=[0.8, 0.2], edits=EDITS, queries=40, cache_hits=0,
        edited_share=0.15, status="success", trajectory=[0.9, 0.6, 0.2], seconds=0.1,
    )  # fmt: skip


def emulated(lines: Sequence[str], width: int) -> list[list[str]]:
    """The cells of lines on a terminal: a wide character, then an empty cell."""
    screen = pyte.Screen(width, len(lines))
    stream = pyte.Stream(screen)
    for number, line in enumerate(lines, start=1):
        stream.feed(f"\x1b[{number};1H{line}")
    return [[screen.buffer[y][x].data for x in range(width)] for y in range(len(lines))]


def column_of(cells: list[str], text: str) -> int:
    """The cell ``text`` begins at; it must be there."""
    wanted = [cell for c in text for cell in ([c, ""] if cell_len(c) == 2 else [c])]
    found = [x for x in range(len(cells)) if cells[x : x + len(wanted)] == wanted]
    assert found, f"{text!r} is not in {''.join(cells)!r}"
    return found[0]


class Flows(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name

    def compose(self) -> ComposeResult:
        yield WordFlow(id="flow")
        yield DiffView()
        yield VirtualTable([Column("row", 5, right=True), Column("text", 17), Column("share", 6), Column("label")])


def lines_of(app: App[None], selector: str) -> list[str]:
    widget = app.query_one(selector)
    return [widget.render_line(y).text for y in range(widget.size.height)]


async def test_columns_of_the_table_begin_at_the_same_cell_in_every_row() -> None:
    rows = [
        ("1", "plain text", Bar(1.0), "first"),
        ("2", "房间很大", Bar(1.0), "second"),
        ("33", "酒店的服务员非常热情,房间也很干净", Bar(1.0), "third"),
        ("444", "a酒店的服务员非常热情,房间也很干净", Bar(1.0), "fourth"),
        ("5", "👍好é", Bar(1.0), "fifth"),
    ]
    app = Flows()
    async with app.run_test(size=(60, 30)) as pilot:
        app.query_one(VirtualTable).set_list(rows)
        await pilot.pause()
        cells = emulated(lines_of(app, "VirtualTable")[:6], 60)
        assert {column_of(row, label) for row, (*_, label) in zip(cells[1:], rows, strict=True)} == {
            column_of(cells[0], "label")
        }
        assert {column_of(row, "██████") for row in cells[1:]} == {column_of(cells[0], "share")}


@pytest.mark.parametrize("width", [20, 33, 61])
async def test_a_number_stands_under_the_first_cell_of_its_word(width: int) -> None:
    scores = [random.Random(i).uniform(-1, 1) for i in range(len(WORDS))]
    words = salience_words(WORDS, scores)
    app = Flows()
    async with app.run_test(size=(width, 60)) as pilot:
        flow = app.query_one("#flow", WordFlow)
        flow.show(words)
        await pilot.pause()
        lines = lines_of(app, "#flow")
        assert all(cell_len(line) == width for line in lines)
        cells = emulated(lines, width)
        for index, line, start, end in flow._cells:
            word = words[index]
            assert end - start == max(cell_len(word.text), len(word.number))
            assert "".join(cells[line][start:end]).rstrip() == word.text
            assert "".join(cells[line + 1][start:end]).rstrip() == word.number


async def test_chinese_without_numbers_runs_on_and_edits_stay_marked() -> None:
    left, right = diff_words(WORDS, EDITS)
    app = Flows()
    async with app.run_test(size=(100, 40)) as pilot:
        app.query_one(DiffView).show(Side("原文 · 好评 .90", left), Side("对抗 · 差评 .80", right))
        await pilot.pause()
        before, after = ("\n".join(lines_of(app, selector)) for selector in ("#before-words", "#after-words"))
        assert before.split("\n")[0].startswith("酒店的[服务员]¹非常热情,wifi快,房间也很[干净]²")
        assert after.split("\n")[0].startswith("酒店的[服务原]¹非常热情,wifi快,房间也很[净干]²")
        screen = screen_text(app).split("\n")
        [row] = [row for row in screen if "服务员" in row]
        [title] = [row for row in screen if "原文" in row]
        both = emulated([title, row], 100)
        assert column_of(both[0], "对抗") == column_of(both[1], "酒店的[服务原]"), "under its heading"
        assert all(cell_len(line) == 100 for line in screen)


async def test_words_of_letters_keep_their_blanks() -> None:
    app = Flows()
    async with app.run_test(size=(40, 20)) as pilot:
        app.query_one("#flow", WordFlow).show([Word(word) for word in ("a", "dull", "film", ".")])
        await pilot.pause()
        assert lines_of(app, "#flow")[0].rstrip() == "a dull film ."


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_adversarial_pane_on_chinese_results(tmp_path, size: tuple[int, int]) -> None:
    session = FakeSession([result_of(3), result_of(14)])
    session.labels = ["差评", "好评"]
    async with WorkbenchApp(tmp_path, session, start_pane="adversarial").run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press("a")
        pane = pilot.app.query_one(AdversarialPane)
        await until(pilot, lambda: len(pane.table.results) == 2 and not pane.attacking)
        await until(pilot, lambda: "服务原" in screen_text(pilot.app))
        check_cells(pilot.app)
        table = [pane.table.render_line(y).text for y in range(pane.table.size.height)]
        cells = emulated(table, pane.table.size.width)
        rows = [row for row in cells if "✗" in row]
        assert len(rows) == 2 and all(cell_len(line) == pane.table.size.width for line in table)
        for text in ("broken", "好评 → 差评", "服务员→服务原"):
            assert len({column_of(row, text) for row in rows}) == 1


@pytest.mark.parametrize(
    "text", ["房间很大" * 30, "the loss of 房间 is " * 20, "short", "", "a " + "好" * 200, "x" * 300]
)
@pytest.mark.parametrize("width", [3, 8, 21, 60])
def test_a_log_line_is_folded_by_cells(text: str, width: int) -> None:
    lines = fold(text, width)
    assert len(lines) <= 8 and all(0 < cell_len(line) <= max(8, width) for line in lines)
    shown = "".join(lines).replace(" ", "")
    assert text.replace(" ", "").startswith(shown.removesuffix("…"))
    if cell_len(text) <= width:
        assert lines == ([text] if text else [])


@pytest.mark.parametrize("width", range(1, 12))
def test_a_clipped_text_fills_its_cells(width: int) -> None:
    for text in ("酒店的服务员", "a酒店的服务员", "好", "ab"):
        assert cell_len(fit(text, width)) == width and len(emulated([fit(text, width)], width)[0]) == width


# --- commands


def test_a_printed_table_lines_up(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        ["name", "rows", "title"], [("酒店评论", 9600, "first"), ("b", 3, "second"), ("新闻 titles", 120, "第三")]
    )
    cells = emulated(capsys.readouterr().out.split("\n")[:4], 60)
    assert {column_of(cells[1], "first"), column_of(cells[2], "second"), column_of(cells[3], "第三")} == {
        column_of(cells[0], "title")
    }
    assert {column_of(cells[1], "9600"), column_of(cells[2], "3") - 3, column_of(cells[3], "120") - 1} == {
        column_of(cells[0], "rows")
    }


def test_a_printed_diff_has_no_blanks_between_chinese_words() -> None:
    assert diff(result_of(1), ["差评", "好评"]).plain == (
        "好评 0.90 → 差评 0.80\n  酒店的[服务员→服务原]非常热情,wifi快,房间也很[干净→净干]"
    )
