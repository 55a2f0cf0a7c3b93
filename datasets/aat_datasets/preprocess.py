"""Named cleaning steps, pure functions over text, and the pipeline a run keeps with its weights.

Tokens are the words between single spaces of what the last step gives.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

from aat_datasets import masking, word_forms
from aat_datasets.chinese import NORMAL_STEPS, has_han, is_segmented
from aat_datasets.chinese.segmentation import chinese_words
from aat_datasets.errors import ConfigError, UnknownNameError

__all__ = ["STEPS", "Pipeline", "normal_steps", "tokenise"]

_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.,])[+-]?\d+(?:[.,:/]\d+)*%?(?![\w])")
# A word of letters and digits with one mark after it: NLTK splits the mark off, and this is tens of times faster.
_MARKED = re.compile(r"([A-Za-z0-9]+)([.,;:!?])")
# A full stop after these ends no sentence, so that it stays with its word in the middle of a text.
_ABBREVIATIONS = frozenset(
    """al mr mrs ms dr st jr sr vs etc prof gen sen rep gov rev lt col sgt capt inc ltd co corp dept fig vol approx ave
    jan feb mar apr jun jul aug sep sept oct nov dec mt""".split()  # noqa: SIM905
)
# What NLTK splits although it holds letters only.
_CONTRACTED = frozenset(("cannot", "gimme", "gonna", "gotta", "lemme", "wanna"))
_CURLY = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})
_CLOSING = "\"')]}>”"
_CACHED = 48  # characters; longer words are rare and are not remembered
_STOPWORDS = frozenset(
    """a about above after again against all am an and any are as at be because been before being below between both
    but by can could did do does doing down during each few for from further had has have having he her here hers him
    his how i if in into is it its just me more most my of off on once only or other our out over own same she should
    so some such than that the their them then there these they this those through to too under until up very was we
    were what when where which while who whom why will with would you your""".split()  # noqa: SIM905
)


def unescape(text: str) -> str:
    """HTML character references → characters: ``&amp;`` → ``&``."""
    return html.unescape(text) if "&" in text else text


def normalise(text: str) -> str:
    """Unicode NFKC, and every run of blanks one space."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFKC", text)).split())


def strip_urls(text: str) -> str:
    """Remove web addresses."""
    return _without(_URL, text) if "://" in text or "www." in text.lower() else text


def strip_emails(text: str) -> str:
    """Remove e-mail addresses."""
    return _without(_EMAIL, text) if "@" in text else text


def strip_numbers(text: str) -> str:
    """Remove numbers that stand alone: ``3``, ``1,200.50``, ``12:30``; not the ``4`` of ``mp4``."""
    return _without(_NUMBER, text)


def strip_punctuation(text: str) -> str:
    """Remove punctuation and symbols (Unicode P and S); those inside a word go without a gap: ``don't`` → ``dont``."""
    kept = "".join(c for c in text if c.isalnum() or c.isspace() or unicodedata.category(c)[0] not in "PS")
    return kept if len(kept) == len(text) else " ".join(kept.split())


def tokenise(text: str) -> str:
    """Words and punctuation by NLTK's Treebank rules (``do n't``), joined by single spaces.

    NLTK's tokenizer expects one sentence; here the full stop of any sentence in the text is split off, except after
    an abbreviation. The rules look at one word between blanks at a time, so its tokens are remembered.
    """
    words = text.translate(_CURLY).split()
    if not words:
        return ""
    last = len(words) - 1
    found: list[str] = []
    for position, word in enumerate(words):
        if word.isascii() and word.isalnum() and word.lower() not in _CONTRACTED:
            found.append(word)
        else:
            split = _split if len(word) <= _CACHED else _split.__wrapped__
            found.append(split(word, position == last))
    return " ".join(found)


def segment(text: str) -> str:
    """Chinese words by jieba, joined by single spaces; what stands between blanks without a Chinese character: as tokenise.

    A text that is segmented already stays as it is, so that a word nobody knows is not taken apart when it is read again.
    """
    if not has_han(text):
        return tokenise(text)
    blocks = text.split()
    if is_segmented(blocks):
        return " ".join(blocks)
    found: list[str] = []
    for chinese, pieces in groupby(blocks, has_han):
        if chinese:
            found.extend(word for piece in pieces for word in chinese_words(piece))
        else:
            found.extend(tokenise(" ".join(pieces)).split(" "))
    return " ".join(found)


def remove_stopwords(text: str) -> str:
    """Remove English stop words: NLTK's list where its data are installed, else a short one of this package."""
    stop = _stop_words()
    words = text.split()
    kept = [word for word in words if word.lower() not in stop]
    return text if len(kept) == len(words) else " ".join(kept)


def truncated(words: int) -> Callable[[str], str]:
    """A step that keeps the first words of a text; a text that is short enough stays as it is."""

    def step(text: str) -> str:
        found = text.split(None, words)
        return " ".join(found[:words]) if len(found) > words else text

    return step


def _whole(text: str) -> str:
    """``deduplicate`` drops texts, not parts of one."""
    return text


STEPS: dict[str, Callable[[str], str]] = {
    "unescape": unescape,
    "normalise": normalise,
    "lowercase": str.lower,
    "strip_urls": strip_urls,
    "strip_emails": strip_emails,
    "strip_numbers": strip_numbers,
    "strip_punctuation": strip_punctuation,
    "tokenise": tokenise,
    "remove_stopwords": remove_stopwords,
    "stem": word_forms.stem,
    "lemmatise": word_forms.lemmatise,
    "mask_pii": masking.mask,
    "deduplicate": _whole,
    "truncate": truncated(256),
    "segment": segment,
}

_WITH_ARGUMENT: dict[str, Callable[[str], Callable[[str], str]]] = {
    "mask_pii": masking.masker,
    "truncate": lambda words: truncated(_positive("truncate", words)),
}
"""Steps that may be told more: ``truncate:100``, ``mask_pii:email+phone``."""


def normal_steps(language: str) -> tuple[str, ...]:
    """The preprocessing of a dataset in ``language`` that asks for none of its own."""
    return NORMAL_STEPS if language.split("-")[0] == "zh" else ("normalise", "lowercase", "tokenise")


class Pipeline:
    """Steps in order.

    ``deduplicate`` is the one step that looks at more than one text: a training leaves out train texts that equal an
    earlier one after the last step, and everything that handles one text at a time leaves it as it is. ``truncate:N`` keeps N
    words (``truncate``: 256); ``mask_pii:RULE+RULE`` masks what these rules find (``mask_pii``: all).

    Raises UnknownNameError for a name that is not in ``STEPS``, ConfigError for a step that cannot be told what it is.

    >>> Pipeline(["lowercase", "tokenise"]).words("It doesn't work.")
    ['it', 'does', "n't", 'work', '.']
    """

    def __init__(self, steps: Sequence[str]) -> None:
        self.steps = tuple(steps)
        self._functions = [_function(name) for name in steps]

    @property
    def deduplicates(self) -> bool:
        """Whether equal texts are to be dropped."""
        return "deduplicate" in self.steps

    def apply(self, text: str) -> str:
        """The text after the last step."""
        for function in self._functions:
            text = function(text)
        return text

    def words(self, text: str) -> list[str]:
        """The words between blanks of the text after the last step."""
        return self.apply(text).split()

    def trace(self, text: str) -> list[tuple[str, str]]:
        """``(step, text after it)`` for every step."""
        found: list[tuple[str, str]] = []
        for name, function in zip(self.steps, self._functions, strict=True):
            text = function(text)
            found.append((name, text))
        return found

    def run(self, texts: Iterable[str]) -> tuple[list[str], dict[str, int]]:
        """All texts, and for every step how many texts it changed (a step named twice: both together).

        As many texts come back as were given: ``deduplicate`` counts those that it would drop.
        """
        current = list(texts)
        changed = dict.fromkeys(self.steps, 0)
        for name, function in zip(self.steps, self._functions, strict=True):
            if name == "deduplicate":
                changed[name] += len(current) - len(set(current))
                continue
            after = [function(text) for text in current]
            changed[name] += sum(a != b for a, b in zip(after, current, strict=True))
            current = after
        return current, changed


def _function(step: str) -> Callable[[str], str]:
    name, colon, argument = step.partition(":")
    if name not in STEPS:
        raise UnknownNameError("preprocessing step", step, STEPS)
    if not colon:
        return STEPS[name]
    if name not in _WITH_ARGUMENT:
        raise ConfigError(f"preprocessing step {step!r}: {name} takes nothing after a colon")
    return _WITH_ARGUMENT[name](argument)


def _positive(step: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"preprocessing step {step}: expected a number of words, got {text!r}")
    return int(text)


def _without(pattern: re.Pattern[str], text: str) -> str:
    """``text`` without the matches; as it was, blanks included, where there is none."""
    stripped, count = pattern.subn(" ", text)
    return " ".join(stripped.split()) if count else text


@lru_cache(maxsize=1 << 16)
def _split(word: str, last: bool) -> str:
    """The tokens of one word between blanks, joined by spaces; ``last``: the text ends with it."""
    marked = _MARKED.fullmatch(word)
    if marked and marked[1].lower() not in _CONTRACTED:
        kept = marked[2] == "." and not last and _keeps_stop(word)
        return word if kept else f"{marked[1]} {marked[2]}"
    if last or not _keeps_stop(word):
        return " ".join(_tokenizer(word))
    # A word after it hides the full stop from the rule for the end of a text.
    return " ".join(_tokenizer(f"{word} x")[:-1])


def _keeps_stop(word: str) -> bool:
    """Whether a full stop at the end of ``word`` belongs to it: ``mr.``, ``b.``, ``u.s.``"""
    stem = word.rstrip(_CLOSING)
    if not stem.endswith(".") or stem.endswith(".."):
        return True
    stem = stem[:-1].lstrip("\"'([{<“").lower()
    return stem in _ABBREVIATIONS or len(stem) == 1 or "." in stem


@cache
def _nltk_tokenizer() -> Callable[[str], list[str]]:
    # nltk.tokenize imports every tokenizer there is; this module holds the one wanted.
    from nltk.tokenize.destructive import NLTKWordTokenizer  # pyright: ignore[reportMissingTypeStubs]

    return NLTKWordTokenizer().tokenize


def _tokenizer(text: str) -> list[str]:
    return _nltk_tokenizer()(text)


@cache
def _stop_words() -> frozenset[str]:
    try:
        from nltk.corpus import stopwords  # pyright: ignore[reportMissingTypeStubs]

        words: Any = stopwords
        return frozenset(words.words("english"))
    except LookupError:
        return _STOPWORDS
