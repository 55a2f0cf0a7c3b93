"""How near written texts are to wanted ones: BLEU over words, chrF over characters. Nothing here imports torch."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Sequence

__all__ = ["Wanted", "bleu", "bleu_counts", "bleu_of", "chrf", "words_of"]

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
    counts = [bleu_counts(own, other) for own, other in zip(written, wanted, strict=True)]
    return bleu_of([sum(column) for column in zip(*counts, strict=True)]) if counts else 0.0


def bleu_counts(own: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """What one text adds to :func:`bleu`: runs of 1 to 4 words that are wanted, all its runs, its words, those wanted."""
    found: list[int] = []
    there: list[int] = []
    for n in range(WORDS):
        runs = _runs(own, n + 1)
        there.append(sum(runs.values()))
        found.append(sum((runs & _runs(wanted, n + 1)).values()))
    return [*found, *there, len(own), len(wanted)]


def bleu_of(counts: Sequence[float]) -> float:
    """BLEU of the sums of :func:`bleu_counts`."""
    found, there, (own, wanted) = counts[:WORDS], counts[WORDS : 2 * WORDS], counts[2 * WORDS :]
    if not all(found):
        return 0.0
    precision = math.exp(sum(math.log(a / b) for a, b in zip(found, there, strict=True)) / WORDS)
    return precision * min(1.0, math.exp(1 - wanted / own))


def chrf(written: Sequence[str], wanted: Sequence[str]) -> float:
    """The mean over texts of chrF2, 0 … 1 (Popović 2015): runs of 1 to 6 characters, blanks left out.

    Each text's is the F score of mean precision and mean recall over the lengths that either text has runs of. 1 for two empty
    texts, 0 where no text is given.
    """
    scores = [Wanted(other).chrf(own) for own, other in zip(written, wanted, strict=True)]
    return sum(scores) / len(scores) if scores else 0.0


class Wanted:
    """A text that others are compared with, counted once."""

    def __init__(self, text: str) -> None:
        self._text = "".join(text.split())
        self._counts = [_strings(self._text, n + 1) for n in range(CHARACTERS)]

    def chrf(self, text: str) -> float:
        """chrF2 of one text, as :func:`chrf`."""
        own = "".join(text.split())
        if own == self._text:
            return 1.0
        precisions: list[float] = []
        recalls: list[float] = []
        for n, theirs in enumerate(self._counts, 1):
            mine = _strings(own, n)
            if not mine and not theirs:
                break
            common = sum(min(count, theirs[run]) for run, count in mine.items() if run in theirs)
            precisions.append(common / max(1, len(own) - n + 1))
            recalls.append(common / max(1, len(self._text) - n + 1))
        precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
        if not precision and not recall:
            return 0.0
        return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _strings(text: str, length: int) -> Counter[str]:
    return Counter([text[at : at + length] for at in range(len(text) - length + 1)])


def _runs(text: Sequence[Hashable], length: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(text[at : at + length]) for at in range(len(text) - length + 1))
