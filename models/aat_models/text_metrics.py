"""How near written texts are to wanted ones: BLEU over words, chrF over characters. Nothing here imports torch."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Sequence

__all__ = ["bleu", "chrf", "words_of"]

WORDS = 4  # longest run of words that BLEU counts
CHARACTERS = 6  # longest run of characters that chrF counts
_NAMED = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_MARK = re.compile(r"([{-~\[-` -&(-+:-@/])")  # ASCII marks but for ' , - and .
_BEFORE = re.compile(r"([^0-9])([.,])")
_AFTER = re.compile(r"([.,])([^0-9])")
_DASH = re.compile(r"([0-9])(-)")
BETA = 2.0  # how much more recall counts than precision in chrF


def words_of(text: str) -> list[str]:
    """The words and marks that published BLEU counts: tokens as ``mteval-v13a`` makes them, sacreBLEU's default (Post 2018).

    ASCII marks stand alone, a full stop or comma where no digit is on both sides; case is kept.
    """
    for name, character in _NAMED:
        text = text.replace(name, character)
    text = _MARK.sub(r" \1 ", f" {text} ")
    text = _BEFORE.sub(r"\1 \2 ", text)
    text = _AFTER.sub(r" \1 \2", text)
    return _DASH.sub(r"\1 \2 ", text).split()


def bleu(written: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU of texts given as words, one wanted text each, 0 … 1 (Papineni et al. 2002); without smoothing.

    The geometric mean of the shares of runs of 1 to 4 words that are wanted too, over all texts together, times a penalty where
    what is written is shorter altogether.
    """
    found, there = [0] * WORDS, [0] * WORDS
    lengths = [sum(map(len, texts)) for texts in (written, wanted)]
    for own, other in zip(written, wanted, strict=True):
        for n in range(WORDS):
            runs = _runs(own, n + 1)
            there[n] += sum(runs.values())
            found[n] += sum((runs & _runs(other, n + 1)).values())
    if not all(found):
        return 0.0
    precision = math.exp(sum(math.log(a / b) for a, b in zip(found, there, strict=True)) / WORDS)
    return precision * min(1.0, math.exp(1 - lengths[1] / lengths[0]))


def chrf(written: Sequence[str], wanted: Sequence[str]) -> float:
    """The mean over texts of chrF2, 0 … 1 (Popović 2015): runs of 1 to 6 characters, blanks left out.

    Each text's is the F score of mean precision and mean recall over the lengths that either text has runs of. 1 for two empty
    texts, 0 where no text is given.
    """
    scores = [_chrf("".join(own.split()), "".join(other.split())) for own, other in zip(written, wanted, strict=True)]
    return sum(scores) / len(scores) if scores else 0.0


def _chrf(own: str, other: str) -> float:
    if own == other:
        return 1.0
    precisions: list[float] = []
    recalls: list[float] = []
    for n in range(1, CHARACTERS + 1):
        mine, theirs = _runs(own, n), _runs(other, n)
        if not mine and not theirs:
            break
        common = sum((mine & theirs).values())
        precisions.append(common / max(1, sum(mine.values())))
        recalls.append(common / max(1, sum(theirs.values())))
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    if not precision and not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _runs(text: Sequence[Hashable], length: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(text[at : at + length]) for at in range(len(text) - length + 1))
