"""The boundary between text that comes from data, models or logs and a terminal.

Every printer and every widget sends such text through ``visible``: what a terminal would obey, hide or reorder becomes
a glyph that can be seen. Nothing here imports anything outside the standard library.
"""

from __future__ import annotations

import locale
import os
import re

__all__ = ["escaped", "shortened", "utf8_locale", "visible"]

# What a terminal obeys (C0, DEL, C1), reorders by (bidi controls), shows as nothing (zero-width and other ignorable
# characters, variation selectors, tags, fillers), joins to what follows (signs that enclose a number), takes for a line
# end (U+2028, U+2029) or cannot encode (lone surrogates). Variation selectors are here because terminals disagree about
# the width of what they follow.
_HIDDEN = (
    "\x00-\x1f\x7f-\x9f"
    "\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff"
    "\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_hidden = re.compile(f"[{_HIDDEN}]")
_hidden_but_newline = re.compile(f"(?!\n)[{_HIDDEN}]")
# A base character keeps four combining marks; more are counted, or a few kilobytes of them land in one cell.
_marks = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{5,}")
_DELETE = "␡"


def _glyph(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return _DELETE
    return f"⟨U+{code:04X}⟩"


def _fewer_marks(match: re.Match[str]) -> str:
    marks = match.group()
    return f"{marks[:4]}⟨+{len(marks) - 4} marks⟩"


def visible(text: str, *, lines: bool = False) -> str:
    """``text`` with every character a terminal would obey, hide or reorder turned into a visible glyph.

    C0 controls become their pictures (ESC → ``␛``, NUL → ``␀``), DEL becomes ``␡``, all others ``⟨U+202E⟩``. Text
    without such characters comes back as it is. With ``lines`` the newline stays a newline.
    """
    if text.isascii() and text.isprintable():
        return text
    shown = (_hidden_but_newline if lines else _hidden).sub(_glyph, text)
    return _marks.sub(_fewer_marks, shown)


def shortened(text: str, most: int) -> str:
    """``text`` made visible, of a longer one its first ``most`` characters and how many more there are."""
    more = len(text) - most
    return visible(text) if more <= 0 else f"{visible(text[:most])}… {more:,} characters more"


def escaped(line: str) -> str:
    """A line of JSON in which what a terminal would obey, hide or reorder is written ``\\u202e``: the same JSON."""
    return line if line.isascii() and "\x7f" not in line else _hidden.sub(_escape, line)


def _escape(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def utf8_locale() -> bool:
    """Whether the terminal may be sent characters beyond ASCII: what the environment's locale says."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return "utf8" in value.lower().replace("-", "")
    return "utf" in locale.getpreferredencoding(False).lower()
