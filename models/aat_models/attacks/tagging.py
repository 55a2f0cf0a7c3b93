"""Parts of speech of words in their text, by NLTK's averaged perceptron tagger where its data is present.

A substitute is tagged in its place, with the words before it tagged as in the text without it: one step of the tagger
answers, not a pass over the text, and all substitutes of a word take it together. (The tagger looks two words ahead, so a
pass over the edited text may tag the two words before anew too, and now and then the substitute with them.)

The tagger is a table with a row of weights for each feature, a column for each tag. What a word adds as itself and as the
neighbour of another is summed once for each word. Sums are of whole thousandths, which is how NLTK's weights are rounded:
equal scores are equal, in whatever order they were added.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tagger", "coarse", "open_tagger"]

_DATA = "nltk_data/taggers/averaged_perceptron_tagger_eng"
_COARSE = {
    "NN": "noun", "VB": "verb", "MD": "verb", "JJ": "adjective", "RB": "adverb", "PR": "pronoun", "WP": "pronoun",
    "DT": "determiner", "PD": "determiner", "WD": "determiner", "EX": "determiner", "WR": "adverb", "IN": "adposition",
    "CD": "number", "CC": "conjunction", "TO": "particle", "RP": "particle", "PO": "particle",
}  # fmt: skip
_START, _START2, _END, _END2 = "-START-", "-START2-", "-END-", "-END2-"  # two words before a text, two behind it
_MOST_WORDS = 1 << 16  # words kept with their sums, 900 bytes each

_Scores = NDArray[np.int32]


def coarse(tag: str) -> str:
    """The universal part of speech of a Penn Treebank tag, as in Petrov et al. 2012."""
    return _COARSE.get(tag[:2], "other")


def _normal(word: str) -> str:
    """A word as the features of NLTK's tagger have it."""
    if "-" in word and word[0] != "-":
        return "!HYPHEN"
    if word[:1].isdigit():
        return "!YEAR" if len(word) == 4 and word.isdigit() else "!DIGITS"
    return word.lower()


@dataclass(frozen=True, slots=True)
class _Tagged:
    """A text (n words) with its tags, and the scores (n, tags) its other words give each place."""

    tags: tuple[str, ...]
    around: _Scores


class Tagger:
    """Tags with what NLTK's PerceptronTagger has learnt.

    Args:
        known: words that have one tag whatever stands beside them.
        weights: feature → tag → weight, in thousandths after rounding.
    """

    def __init__(self, known: Mapping[str, str], weights: Mapping[str, Mapping[str, float]] | None = None) -> None:
        weights = weights or {}
        self._known = known
        # Of tags that score alike NLTK takes the last by name; argmax takes the first.
        self._tags = sorted({tag for row in (*weights.values(), known.values()) for tag in row}, reverse=True)
        self._rows = {feature: number for number, feature in enumerate(weights)}
        self._none = len(self._rows)
        self._weights = self._table(weights)
        self._prefixes = {tag: f"i-1 tag+i word {tag} " for tag in [_START, *self._tags]}
        self._before = self._tag_pairs()
        self._texts = functools.lru_cache(4096)(self._tag)
        self._clear()

    def _table(self, weights: Mapping[str, Mapping[str, float]]) -> _Scores:
        """A row for each feature and one of zeros, (F + 1, tags)."""
        column = {tag: number for number, tag in enumerate(self._tags)}
        rows = np.repeat(np.arange(len(weights)), [len(row) for row in weights.values()])
        columns = [column[tag] for row in weights.values() for tag in row]
        values = np.array([value for row in weights.values() for value in row.values()], np.float64)
        table = np.zeros((len(weights) + 1, len(self._tags)), np.int32)
        table[rows, np.array(columns, np.intp)] = np.rint(1000 * values)
        return table

    def _tag_pairs(self) -> dict[tuple[str, str], _Scores]:
        """What the two tags before a word say of its own."""
        pairs = [(_START2, _START), *((_START, tag) for tag in self._tags)]
        pairs += [(first, second) for first in self._tags for second in self._tags]
        names = [(f"i-1 tag {b}", f"i-2 tag {a}", f"i tag+i-2 tag {b} {a}") for a, b in pairs]
        return dict(zip(pairs, self._sums(names), strict=True))

    def _sums(self, features: Sequence[Iterable[str]]) -> _Scores:
        """The weights of some features together, for each group of equally many of them, (groups, tags)."""
        found, none = self._rows.get, self._none
        rows = np.array([[found(name, none) for name in group] for group in features], np.intp)
        return self._weights[rows].sum(axis=1, dtype=np.int32)

    # words --------------------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self._numbers: dict[str, int] = {}
        self._normals: list[str] = []
        self._words = np.zeros((512, 5, len(self._tags)), np.int32)
        self._edges = self._number((_START, _START2, _END, _END2), as_is=True)

    def _number(self, words: Sequence[str], as_is: bool = False) -> NDArray[np.intp]:
        """The row of each word in ``_words``: what it says of itself and of the word after it, 2 after, before, 2 before."""
        new = [word for word in dict.fromkeys(words) if word not in self._numbers]
        if new:
            normals = [word if as_is else _normal(word) for word in new]
            found, none = self._rows.get, self._none
            rows = np.array(
                [
                    [
                        found(name, none)
                        for name in (
                            "bias", f"i suffix {word[-3:]}", f"i pref1 {word[:1]}", f"i word {normal}",
                            f"i-1 word {normal}", f"i-1 suffix {normal[-3:]}", f"i-2 word {normal}",
                            f"i+1 word {normal}", f"i+1 suffix {normal[-3:]}", f"i+2 word {normal}",
                        )
                    ]
                    for word, normal in zip(new, normals, strict=True)
                ],
                np.intp,
            )  # fmt: skip
            first, last = len(self._normals), len(self._normals) + len(new)
            while last > len(self._words):
                self._words = np.concatenate([self._words, np.zeros_like(self._words)])
            self._words[first:last] = np.add.reduceat(self._weights[rows], [0, 4, 6, 7, 9], axis=1)
            self._numbers.update(zip(new, range(first, last), strict=True))
            self._normals += normals
        return np.array([self._numbers[word] for word in words], np.intp)

    # texts --------------------------------------------------------------------------------------------------------

    def tags(self, words: Sequence[str]) -> tuple[str, ...]:
        """The Penn tag of every word, as ``nltk.pos_tag`` has them."""
        return self._texts(tuple(words)).tags

    def tag_at(self, words: Sequence[str], position: int, word: str) -> str:
        """The Penn tag of ``word`` in the place of ``words[position]``, the words before it tagged as they were."""
        return self.tags_at(words, position, [word])[0]

    def tags_at(self, words: Sequence[str], position: int, others: Sequence[str]) -> list[str]:
        """The Penn tag of each of ``others`` in the place of ``words[position]``, see :meth:`tag_at`."""
        text = self._texts(tuple(words))
        tags = [self._known.get(word, "") for word in others]
        open_ = [k for k, tag in enumerate(tags) if not tag]
        if open_:
            self._trim()
            numbers = self._number([others[k] for k in open_])
            before = text.tags[position - 1] if position else _START
            pairs = [self._pair(before, number) for number in numbers.tolist()]
            scores = self._words[numbers, 0] + text.around[position] + self._weights[pairs]
            for k, best in zip(open_, scores.argmax(axis=1).tolist(), strict=True):
                tags[k] = self._tags[best]
        return tags

    def _pair(self, before: str, number: int) -> int:
        """The row of a word together with the tag before it."""
        return self._rows.get(self._prefixes[before] + self._normals[number], self._none)

    def _trim(self) -> None:
        if len(self._normals) > _MOST_WORDS:
            self._clear()

    def _tag(self, words: tuple[str, ...]) -> _Tagged:
        self._trim()
        place = np.concatenate([self._edges[:2], self._number(words), self._edges[2:]])
        sums = self._words
        around = sums[place[1:-3], 1] + sums[place[:-4], 2] + sums[place[3:-1], 3] + sums[place[4:], 4]
        tags = [_START2, _START]
        for at, number in enumerate(place[2:-2].tolist()):
            around[at] += self._before[tags[-2], tags[-1]]
            known = self._known.get(words[at])
            if not known:
                scores = around[at] + sums[number, 0] + self._weights[self._pair(tags[-1], number)]
                known = self._tags[scores.argmax()]
            tags.append(known)
        return _Tagged(tuple(tags[2:]), around)


def open_tagger() -> Tagger | None:
    """The tagger with data from ``AAT_MIRROR``/nltk_data or NLTK's own places; None where there is none."""
    return _open(os.environ.get("AAT_MIRROR", ""))


@functools.lru_cache(2)
def _open(mirror: str) -> Tagger | None:
    folder = Path(mirror) / _DATA
    if mirror and folder.is_dir():
        weights, known = (
            json.loads((folder / f"{folder.name}.{part}.json").read_text("utf-8")) for part in ("weights", "tagdict")
        )
        return Tagger(known, weights)
    from nltk.tag import PerceptronTagger

    try:
        perceptron = PerceptronTagger()
    except LookupError:
        return None
    return Tagger(perceptron.tagdict, perceptron.model.weights)
