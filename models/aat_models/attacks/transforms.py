"""What an edit may be: functions from a word to the words that may stand in its place.

Random ones draw from the ``random.Random`` they are given, so that an attack decides what its choices depend on.

In a word with Chinese characters a letter is a character: one is replaced by another of the same sound, put in by being
typed twice, and one that denies, or a number, stays as it is.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from aat_datasets.chinese import has_han
from aat_datasets.chinese.characters import FEWEST_CHOICES, KEPT, homophones, lookalikes
from aat_datasets.typos import KEYBOARD

if TYPE_CHECKING:
    from aat_models.attacks.attempt import Attempt

__all__ = [
    "LOOKALIKES",
    "Propose",
    "Surface",
    "combine",
    "delete",
    "insert",
    "lookalike",
    "misspellings",
    "split",
    "substitute",
    "surface_words",
    "swap",
]

Surface = Callable[[str], Sequence[str]]
"""A closed attack surface: the substitutes of a word, never the word itself."""

_HOMOPHONES = 3  # of a character, among the misspellings of a Chinese word

Propose = Callable[["Attempt", int], Sequence[str]]
"""What may be put at a position of the text under attack."""

LOOKALIKES = {
    "-": "˗", "0": "o", "1": "l", "3": "ʒ", "6": "б", "a": "а", "b": "ƅ", "c": "с", "d": "ԁ", "e": "е", "f": "ƒ", "g": "ɡ",
    "h": "һ", "i": "і", "j": "ј", "k": "κ", "l": "ӏ", "m": "м", "n": "ո", "o": "о", "p": "р", "q": "ԛ", "r": "ⲅ", "s": "ѕ",
    "t": "т", "u": "ս", "v": "ѵ", "w": "ԝ", "x": "х", "y": "у", "z": "ᴢ",
}  # fmt: skip
"""Characters that look alike (homoglyphs): such as lower-casing and Unicode normalisation (NFKC) leave as they are."""


def combine(*surfaces: Surface) -> Surface:
    """The union of surfaces, in their order, without repeats; each word is looked up once and remembered."""
    known: dict[str, tuple[str, ...]] = {}

    def substitutes(word: str) -> tuple[str, ...]:
        found = known.get(word)
        if found is None:
            merged = dict.fromkeys(other for surface in surfaces for other in surface(word))
            merged.pop(word, None)
            found = known[word] = tuple(merged)
        return found

    return substitutes


def surface_words(attempt: Attempt, position: int) -> Sequence[str]:
    """What the attack's surface has for a word."""
    return attempt.substitutes(position)


def swap(word: str, rng: random.Random, margin: int = 0) -> str | None:
    """Two neighbouring, differing characters exchanged, none of the outermost ``margin``; None where there are none."""
    margin = _margin(word, margin)
    places = [i for i in range(margin, len(word) - 1 - margin) if word[i] != word[i + 1]]
    if has_han(word):
        places = [i for i in places if KEPT.isdisjoint(word[i : i + 2])]
    if not places:
        return None
    i = rng.choice(places)
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _margin(word: str, margin: int) -> int:
    """The outermost characters left alone: most Chinese words have two characters, and would have no edit with any."""
    return 0 if has_han(word) and len(word) < 4 else margin


def substitute(word: str, rng: random.Random) -> str | None:
    """One character replaced by another letter; a Chinese one by one of the same sound, None where there is none."""
    if has_han(word):
        return _replaced(word, rng, homophones)
    i = rng.randrange(len(word))
    letter = rng.choice([c for c in string.ascii_lowercase if c != word[i]])
    return word[:i] + letter + word[i + 1 :]


def insert(word: str, rng: random.Random) -> str | None:
    """One random letter put before a character, or at the end; a Chinese character typed twice."""
    if has_han(word):
        i = rng.choice([i for i, character in enumerate(word) if character not in KEPT] or [0])
        return word[: i + 1] + word[i:] if word[i] not in KEPT else None
    i = rng.randrange(len(word) + 1)
    return word[:i] + rng.choice(string.ascii_lowercase) + word[i:]


def delete(word: str, rng: random.Random, margin: int = 0) -> str | None:
    """One character left out, none of the outermost ``margin``; None where that leaves no choice or no word."""
    margin = _margin(word, margin)
    places = list(range(margin, len(word) - margin))
    if has_han(word):
        places = [i for i in places if word[i] not in KEPT]
    if len(word) < 2 or not places:
        return None
    i = places[rng.randrange(len(places))]
    return word[:i] + word[i + 1 :]


def split(word: str, rng: random.Random) -> str | None:
    """A space put between two characters; None for a word of one character."""
    if len(word) < 2:
        return None
    i = rng.randrange(1, len(word))
    return f"{word[:i]} {word[i:]}"


def lookalike(word: str, rng: random.Random) -> str | None:
    """One character replaced by one that looks alike; None where none has such a one."""
    if has_han(word):
        return _replaced(word, rng, lookalikes)
    places = [i for i, character in enumerate(word) if character.lower() in LOOKALIKES]
    if not places:
        return None
    i = rng.choice(places)
    return word[:i] + LOOKALIKES[word[i].lower()] + word[i + 1 :]


def misspellings(word: str, rng: random.Random) -> list[str]:
    """Every swap, drop and neighbouring key inside a word, and a random letter put in at every place inside it.

    The first and the last character stay. Pruthi et al. 2019; each once, never the word itself. A Chinese word has every
    swap, every inner drop, every character twice, and three of the same sound for each.
    """
    if has_han(word):
        return _chinese_misspellings(word)
    inside = range(1, len(word) - 1)
    found = [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inside if i + 2 < len(word)]
    found += [word[:i] + word[i + 1 :] for i in inside]
    found += [word[:i] + key + word[i + 1 :] for i in inside for key in KEYBOARD.get(word[i].lower(), "")]
    found += [word[:i] + rng.choice(string.ascii_lowercase) + word[i:] for i in range(1, len(word))]
    return [other for other in dict.fromkeys(found) if other != word]


def _chinese_misspellings(word: str) -> list[str]:
    places = [i for i, character in enumerate(word) if character not in KEPT]
    found = [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in places if i + 1 in places]
    found += [word[:i] + word[i + 1 :] for i in places if 0 < i < len(word) - 1]
    found += [word[:i] + other + word[i + 1 :] for i in places for other in homophones(word[i])[:_HOMOPHONES]]
    found += [word[: i + 1] + word[i:] for i in places]
    return [other for other in dict.fromkeys(found) if other != word]


def _replaced(word: str, rng: random.Random, choices: Callable[[str], str]) -> str | None:
    """One Chinese character replaced by one of its choices; None where none has any."""
    places = [i for i, character in enumerate(word) if character not in KEPT and choices(character)]
    if not places:
        return None
    i = rng.choice(places)
    return word[:i] + rng.choice(choices(word[i])[:FEWEST_CHOICES]) + word[i + 1 :]
