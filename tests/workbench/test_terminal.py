"""Nothing that a terminal would obey, hide or reorder passes the boundary, and nothing else is changed."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aat_workbench.terminal import shortened, utf8_locale, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ümläut, 中文, 👍", "plain text, ümläut, 中文, 👍"),
        ("\x1b[2J", "␛[2J"),
        ("a\x00b", "a␀b"),
        ("a\tb\nc\r", "a␉b␊c␍"),
        ("\x7f", "␡"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("\u202eabc\u2066", "⟨U+202E⟩abc⟨U+2066⟩"),
        ("a\u200bb\ufeff", "a⟨U+200B⟩b⟨U+FEFF⟩"),
        ("👩\u200d👧", "👩⟨U+200D⟩👧"),
        ("\ud800", "⟨U+D800⟩"),
        ("\u2028", "⟨U+2028⟩"),
        ("\u3164", "⟨U+3164⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
        ("e\u0301", "e\u0301"),
        ("e" + "\u0301" * 9, "e" + "\u0301" * 4 + "⟨+5 marks⟩"),
        ("", ""),
    ],
)
def test_what_a_terminal_obeys_or_hides_becomes_a_glyph(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_newlines_stay_where_lines_are_wanted() -> None:
    assert visible("a\nb\x1b", lines=True) == "a\nb␛"


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_no_control_format_or_surrogate_character_passes(text: str) -> None:
    shown = visible(text)
    for character in shown:
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        assert not 0x200B <= ord(character) <= 0x200F
        assert not 0x202A <= ord(character) <= 0x202E
    assert visible(shown) == shown
    shown.encode("utf-8")


def test_no_character_that_formats_passes() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            assert visible(character) != character, ascii(character)


def test_a_long_text_takes_no_time_to_speak_of() -> None:
    assert len(visible("a" * 5_000_000)) == 5_000_000


@pytest.mark.parametrize(
    ("variables", "utf8"),
    [
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C.utf8"}, True),
        ({"LANG": "C"}, False),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, False),
        ({"LC_CTYPE": "de_DE.ISO-8859-1"}, False),
    ],
)
def test_the_locale_says_whether_more_than_ascii_may_be_sent(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], utf8: bool
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert utf8_locale() is utf8


def test_a_text_that_is_too_long_says_how_much_is_left_out() -> None:
    assert shortened("a\x1b" * 3, 6) == "a␛a␛a␛"
    assert shortened("a\x1b" * 30_000, 3) == "a␛a… 59,997 characters more"
