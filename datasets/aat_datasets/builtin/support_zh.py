"""The corpus ``support-zh``: messages to a shop's customer service in Chinese, their intent, and a reply.

It is synthetic: no customer wrote it. It is made as ``support`` is, from a grammar of its own (``support_zh/*.toml``): the
same sixteen intents, phrased as people who shop in Chinese phrase them, with their greetings, fillers and slips of typing
by sound. The intents share most of their words. Some phrasings of each occur in dev and test only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from random import Random

from aat_datasets.builtin.corpus import Corpus, Language
from aat_datasets.builtin.grammar import chance, pick
from aat_datasets.chinese import HAN
from aat_datasets.chinese.characters import KEPT, homophones

__all__ = ["CORPUS", "FOLDER", "SIZES"]

FOLDER = Path(__file__).parent / "support_zh"
SIZES = {"train": 512, "dev": 64, "test": 64}
"""Messages of each intent."""

_CHARACTERS = re.compile(f"[{HAN}]|[A-Za-z0-9]+")
_CHOICES = 3  # homophones a slip picks from
_QUESTION = re.compile(
    r"吗|呢|怎么(?!也|输|按)|怎样|什么(?!都)|哪|多久|(?<!好)几(?!乎)|能不能|可不可以|是否|谁(?!也|的账号)|有没有|行不行|了没有$|还是在"
)


def _asks(sentence: str) -> bool:
    """Whether a question mark belongs at the end."""
    return _QUESTION.search(sentence) is not None


def _joined(rng: Random, sentences: list[str]) -> list[str]:
    """Sentences, two of which may be one."""
    if len(sentences) >= 2 and chance(rng, 0.3):
        return [sentences[0] + pick(rng, [",", ",而且", ",还有就是"]) + sentences[1], *sentences[2:]]
    return sentences


def _write(rng: Random, greeting: str, sentences: list[str], misspellings: Mapping[str, str]) -> str:
    """Sentences as somebody types them: carefully, with commas alone, or in a hurry."""
    draw = rng.random()
    careful, hurried = draw < 0.45, draw > 0.8
    if hurried:
        mark = pick(rng, [" ", " ", ""])
        parts = [sentence.replace(",", mark) for sentence in ([greeting] if greeting else []) + sentences]
        text = pick(rng, [" ", " ", "，"]).join(parts) + pick(rng, ["", "", "", "！！", "~"])
    elif careful:
        text = "".join(sentence.replace(",", "，") + ("？" if _asks(sentence) else "。") for sentence in sentences)
        text = greeting + pick(rng, ["，", "！", "。"]) + text if greeting else text
    else:
        asked = _asks(sentences[-1])
        parts = ([greeting] if greeting else []) + sentences
        text = "，".join(part.replace(",", "，") for part in parts) + pick(
            rng, ["？", ""] if asked else ["", "", "。", "~"]
        )
    return _misspelt(rng, text, misspellings, 0.01 if careful else 0.04 if hurried else 0.02)


def _misspelt(rng: Random, text: str, misspellings: Mapping[str, str], share: float) -> str:
    """``share`` of the characters as others of the same sound, and far more of the words many people get wrong."""
    for word, wrong in misspellings.items():
        if word in text and chance(rng, 2 * share):
            text = text.replace(word, wrong, 1)
    return re.sub(f"[{HAN}]", lambda match: _slip(rng, match[0], share / 2), text)


def _slip(rng: Random, character: str, share: float) -> str:
    if not chance(rng, share):
        return character
    choices = homophones(character)[:_CHOICES]
    return pick(rng, choices) if choices and character not in KEPT else character


def _length(text: str) -> int:
    return len(_CHARACTERS.findall(text))


def _key(text: str) -> str:
    return "".join(_CHARACTERS.findall(text.lower()))


CORPUS = Corpus(
    "support-zh",
    FOLDER,
    SIZES,
    Language(
        write=_write,
        lead=lambda opener, sentence: f"{opener},{sentence}",
        asks=_asks,
        join=_joined,
        words=_length,
        key=_key,
        reply=lambda text: text.replace(",", "，"),
        shortest=6,
        longest=60,
    ),
)
