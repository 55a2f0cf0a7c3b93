"""A corpus made from a grammar: what every language's has in common; how sentences are written is the language's own.

A message puts together what says its intent, sentences that carry weaker evidence beside it, small talk, and intents that
are mentioned only to be waved aside.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from aat_datasets.builtin.grammar import Expansion, chance, pick

__all__ = ["Corpus", "Intent", "Language", "Phrases"]

_UNSEEN = 0.3  # share of dev and test messages that use a phrasing train does not have


class Intent(msgspec.Struct, forbid_unknown_fields=True):
    """One intent's templates."""

    title: str
    rejects: list[str]
    ask: list[str]
    unseen: list[str]
    context: list[str]
    reply: list[str]


class Phrases(msgspec.Struct, forbid_unknown_fields=True):
    """What all intents share."""

    slots: dict[str, list[str]]
    shared: dict[str, list[str]]
    asides: dict[str, list[str]]
    misspellings: dict[str, str]
    opening: dict[str, list[str]]


@dataclass(frozen=True)
class Language:
    """How sentences become a message.

    Attributes:
        write: a greeting (or nothing) and sentences → the message as somebody types it.
        lead: what stands before the main sentence, and the sentence → both in one.
        asks: whether a sentence is a question.
        join: sentences → the same, two of which may have become one.
        words: the length of a message in words.
        key: what two messages share that count as the same.
        reply: the last touch to a reply.
        shortest, longest: of a message, in words.
    """

    write: Callable[[Random, str, list[str], Mapping[str, str]], str]
    lead: Callable[[str, str], str]
    asks: Callable[[str], bool]
    join: Callable[[Random, list[str]], list[str]]
    words: Callable[[str], int]
    key: Callable[[str], str]
    reply: Callable[[str], str]
    shortest: int
    longest: int


class Corpus:
    """Messages of a grammar.

    Args:
        name: of the corpus; another name is another sample.
        folder: holds ``phrases.toml`` and ``intents_*.toml``.
        sizes: split → messages of each intent.
        language: writes them.
    """

    def __init__(self, name: str, folder: Path, sizes: Mapping[str, int], language: Language) -> None:
        self.name = name
        self.folder = folder
        self.sizes = sizes
        self._language = language

    @cached_property
    def grammar(self) -> tuple[Phrases, dict[str, Intent]]:
        """What all intents share, and the intents by name."""

        def read(name: str) -> dict[str, Any]:
            return tomllib.loads((self.folder / name).read_text(encoding="utf-8"))

        tables = [read(f"intents_{group}.toml") for group in ("orders", "items", "account")]
        intents = {name: msgspec.convert(table[name], Intent) for table in tables for name in table}
        return msgspec.convert(read("phrases.toml"), Phrases), intents

    def labels(self) -> list[str]:
        """The names of the intents."""
        return sorted(self.grammar[1])

    def titles(self) -> dict[str, str]:
        """What each intent means, in words."""
        return {name: intent.title for name, intent in sorted(self.grammar[1].items())}

    def messages(self, seed: int) -> dict[str, list[tuple[str, str, str]]]:
        """Split → (message, intent, reply), shuffled. No message occurs twice, in whatever split."""
        seen: set[str] = set()
        # The rarer splits choose first, so that none of their messages can be one of train's.
        made = {split: self._split(split, self.sizes[split], seed, seen) for split in ("test", "dev", "train")}
        return {split: made[split] for split in self.sizes}

    def _split(self, split: str, size: int, seed: int, seen: set[str]) -> list[tuple[str, str, str]]:
        rng = Random(f"{self.name} {seed} {split}")
        rows: list[tuple[str, str, str]] = []
        for intent in self.labels():
            kept = 0
            while kept < size:
                text, reply = self._message(rng, intent, unseen=split != "train" and chance(rng, _UNSEEN))
                key = self._language.key(text)
                if key not in seen and self._language.shortest <= self._language.words(text) <= self._language.longest:
                    seen.add(key)
                    rows.append((text, intent, reply))
                    kept += 1
        return [row for _, row in sorted((rng.random(), row) for row in rows)]

    def _message(self, rng: Random, name: str, *, unseen: bool) -> tuple[str, str]:
        """One message of an intent and the reply to it."""
        phrases, intents = self.grammar
        language = self._language
        intent, shared = intents[name], phrases.shared
        say = Expansion(rng, phrases.slots)
        greeting = say(pick(rng, shared["greeting"])) if chance(rng, 0.3) else ""
        cross = chance(rng, 0.18)

        # The reply may name what the message's own sentences name, so those are expanded first.
        ask = say(pick(rng, intent.unseen if unseen else intent.ask))
        supporting = [say(sentence) for sentence in _some(rng, intent.context, (0.3, 0.52, 0.18))]
        extra: list[str] = []
        if chance(rng, 0.3):
            extra.append(say(pick(rng, phrases.asides[pick(rng, intent.rejects)])))
        if chance(rng, 0.22):
            extra.append(say(pick(rng, shared["small_talk"])))
        if cross:
            extra.append(say(pick(rng, shared["anger"])))
        before: list[str] = []
        after: list[str] = []
        for sentence in supporting + extra:
            (before if chance(rng, 0.45) else after).append(sentence)
        if chance(rng, 0.2):
            kind = "hedge" if not language.asks(ask) and chance(rng, 0.4) else "filler" if before else "opener"
            ask = language.lead(pick(rng, shared[kind]), ask)
        closing = [say(pick(rng, shared["closing"]))] if chance(rng, 0.28) else []
        sentences = [*language.join(rng, before), ask, *language.join(rng, after), *closing]
        text = language.write(rng, greeting, sentences, phrases.misspellings)
        mood = "cross" if cross else "greeted" if greeting else "plain"
        return text, language.reply(_reply(rng, intent, say, pick(rng, phrases.opening[mood])))


def _reply(rng: Random, intent: Intent, say: Expansion, opening: str) -> str:
    """A reply that names the product where the message names it."""
    thing = say.chosen.get("product") or say.chosen.get("garment")
    garment = "garment" in say.chosen and "product" not in say.chosen
    if garment:
        fitting = [line for line in intent.reply if "{garment}" in line]
        fitting = fitting or [line for line in intent.reply if "{product}" in line]
    elif thing:
        fitting = [line for line in intent.reply if "{product}" in line]
    else:
        fitting = []
    line = pick(rng, fitting or [line for line in intent.reply if "{" not in line])
    return opening + line.replace("{product}", thing or "").replace("{garment}", thing or "")


def _some(rng: Random, items: Sequence[str], shares: tuple[float, float, float]) -> list[str]:
    """None, one or two of the items, by their shares."""
    draw = rng.random()
    if draw < shares[0]:
        return []
    first = pick(rng, items)
    if draw < shares[0] + shares[1]:
        return [first]
    return [first, pick(rng, [item for item in items if item != first])]
