"""What the widgets of the Adversarial and Generate panes make of words and numbers."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from aat_models.events import Edit
from aat_workbench.tui.widgets.bars import bar, decimal
from aat_workbench.tui.widgets.diff import character_changes, diff_words, edit_kind
from aat_workbench.tui.widgets.heat import Word, salience_words, superscript
from aat_workbench.tui.widgets.painted import clip, fit


@pytest.mark.parametrize(
    ("source", "target", "before", "after"),
    [
        ("moving", "moveing", (), ((3, 4),)),
        ("dull", "dul", ((3, 4),), ()),
        ("great", "grate", ((2, 3),), ((4, 5),)),
        ("fails", "fai1s", ((3, 4),), ((3, 4),)),
    ],
)
def test_characters_that_differ_are_found(source, target, before, after):
    assert character_changes(source, target) == (before, after)


def test_a_synonym_counts_as_changed_whole():
    assert character_changes("mess", "jumble") == (((0, 4),), ((0, 6),))


def test_a_word_of_a_hundred_kilobytes_is_not_compared_by_character():
    long = "a" * 100_000
    assert character_changes(long, long + "b") == (((0, 100_000),), ((0, 100_001),))


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ("moving", "moveing", "character added"),
        ("dull", "dul", "character dropped"),
        ("tired", "tierd", "characters swapped"),
        ("fails", "fai1s", "character changed"),
        ("mess", "jumble", "word replaced"),
        ("Film", "film", "letter case"),
        ("film", "", "word removed"),
    ],
)
def test_an_edit_is_told_in_words(source, target, kind):
    assert edit_kind(source, target) == kind


def test_diff_marks_the_edited_words_on_both_sides_in_the_order_of_the_edits():
    left, right = diff_words(["a", "dull", "tired", "cast"], [Edit(2, "tired", "tierd"), Edit(1, "dull", "dul")])
    assert [word.edit for word in left] == [0, 2, 1, 0]
    assert [word.text for word in right] == ["a", "dul", "tierd", "cast"]
    assert right[2].edit == 1


def test_diff_keeps_salience_only_where_it_fits_the_words():
    fits = [Word("a", "+1"), Word("dull", "+9")]
    left, right = diff_words(["a", "dull"], [Edit(1, "dull", "dul")], fits, [Word("other", "+1")])
    assert [word.number for word in left] == ["+1", "+9"]
    assert [word.number for word in right] == ["", ""]


def test_the_left_side_shows_where_edits_are_that_the_right_side_has_not():
    left, right = diff_words(["a", "b"], [Edit(0, "a", "x"), Edit(1, "b", "y")], made={2})
    assert [(word.text, word.edit) for word in left] == [("a", 1), ("b", 2)]
    assert [(word.text, word.edit) for word in right] == [("a", 0), ("y", 2)]


def test_an_edit_beyond_the_text_is_passed_over():
    left, _ = diff_words(["a"], [Edit(5, "x", "y"), Edit(-1, "a", "b")])
    assert left == [Word("a")]


def test_salience_is_told_in_shares_of_the_total():
    words = salience_words(["good", "not", "film"], [3.0, -1.0, 0.0])
    assert [word.number for word in words] == ["+75", "-25", "·"]
    assert words[0].heat == 1.0
    assert words[1].heat == pytest.approx(-1 / 3)


@pytest.mark.parametrize("scores", [[0.0, 0.0], [float("nan"), 1.0], []])
def test_salience_of_nothing_has_no_numbers(scores):
    assert all(not word.number for word in salience_words(["a", "b"], scores))


@pytest.mark.parametrize(
    ("p", "told"),
    [(0.0, ".00"), (0.001, "<.01"), (0.07, ".07"), (0.5, ".50"), (0.994, ".99"), (0.999, ">.99"), (1.0, "1.0")],
)
def test_probabilities_never_round_to_certainty(p, told):
    assert decimal(p) == told


def test_not_a_number_is_told():
    assert decimal(float("nan")) == "nan"
    assert bar(float("nan"), 4) == "    "


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.5, 0.999, 1, 7])
def test_a_bar_has_exactly_its_cells(share):
    assert cell_len(bar(share, 10)) == 10


def test_a_bar_of_little_is_not_empty():
    assert bar(0.0001, 10).strip()
    assert not bar(0, 10).strip()


@pytest.mark.parametrize(
    "text",
    ["plain", "中文字符很多很多", "\x1b[2J\x00", "a\u202eb", "e" + "\u0301" * 50, "👩‍👩‍👧 family", "x" * 1_000_000],
)
@pytest.mark.parametrize("cells", [0, 1, 5, 12])
def test_clipped_text_is_never_wider_than_its_cells(text, cells):
    assert cell_len(clip(text, cells)) <= cells
    assert cell_len(fit(text, cells)) == cells
    assert "\x1b" not in clip(text, cells)


def test_numbers_of_edits_are_raised():
    assert superscript(12) == "¹²"
