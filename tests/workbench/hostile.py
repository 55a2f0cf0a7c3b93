"""Texts that no screen, page or table expects, drawn with a seed; and what must not be left of them where they are shown."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator

__all__ = ["BROKEN", "PARTS", "SENTINEL", "left_over", "obeyed", "texts", "whole"]

SENTINEL = "1337"
"""A number in every terminal sequence of these texts and in none of the app's own."""

ESC, BEL, ST = "\x1b", "\x07", "\x1b\\"

PARTS: dict[str, tuple[str, ...]] = {
    "markup": (
        "[bold red]", "[/b]", "[/", "[@click=app.quit]x[/]", "[@click='app.bell']", "[link=http://evil]y[/link]", "\\[",
        "[/@]", "[on #ff0000]", "[$error]", "[[", "]]", "[not markup", "[@", ":warning:", "[#", "[1;31m",
    ),
    "sequences": (
        f"{ESC}[{SENTINEL}m", f"{ESC}[2;{SENTINEL}J", f"{ESC}[{SENTINEL}H", f"{ESC}[?{SENTINEL}h", f"{ESC}c{SENTINEL}",
        f"{ESC}]52;c;aGk={SENTINEL}{BEL}", f"{ESC}]0;title{SENTINEL}{ST}",
        f"{ESC}]8;;http://evil/{SENTINEL}{ST}x{ESC}]8;;{ST}",
        f"{ESC}P{SENTINEL}q#0;2;0;0;0{ST}", f"{ESC}_G{SENTINEL}{ST}", f"{ESC}^{SENTINEL}{ST}", f"{ESC}X{SENTINEL}{ST}",
        f"{ESC}[{SENTINEL}n", f"{ESC}[{SENTINEL};5u", f"{ESC}#8", f"{ESC}(0", f"{ESC}N", ESC, f"{ESC}[", f"{ESC}]",
        f"{ESC}[200~", f"{ESC}[<0;1;1M",
    ),
    "controls": (
        "\x00", "\x07", "\x08", "\x0b", "\x0c", "\x0e", "\x0f", "\x11", "\x13", "\x18", "\x1a", "\x7f", "\r", "\r\n",
        "\n", "\t",
        "\x80", "\x84", "\x85", "\x88", "\x8d", "\x90", "\x9b31m", "\x9b2J", "\x9c", "\x9d52;c;aGk=\x9c", "\x9e",
        "\x9f", "\u2028", "\u2029",
    ),
    "bidi": ("\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e",
        "\u200f", "\u061c", "שלום", "مرحبا"),
    "hidden": ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u180e", "\u3164", "\uffa0",
    "\ufe0f", "\U000e0041", "\ufff9",
               "\u115f", "\u17b4", "\U0001d173", "\U000e0100", "\u2064", "\u206a"),
    "marks": ("e" + "\u0301" * 3, "Z" + "\u0300\u0301\u0302\u0303" * 40, "\u0301", "a\u20dd\u20e0", "\u0e01\u0e33",
        "\u0915\u094d\u0937\u093f", "\u0600"),
    "cells": ("中文文本", "ｗｉｄｅ", "한국어", "👩‍👩‍👧‍👦", "👍🏽", "🇨🇳🇩🇪", "1️⃣", "🏳️‍🌈", "\U0001f468\u200d\U0001f9b0", "﷽", "𒐫",
        "⸻"),
    "pages": (
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</title></svg>", "<svg onload=alert(1)>", "]]>",
        "<!--", "-->",
        "&lt;", "&#x1b;", "&", '"', "'", '" onclick="x', "<style>*{display:none}</style>", "javascript:alert(1)",
        "<a href='http://evil'>",
        "<![CDATA[", "<?xml?>", "<!DOCTYPE x [<!ENTITY e 'x'>]>", "\ufffe", "\uffff", "</text><script/>",
        "</td></table>",
    ),
    "sheets": ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"http://evil\")",
        '"", ""', ";", ",", "'=1"),
    "paths": ("../../etc/passwd", "C:\\x", "/dev/null", "~root", "a/b", "%2e%2e", "$(reboot)", "`reboot`", "%s%n",
        "{0}", "{}", "{x!r}", "--help", "-"),
    "documents": ("| a | b |", "**b**", "`c`", "[l](javascript:x)", "![i](x)", "# h", "~~~", "\\", "$x$", "- - -",
        "{{x}}", "null", "NaN", "1e999"),
    "plain": ("a", "film", "not", "good", "", " ", "  ", "word", "Ümläut", "é", "x" * 300),
}  # fmt: skip

BROKEN: tuple[str, ...] = ("\ud800", "\udfff", "\udc80", "a\udcffb", "\udc9b31m", "\ud83d", "\ude00\ud83d")
"""Lone surrogates: what bytes that are no UTF-8 become in arguments and names of files. No file of ours can hold them."""

_HIDDEN = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufe0f"
_CSI = re.compile("\x1b\\[([0-9;:?]*)([a-zA-Z])")


def texts(count: int, seed: int = 0, *, longest: int = 1_000_000) -> Iterator[str]:
    """``count`` texts; every 500th, and the 50th, has a word of ``longest`` characters, every 8th a lone surrogate."""
    dice = random.Random(seed)
    kinds = list(PARTS)
    for number in range(count):
        pieces = [dice.choice(PARTS[dice.choice(kinds)]) for _ in range(dice.randint(1, 7))]
        if number % 8 == 7:
            pieces.insert(dice.randrange(len(pieces) + 1), dice.choice(BROKEN))
        if number % 500 == 49:
            unit = dice.choice(["x", "中", "e\u0301", "\u200b", "[/b]", "\x1b[", "👩‍👧"])
            pieces.append((unit * (longest // len(unit) + 1))[:longest])
        if number % 97 == 0:  # any characters at all
            pieces.append("".join(chr(dice.randrange(0x110000)) for _ in range(8)))
        yield dice.choice(["", " ", " "]).join(pieces)


def whole(text: str) -> str:
    """``text`` as a file can hold it: without lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def left_over(shown: str, *, lines: bool = False) -> str:
    """Every character of ``shown`` that a terminal would obey, hide or reorder; with ``lines`` newlines may stand in it."""
    if shown.isascii() and shown.isprintable():
        return ""
    return "".join(
        character
        for character in set(shown)
        if (unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in _HIDDEN)
        and not (lines and character == "\n")
    )


def obeyed(data: bytes, finals: str) -> str:
    """What of the bytes that a terminal received it would obey, but for sequences ``ESC [ … FINAL`` of the app's own.

    Raises UnicodeDecodeError where they are no UTF-8.
    """
    foreign: list[str] = []

    def own(match: re.Match[str]) -> str:
        if match[2] not in finals or SENTINEL in match[1]:
            foreign.append(ascii(match.group()))
        return ""

    rest = _CSI.sub(own, data.decode("utf-8"))
    return "".join(foreign) + left_over(rest, lines=True)
