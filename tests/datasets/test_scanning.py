"""A scan finds what a plain loop over the rows finds, however the file is cut and whatever is forgotten on the way."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import duckdb
import pytest

from aat_datasets import scanning
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.scanning import Scan
from aat_datasets.selection import Selection, unit_of
from aat_datasets.tables import Table, histogram

LABELS = ["no", "yes", "it's"]
N = 5_000


@pytest.fixture(scope="module")
def texts() -> list[str]:
    draw = random.Random(7)
    words = ["Refund", "parcel", "late", "中文", "naïve", "[/b]", "x" * 40]
    between = [" "] * 20 + ["  ", "\n", "\t"]
    found: list[str] = []
    for row in range(N):
        parts = [draw.choice(words) for _ in range(draw.randrange(1, 30))]
        found.append("".join(part + draw.choice(between) for part in parts) + (str(row) if row % 3 else ""))
    found[4_321] = " the needle\n"
    return found


@pytest.fixture
def table(texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """A split in row groups of 2,048 rows, looked through in stretches of about that."""
    monkeypatch.setattr(scanning, "FIRST", 100)
    monkeypatch.setattr(scanning, "STRETCH", 2_048)
    lines = tmp_path / "rows.jsonl"
    rows = [{"row": row, "text": text, "label": row % 3} for row, text in enumerate(texts)]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "split.parquet"
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT row, text, label::INTEGER AS label FROM read_json('{lines}') ORDER BY row) TO '{path}'"
            " (FORMAT parquet, ROW_GROUP_SIZE 2048)"
        )
    made = Table(path, LABELS, ["row", "text", "label"], N)
    assert made.groups() == [0, 2_048, 4_096, N]
    return made


SELECTIONS = [
    (Selection(), lambda row, text: True),
    (Selection(contains="rEFUND"), lambda row, text: "refund" in text.lower()),
    (Selection(contains="needle"), lambda row, text: "needle" in text),
    (Selection(contains="there is none"), lambda row, text: False),
    (Selection(label="it's", shortest=3, longest=9), lambda row, text: row % 3 == 2 and 3 <= len(text.split()) <= 9),
    (Selection(longest=50, unit="characters"), lambda row, text: len(text) <= 50),
    (Selection(where="row % 7 = 1 -- so", contains="late"), lambda row, text: row % 7 == 1 and "late" in text),
]


@pytest.mark.parametrize(("selection", "holds"), SELECTIONS)
@pytest.mark.parametrize("kept", [10**6, 50])
def test_a_scan_finds_what_a_loop_finds(table, texts, selection, holds, kept, monkeypatch) -> None:
    monkeypatch.setattr(scanning, "KEPT", kept)
    wanted = [row for row, text in enumerate(texts) if holds(row, text)]
    scan = Scan(table, selection)
    steps = 0
    while scan.advance():
        steps += 1
        assert scan.rows(0, N) == (wanted if not selection.any else [row for row in wanted if row < scan.scanned])
    assert steps == 2
    assert scan.complete and scan.scanned == N and scan.total == scan.counted == len(wanted)
    assert not scan.advance()
    other = table.beside()
    assert scan.rows(0, N, other) == wanted
    for start in range(0, len(wanted), 377):
        assert scan.rows(start, start + 90, other) == wanted[start : start + 90]
    for row in (0, 1, 2_047, 2_048, 4_321, N - 1):
        assert scan.place(row, other) == sum(found < row for found in wanted)
    assert scan.rows(len(wanted), len(wanted) + 9) == []
    if selection.any:
        assert len(scan.first) >= min(len(wanted), scanning.ENOUGH)
        shown = other.glimpses(wanted[: len(scan.first)], scanning.CUT, selection.unit)
        assert scan.first == shown
    size = len if selection.unit == "characters" else (lambda text: len(text.split()))
    assert scan.labels == {c: n for c in range(3) if (n := sum(row % 3 == c for row in wanted))}
    lengths = [size(texts[row]) for row in wanted]
    assert scan.lengths == {length: lengths.count(length) for length in set(lengths)}


def test_wrong_selections_are_said(table: Table) -> None:
    with pytest.raises(UnknownNameError, match="did you mean yes"):
        Scan(table, Selection(label="yess"))
    with pytest.raises(DataError, match="where"):
        Scan(table, Selection(where="row <"))
    with pytest.raises(DataError, match="nothing"):
        Scan(table, Selection(where="nothing = 1")).advance()
    with pytest.raises(DataError, match="Cannot access file"):
        Scan(table, Selection(where="row IN (SELECT 1 FROM read_csv('/etc/passwd'))")).advance()


def test_glimpses_come_in_the_order_asked_for_and_are_cut(table: Table, texts: list[str]) -> None:
    asked = [4_999, 3, 2_500, 4, 99_999]
    found = table.glimpses(asked, 20)
    assert [glimpse.row for glimpse in found] == asked[:4]
    for glimpse in found:
        text = texts[glimpse.row]
        assert (glimpse.text, glimpse.size, glimpse.characters) == (text[:20], len(text.split()), len(text))
        assert glimpse.label == LABELS[glimpse.row % 3]
        assert glimpse.whole is (len(text) <= 20)
    assert [glimpse.row for glimpse in table.glimpses(range(10, 300), 5, "characters")] == list(range(10, 300))
    assert table.glimpses([], 5) == []
    row = table.row(17)
    assert row is not None and row.text == texts[17]
    assert table.row(N) is None


def test_a_long_query_is_ended_from_another_thread(table: Table) -> None:
    import threading

    timer = threading.Timer(0.3, table.interrupt)
    timer.start()
    with pytest.raises(DataError, match="stopped"):
        table.query("SELECT sum(hash(a.range + b.range) % 7) FROM range(1000000) a, range(1000000) b")
    assert table.query("SELECT count(*) FROM texts") == [(N,)]


def test_a_selection_says_what_it_is() -> None:
    full = Selection(contains="a\x1b", label="no", shortest=3, longest=9, where="row > 1\nAND true")
    assert full.describe() == "label no, contains 'a\\x1b', 3–9 words, where row > 1 AND true"
    assert Selection(shortest=2, unit="characters").describe() == "at least 2 characters"
    assert Selection(shortest=4, longest=4).describe() == "4 words"
    assert Selection().describe() == "" and not Selection(where="  ").any
    assert [unit_of(language) for language in ("en", "zh", "zh-TW", "de")] == [
        "words", "characters", "characters", "words",
    ]  # fmt: skip


def test_histograms_hold_every_text() -> None:
    assert histogram({}, 5) == []
    assert histogram({3: 10}, 5) == [(3, 3, 10)]
    bins = histogram(dict.fromkeys(range(1, 101), 10) | {5_000: 3}, 10)
    assert sum(count for _, _, count in bins) == 1_003
    assert bins[0][0] == 1 and bins[-1][1] == 5_000
    assert all(after[0] == before[1] + 1 for before, after in itertools.pairwise(bins))
