"""Slips in Chinese words: another character of the same sound or of nearly the same look, two swapped, one left out.

Chinese is typed by its sound and chosen from a list, so the commonest slip is a homophone (Liu et al. 2010, "Visually and
phonologically similar characters in incorrect simplified Chinese words"): ``homophones.txt``, made by ``make_tables``.
``lookalikes.txt`` is written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from itertools import zip_longest

from aat_datasets.chinese import has_han

__all__ = [
    "FEWEST_CHOICES",
    "KEPT",
    "Homophones",
    "homophones",
    "lookalikes",
    "read_homophones",
    "variant_kinds",
]

Homophones = Mapping[str, str]
"""Character → others that sound alike, those of the same tone first, the most frequent first."""

FEWEST_CHOICES = 6
"""Homophones of a character that a slip picks from: the rest are rare characters, or another tone's."""

KEPT = frozenset("不没无非未别勿莫〇一二三四五六七八九十百千万亿两零半")
"""What a reader could not put right: characters that deny, and numbers. A slip neither changes nor makes one."""

Kind = Callable[[str, int], Iterator[str]]


def variant_kinds(word: str) -> tuple[tuple[Kind, int], ...]:
    """The kinds of slips in a word with Chinese characters, each with how far a hash is shifted to choose its place."""
    if len(word) == 1:
        return ((_homophone, 0), (_lookalike, 5))
    return ((_homophone, 0), (_lookalike, 5), (_swap, 10), (_drop if len(word) > 2 else _double, 15))


def is_word(text: str) -> bool:
    """Whether a slip's result would be read as a word of its own and not as a slip."""
    return text in _words()


def homophones(character: str) -> str:
    """Characters that sound like ``character``, the likeliest first; empty where none is known."""
    return _homophones().get(character, "")


def lookalikes(character: str) -> str:
    """Characters that look like ``character``; empty where none is known."""
    return _lookalikes().get(character, "")


def read_homophones(text: str) -> Homophones:
    """The table in a text of ``make_tables``."""
    table: dict[str, str] = {}
    for line in text.splitlines():
        tones = line.split("\t")[1:]
        for tone in tones:
            # Of the other tones' the most frequent of each first, then the second of each.
            others = "".join(
                c for same in zip_longest(*(t for t in tones if t is not tone), fillvalue="") for c in same
            )
            for character in tone:
                same = tone.replace(character, "")
                table[character] = "".join(c for c in same + others if c not in KEPT) if character not in KEPT else ""
    return table


def _replaced(word: str, start: int, choices: Callable[[str], str]) -> Iterator[str]:
    """``word`` with one character replaced, at every place that has choices; the hash says where it begins."""
    places = _turned([i for i, character in enumerate(word) if character not in KEPT and choices(character)], start)
    for rank in range(FEWEST_CHOICES):
        for i in places:
            found = choices(word[i])[:FEWEST_CHOICES]
            if rank < len(found):
                yield word[:i] + found[rank] + word[i + 1 :]


def _homophone(word: str, start: int) -> Iterator[str]:
    return _replaced(word, start, homophones)


def _lookalike(word: str, start: int) -> Iterator[str]:
    return _replaced(word, start, lookalikes)


def _swap(word: str, start: int) -> Iterator[str]:
    pairs = [i for i in range(len(word) - 1) if word[i] != word[i + 1] and has_han(word[i]) and has_han(word[i + 1])]
    for i in _turned(pairs, start):
        if KEPT.isdisjoint(word[i : i + 2]):
            yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _drop(word: str, start: int) -> Iterator[str]:
    for i in _turned([i for i in range(1, len(word) - 1) if has_han(word[i]) and word[i] not in KEPT], start):
        yield word[:i] + word[i + 1 :]


def _double(word: str, start: int) -> Iterator[str]:
    for i in _turned([i for i in range(len(word)) if has_han(word[i]) and word[i] not in KEPT], start):
        yield word[: i + 1] + word[i:]


def _turned(places: list[int], start: int) -> list[int]:
    first = start % len(places) if places else 0
    return places[first:] + places[:first]


@cache
def _homophones() -> Homophones:
    return read_homophones(_text("homophones.txt"))


@cache
def _lookalikes() -> dict[str, str]:
    table: dict[str, str] = {}
    for line in _text("lookalikes.txt").splitlines():
        if not line.startswith("#"):
            for character in line:
                known = table.get(character, "")
                table[character] = known + "".join(
                    c for c in line if c != character and c not in known and c not in KEPT
                )
    return table


@cache
def _words() -> frozenset[str]:
    return frozenset(_text("words.txt").split())


def _text(name: str) -> str:
    return (resources.files("aat_datasets") / "chinese" / name).read_text(encoding="utf-8")
