"""The corpus ``support``: messages to a shop's customer service, their intent, and a reply.

It is synthetic: no customer wrote it. A grammar (``support/*.toml``) puts together what a message says of its intent,
sentences that carry weaker evidence beside it, small talk, and intents that are mentioned only to be waved aside
("i do not want a refund"), then misspells some words. So the intents share most of their words, a single word seldom
decides, and a bag of words does not get everything right. Some phrasings of each intent occur in dev and test only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from random import Random

from aat_datasets.builtin.corpus import Corpus, Language
from aat_datasets.builtin.grammar import chance, contract, count_words, pick, slip, with_case

__all__ = ["CORPUS", "FOLDER", "SIZES"]

FOLDER = Path(__file__).parent / "support"
SIZES = {"train": 512, "dev": 64, "test": 64}
"""Messages of each intent."""


def _joined(rng: Random, sentences: list[str]) -> list[str]:
    """Sentences, two of which may be one with "and"."""
    if len(sentences) >= 2 and chance(rng, 0.3):
        return [f"{sentences[0]} and {sentences[1]}", *sentences[2:]]
    return sentences


def _write(rng: Random, greeting: str, sentences: list[str], misspellings: Mapping[str, str]) -> str:
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


def _misspelt(rng: Random, text: str, misspellings: Mapping[str, str], share: float) -> str:
    """``share`` of the words misspelt, and far more of those that many people misspell."""

    def replace(match: re.Match[str]) -> str:
        word = match[0]
        if word in misspellings and chance(rng, 3 * share):
            return misspellings[word]
        return slip(rng, word) if chance(rng, share / 2) else word

    return re.sub(r"[A-Za-z]+(?:'[a-z]+)?", replace, text)


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


CORPUS = Corpus(
    "support",
    FOLDER,
    SIZES,
    Language(
        write=_write,
        lead=lambda opener, sentence: f"{opener}, {sentence}",
        asks=_asks,
        join=_joined,
        words=count_words,
        key=_key,
        reply=str,
        shortest=5,
        longest=32,
    ),
)
