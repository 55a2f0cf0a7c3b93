"""What Chinese needs that English does not: words where no blanks are, text without blanks again, slips of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["HAN", "NORMAL_STEPS", "has_han", "is_segmented", "join_words", "spaced"]

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003347f"
"""Chinese characters, as the inside of a regular expression's brackets."""

NORMAL_STEPS = ("normalise", "lowercase", "segment")
"""The preprocessing of a Chinese dataset that asks for none of its own."""

_HAN = re.compile(f"[{HAN}]")
_MARK = re.compile(r"[^\w+#&.%-]")
_LONGEST_MEAN = 2.5  # characters of a segmented text's words; they have 1.6 to 2
_LEAST_HAN = 0.1  # of a Chinese text's letters; an English text that quotes a character has fewer


def has_han(text: str) -> bool:
    """Whether a text has a Chinese character."""
    return not text.isascii() and _HAN.search(text) is not None


def join_words(words: Sequence[str]) -> str:
    """Words as running text: by single spaces, but in a Chinese text only between words of letters and digits.

    Empty words are left out. A text is Chinese where a tenth of its letters and digits are Chinese characters.

    >>> join_words(["房间", "很", "大", ",", "wifi", "ok", "!"])
    '房间很大,wifi ok!'
    >>> join_words(["a", "big", "room", "."])
    'a big room .'
    """
    shown = [word for word in words if word]
    return "".join(f" {word}" if gap else word for word, gap in zip(shown, spaced(shown), strict=True))


def spaced(words: Sequence[str]) -> list[bool]:
    """Before which of the words running text has a space: see ``join_words``; never before the first."""
    if not _is_chinese(words):
        return [place > 0 for place in range(len(words))]
    gaps = [False] * len(words)
    before = ""
    for place, word in enumerate(words):
        gaps[place] = bool(before and word) and _latin(before[-1]) and _latin(word[0])
        before = word or before
    return gaps


def is_segmented(pieces: Sequence[str]) -> bool:
    """Whether what stands between a text's blanks are words already, as a segmenter leaves them.

    Then there are several, none holds a mark beside a Chinese character, and they are short.
    """
    chinese = [piece for piece in pieces if has_han(piece)]
    if len(chinese) < 2 or any(_MARK.search(piece) for piece in chinese):
        return False
    return sum(len(_HAN.findall(piece)) for piece in chinese) <= _LONGEST_MEAN * len(chinese)


def _is_chinese(words: Sequence[str]) -> bool:
    text = "".join(words)
    if text.isascii():
        return False
    letters = sum(map(str.isalnum, text))
    return len(_HAN.findall(text)) >= _LEAST_HAN * max(letters, 1)


def _latin(character: str) -> bool:
    return character.isalnum() and _HAN.match(character) is None
