"""A check finds what was put into a dataset: repeats, near repeats, wrong labels, odd characters, personal data."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aat_datasets import builtin, catalog
from aat_datasets.adding import add
from aat_datasets.checking import Check, check
from aat_datasets.label_noise import label_noise
from aat_datasets.near_duplicates import near_duplicates
from aat_workbench.cli.data import app


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def found(data_home: Path, tmp_path: Path) -> Check:
    rng = random.Random(0)
    words = [f"word{i}" for i in range(400)]
    rows = [{"text": " ".join(rng.choices(words, k=12)), "label": "ab"[i % 2]} for i in range(200)]
    train = [
        *rows[:120],
        *rows[:3],  # three repeats, one of them with another label
        {"text": rows[3]["text"], "label": "b" if rows[3]["label"] == "a" else "a"},
        {"text": rows[4]["text"] + "!", "label": "a"},
        {"text": "bell \a and bidi \u202e", "label": "a"},
        {"text": "zero\u200bwidth, mail a@b.org or c@d.org", "label": "b"},
    ]
    test = [*rows[120:], *rows[:5]]
    add("bad", [write(tmp_path / "train.jsonl", train), write(tmp_path / "test.jsonl", test)])
    return check(catalog.open_dataset("bad"))


def test_repeats_inside_and_across(found: Check) -> None:
    assert (
        found.duplicates["train"] + found.duplicates["dev"] == 4
    )  # dev is drawn from train: equal texts stay together
    assert found.across["test in train"] + found.across["test in dev"] == 5
    assert found.contradictions == 1
    assert len(found.repeated) == 5
    assert {len(one.labels) for one in found.repeated} == {1, 2}
    assert [one.count for one in found.repeated] == [3, 3, 3, 3, 2]


def test_near_repeats_are_found_and_equal_ones_are_not(found: Check) -> None:
    assert found.near_duplicates >= 1
    table = {split: catalog.open_dataset("bad").table(split) for split in found.rows}
    for pair in found.near:
        [one] = table[pair.split].window(pair.row, pair.row + 1)
        [other] = table[pair.other_split].window(pair.other_row, pair.other_row + 1)
        assert one.text != other.text
        assert one.text.rstrip("!") == other.text.rstrip("!")


def test_characters_and_personal_data(found: Check) -> None:
    assert found.controls == {"U+0007": 1, "U+202E RIGHT-TO-LEFT OVERRIDE": 1, "U+200B ZERO WIDTH SPACE": 1}
    assert (found.pii["email"], found.pii_rows) == (2, 1)


def test_near_duplicates_among_many() -> None:
    rng = random.Random(1)
    words = [f"{a}{b}" for a in "bcdfghjklm" for b in ("ana", "ello", "ink", "ost", "um")]
    texts = [" ".join(rng.choices(words, k=15)) for _ in range(2000)]
    planted = {i: texts[i].replace(" ", "  ", 1).capitalize() + " end" for i in range(0, 2000, 40)}
    pairs = near_duplicates([*texts, *planted.values()])
    places = {pair.second: pair.first for pair in pairs}
    hit = sum(places.get(2000 + at) == i for at, i in enumerate(planted))
    assert hit >= 0.9 * len(planted)
    assert len(pairs) <= len(planted) + 5
    assert near_duplicates(["", "a", "a", "same text here", "same text here"]) == []


def test_wrong_labels_come_first() -> None:
    rows = builtin.splits("support")["train"][:4000]
    names = builtin.labels("support")
    labels = [names.index(label) for _, label, _ in rows]
    rng = random.Random(2)
    wrong = set(rng.sample(range(len(rows)), 80))
    given = [rng.choice([c for c in range(len(names)) if c != y]) if i in wrong else y for i, y in enumerate(labels)]
    noise = label_noise([text for text, _, _ in rows], given, len(names))
    first = noise.suspects[:80]
    assert len(first) >= 60
    assert sum(one.place in wrong for one in first) >= 0.85 * len(first)
    assert sum(one.suggested == labels[one.place] for one in first if one.place in wrong) >= 0.85 * len(first)
    assert noise.accuracy > 0.8
    assert label_noise(["one"], [0], 2).suspects == []


def test_command(found: Check) -> None:
    result = CliRunner().invoke(app, ["check", "bad", "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["duplicates"] == found.duplicates
    shown = CliRunner().invoke(app, ["check", "bad"])
    assert "rows with U+0007" in shown.stdout
    assert "\x07" not in shown.stdout and "\u202e" not in shown.stdout
