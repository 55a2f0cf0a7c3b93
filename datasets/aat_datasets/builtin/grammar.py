"""From templates to text: alternatives, slots that stay the same within a message, contractions, slips of the fingers.

A template holds ``(a|b|)``, one of which is chosen afresh, and ``{name}``, a word from the slot lists. Everything
random is drawn from ``Random.random`` alone, whose sequence Python promises never to change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

__all__ = ["Expansion", "chance", "contract", "count_words", "pick", "slip", "with_case"]

T = TypeVar("T")

_CHOICE = re.compile(r"\(([^()]*)\)")
_SLOT = re.compile(r"\{(\w+?)(2?)\}")
_KEPT = frozenset({"product", "device", "garment", "parcel", "colour", "courier", "bank", "order", "amount", "family"})
_VOWEL = re.compile(r"\b(a) (?=[aeiou])")

_CONTRACTIONS = [
    (re.compile(rf"\b{long}(?= \w)"), short)
    for long, short in {
        "i am": "i'm", "i would": "i'd", "i will": "i'll", "you are": "you're", "it is": "it's", "that is": "that's",
        "what is": "what's", "where is": "where's", "there is": "there's", "do not": "don't", "does not": "doesn't",
        "did not": "didn't", "is not": "isn't", "was not": "wasn't", "are not": "aren't", "has not": "hasn't",
        "have not": "haven't", "had not": "hadn't", "will not": "won't", "cannot": "can't", "can not": "can't",
        "could not": "couldn't", "should not": "shouldn't",
    }.items()
]  # fmt: skip


def pick(rng: Random, items: Sequence[T]) -> T:
    """One of the items."""
    return items[int(rng.random() * len(items))]


def chance(rng: Random, share: float) -> bool:
    """True in ``share`` of the cases."""
    return rng.random() < share


class Expansion:
    """The words chosen for one message: what a slot said first it says throughout.

    Args:
        rng: draws every choice.
        slots: slot name → its words.
    """

    def __init__(self, rng: Random, slots: Mapping[str, Sequence[str]]) -> None:
        self.rng = rng
        self.slots = slots
        self.chosen: dict[str, str] = {}

    def __call__(self, template: str) -> str:
        """The template with every choice made."""
        while _CHOICE.search(template) or _SLOT.search(template):
            template = self._choose(template)
            template = _SLOT.sub(lambda match: self._word(match[1], match[2]), template)
        return _VOWEL.sub("an ", re.sub(r" +", " ", template).strip().replace(" ,", ","))

    def _word(self, slot: str, second: str) -> str:
        if slot == "number":
            return "".join(pick(self.rng, "123456789") for _ in range(5))
        name = slot.replace("device", "product") + second  # a device is the message's product
        if slot not in _KEPT:
            return pick(self.rng, self.slots[slot])
        if name not in self.chosen:
            taken = self.chosen.get(slot)
            self.chosen[name] = self._choose(pick(self.rng, [word for word in self.slots[slot] if word != taken]))
        return self.chosen[name]

    def _choose(self, template: str) -> str:
        return _CHOICE.sub(lambda match: pick(self.rng, match[1].split("|")), template)


def contract(rng: Random, sentence: str, share: float) -> str:
    """``do not`` → ``don't`` and its like, each in ``share`` of the cases."""
    for pattern, short in _CONTRACTIONS:
        if pattern.search(sentence) and chance(rng, share):
            sentence = pattern.sub(short, sentence)
    return sentence


def slip(rng: Random, word: str) -> str:
    """``word`` with one typing slip inside: two letters swapped, one left out, one doubled or one hit beside."""
    if len(word) < 4 or not word.isalpha():
        return word
    i = 1 + int(rng.random() * (len(word) - 2))
    kind = int(rng.random() * 4)
    if kind == 0 and i + 1 < len(word) - 1:
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    if kind == 1:
        return word[:i] + word[i + 1 :]
    if kind == 2:
        return word[: i + 1] + word[i:]
    return word[:i] + pick(rng, "aeionrst") + word[i + 1 :]


def with_case(sentence: str) -> str:
    """First letter and the word ``i`` in capitals."""
    sentence = re.sub(r"\bi\b(?!\.)", "I", sentence)
    return sentence[:1].upper() + sentence[1:]


def count_words(text: str) -> int:
    """Words as a reader counts them."""
    return len(text.split())
