"""Character variants: the typing slips an adversary may use in place of a word.

Four kinds, one of each where the word allows it: two letters swapped, one dropped, one inserted, one replaced by its
neighbour on the keyboard (the edits of Pruthi et al. 2019, "Combating adversarial misspellings with robust word
recognition"). A reader still recognises the word, since its first letter, and in words of four letters and more its
last, stays where it is. Chinese words have slips of their own: see ``aat_datasets.chinese.characters``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache

from aat_datasets.chinese import has_han
from aat_datasets.chinese.characters import is_word, variant_kinds

__all__ = ["KEYBOARD", "character_variants"]

# The letters beside each letter on a QWERTY keyboard, the likeliest slip first.
KEYBOARD = {
    "a": "sqwz", "b": "vngh", "c": "xvdf", "d": "sfer", "e": "wrsd", "f": "dgrt", "g": "fhty", "h": "gjyu",
    "i": "uojk", "j": "hkui", "k": "jlio", "l": "kop", "m": "njk", "n": "bmhj", "o": "ipkl", "p": "ol",
    "q": "wa", "r": "etdf", "s": "adwe", "t": "ryfg", "u": "yihj", "v": "cbfg", "w": "qeas", "x": "zcsd",
    "y": "tugh", "z": "xas",
}  # fmt: skip

# Common short words: a slip that makes one of these is read as that word and not as a slip.
_SHORT_WORDS = """
no not now nor and any are ask bad bag ban bar bat bed bet big bit boy bug but buy bye can cap car cat con cost cut
dad day did die dog don due ear eat end eye far fat few fit fix for from fun gas get god got had has hat her him his
hit hot how if in is it its job key kid lat law let lie lot low mad man map may men met mix mom my net new nice none
note of off old on one or our out own pad pan pay pen per pet pop put ran red rid ring run sad sat saw say sea see set
she sir sit six so son sue sun tax tea ten than that the them then they this tie tip to ton too top toy try two us use
van war was way we well were wet what when who why will win with won yes yet you your card care cart cast fast file
fill fine fire find form good gold hand hard hate have hear heat here hold hole home hope hour land last late left
less life like line list live lose loss lost love made mail main make male many mark meal mean meet mind miss more
most move much must name near need next once only open pack paid part past pick plan play post pull push rate read
real rest ride rise role room rule safe said sale same save seen sell send sent ship shop show side sign size slow
some soon sort stop such sure take talk tell test text time told took tool turn type used very view wait walk wall
want wear week went wish word work year
"""
_COMMON = frozenset(_SHORT_WORDS.split())


@lru_cache(maxsize=65_536)
def character_variants(word: str, limit: int = 4) -> tuple[str, ...]:
    """At most ``limit`` misspellings of ``word``: a swap, a drop, an insertion, a neighbouring key.

    They follow from the word alone: the same on every machine and in every run. Words under three characters, and
    tokens with no letter that may change (numbers, punctuation, ``n't``), have none. A Chinese word has, from one
    character on, a homophone, a look-alike, two characters swapped, one left out or typed twice. Other characters that
    are not typed letter by letter are left alone.
    """
    if has_han(word):
        start = zlib.crc32(word.encode("utf-8", "surrogatepass"))
        return _one_of_each([kind(word, start >> shift) for kind, shift in variant_kinds(word)], word, limit, is_word)
    if limit <= 0 or len(word) < 3 or (len(word) == 3 and not word.isalpha()):
        return ()
    end = len(word) - 1 if len(word) > 3 else len(word)
    places = [i for i in range(1, end) if word[i].isalpha() and word[i] < "\u2e80"]
    if not places:
        return ()
    start = zlib.crc32(word.encode("utf-8", "surrogatepass"))
    kinds = [kind(word, places, start >> shift) for kind, shift in _KINDS]
    return _one_of_each(kinds, word, limit, _COMMON.__contains__)


def _one_of_each(kinds: list[Iterator[str]], word: str, limit: int, taken: Callable[[str], bool]) -> tuple[str, ...]:
    """One of every kind first; only where a kind has nothing to offer does another give a second one."""
    found: dict[str, None] = {}
    while kinds and len(found) < limit:
        for kind in list(kinds):
            variant = next((v for v in kind if v not in found and v != word and not taken(v)), None)
            if variant is None:
                kinds.remove(kind)
            elif len(found) < limit:
                found[variant] = None
    return tuple(found)


def _swap(word: str, places: list[int], start: int) -> Iterator[str]:
    for i in _turned(places, start):
        if i + 1 in places and word[i] != word[i + 1]:
            yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _drop(word: str, places: list[int], start: int) -> Iterator[str]:
    for i in _turned(places, start):
        yield word[:i] + word[i + 1 :]


def _insert(word: str, places: list[int], start: int) -> Iterator[str]:
    """A finger that hits the key beside it as well."""
    for i in _turned(places, start):
        keys = KEYBOARD.get(word[i].lower(), "")
        yield word[: i + 1] + (keys[start % len(keys)] if keys else word[i]) + word[i + 1 :]


def _neighbour(word: str, places: list[int], start: int) -> Iterator[str]:
    for i in _turned(places, start):
        keys = KEYBOARD.get(word[i].lower(), "")
        if keys:
            yield word[:i] + keys[start % len(keys)] + word[i + 1 :]


def _turned(places: list[int], start: int) -> list[int]:
    """The places, beginning at one that the word's hash picks."""
    first = start % len(places)
    return places[first:] + places[:first]


_KINDS: tuple[tuple[Callable[[str, list[int], int], Iterator[str]], int], ...] = (
    (_swap, 0),
    (_drop, 5),
    (_insert, 10),
    (_neighbour, 15),
)
