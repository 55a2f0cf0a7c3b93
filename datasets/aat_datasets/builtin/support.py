"""The corpus ``support``: messages to a shop's customer service, their intent, and a reply.

It is synthetic: no customer wrote it. A grammar (``support/*.toml``) puts together what a message says of its intent,
sentences that carry weaker evidence beside it, small talk, and intents that are mentioned only to be waved aside
("i do not want a refund"), then misspells some words. So the intents share most of their words, a single word seldom
decides, and a bag of words does not get everything right. Some phrasings of each intent occur in dev and test only.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from aat_datasets.builtin.grammar import Expansion, chance, contract, count_words, pick, slip, with_case

__all__ = ["FOLDER", "SIZES", "labels", "messages", "titles"]

FOLDER = Path(__file__).parent / "support"
SIZES = {"train": 512, "dev": 64, "test": 64}
"""Messages of each intent."""

_UNSEEN = 0.3  # share of dev and test messages that use a phrasing train does not have
_SHORTEST, _LONGEST = 5, 32  # words


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


@cache
def _grammar() -> tuple[Phrases, dict[str, Intent]]:
    def read(name: str) -> dict[str, Any]:
        return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))

    tables = [read(f"intents_{group}.toml") for group in ("orders", "items", "account")]
    intents = {name: msgspec.convert(table[name], Intent) for table in tables for name in table}
    return msgspec.convert(read("phrases.toml"), Phrases), intents


def labels() -> list[str]:
    """The names of the intents."""
    return sorted(_grammar()[1])


def titles() -> dict[str, str]:
    """What each intent means, in words."""
    return {name: intent.title for name, intent in sorted(_grammar()[1].items())}


def messages(seed: int) -> dict[str, list[tuple[str, str, str]]]:
    """Split → (message, intent, reply), shuffled. No message occurs twice, in whatever split."""
    seen: set[str] = set()
    # The rarer splits choose first, so that none of their messages can be one of train's.
    made = {split: _split(split, SIZES[split], seed, seen) for split in ("test", "dev", "train")}
    return {split: made[split] for split in SIZES}


def _split(split: str, size: int, seed: int, seen: set[str]) -> list[tuple[str, str, str]]:
    rng = Random(f"support {seed} {split}")
    rows: list[tuple[str, str, str]] = []
    for intent in labels():
        kept = 0
        while kept < size:
            text, reply = _message(rng, intent, unseen=split != "train" and chance(rng, _UNSEEN))
            key = " ".join(re.findall(r"\w+", text.lower()))
            if key not in seen and _SHORTEST <= count_words(text) <= _LONGEST:
                seen.add(key)
                rows.append((text, intent, reply))
                kept += 1
    return [row for _, row in sorted((rng.random(), row) for row in rows)]


def _message(rng: Random, name: str, *, unseen: bool) -> tuple[str, str]:
    """One message of an intent and the reply to it."""
    phrases, intents = _grammar()
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
        kind = "hedge" if not _asks(ask) and chance(rng, 0.4) else "filler" if before else "opener"
        ask = f"{pick(rng, shared[kind])}, {ask}"
    closing = [say(pick(rng, shared["closing"]))] if chance(rng, 0.28) else []
    text = _write(rng, greeting, [*_joined(rng, before), ask, *_joined(rng, after), *closing], phrases.misspellings)
    mood = "cross" if cross else "greeted" if greeting else "plain"
    return text, _reply(rng, intent, say, pick(rng, phrases.opening[mood]))


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


def _joined(rng: Random, sentences: list[str]) -> list[str]:
    """Sentences, two of which may be one with "and"."""
    if len(sentences) >= 2 and chance(rng, 0.3):
        return [f"{sentences[0]} and {sentences[1]}", *sentences[2:]]
    return sentences


def _write(rng: Random, greeting: str, sentences: list[str], misspellings: dict[str, str]) -> str:
    """Sentences as somebody types them: carefully, in lower case, or in a hurry."""
    draw = rng.random()
    careful, hurried = draw < 0.45, draw > 0.8
    sentences = [contract(rng, sentence, 0.2 if careful else 0.75) for sentence in sentences]
    marks = ["?" if _asks(sentence) else "." for sentence in sentences]
    if careful:
        sentences = [with_case(sentence) for sentence in sentences]
    if hurried:
        parts = [sentence.replace("'", "") for sentence in ([greeting] if greeting else []) + sentences]
        text = pick(rng, [" ", ", ", " "]).join(parts)
    else:
        text = " ".join(sentence + mark for sentence, mark in zip(sentences, marks, strict=True))
        if greeting:
            mark = pick(rng, [",", "!", "."])
            if mark == "," and not text.startswith(("I ", "I'")):
                text = text[0].lower() + text[1:]
            text = f"{with_case(greeting) if careful else greeting}{mark} {text}"
    return _misspelt(rng, text, misspellings, 0.02 if careful else 0.06 if hurried else 0.03)


_QUESTION = re.compile(
    r"(where|what(?! a\b)|which|why|how|who|when(?! i\b)|can|could|may|is|are|am|has|have|will|would|does|did|should"
    r"|please can|do(?! not|n't)|any(?! help))\b(?!n't)"
)


def _asks(sentence: str) -> bool:
    """Whether a question mark belongs at the end: one of its clauses begins like a question."""
    return any(_QUESTION.match(clause) for clause in sentence.split(", "))


def _misspelt(rng: Random, text: str, misspellings: dict[str, str], share: float) -> str:
    """``share`` of the words misspelt, and far more of those that many people misspell."""

    def replace(match: re.Match[str]) -> str:
        word = match[0]
        if word in misspellings and chance(rng, 3 * share):
            return misspellings[word]
        return slip(rng, word) if chance(rng, share / 2) else word

    return re.sub(r"[A-Za-z]+(?:'[a-z]+)?", replace, text)
