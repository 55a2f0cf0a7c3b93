"""Parts of speech of words in their text, by NLTK's averaged perceptron tagger where its data is present.

A substitute is tagged in its place, with the words before it tagged as in the text without it: one step of the tagger
answers, not a pass over the text, and of that step only what names the word is done anew. (The tagger looks two words
ahead, so a pass over the edited text may tag the two words before anew too, and now and then the substitute with them.)
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["Tagger", "coarse", "open_tagger"]

_DATA = "nltk_data/taggers/averaged_perceptron_tagger_eng"
_COARSE = {
    "NN": "noun", "VB": "verb", "MD": "verb", "JJ": "adjective", "RB": "adverb", "PR": "pronoun", "WP": "pronoun",
    "DT": "determiner", "PD": "determiner", "WD": "determiner", "EX": "determiner", "WR": "adverb", "IN": "adposition",
    "CD": "number", "CC": "conjunction", "TO": "particle", "RP": "particle", "PO": "particle",
}  # fmt: skip


def coarse(tag: str) -> str:
    """The universal part of speech of a Penn Treebank tag, as in Petrov et al. 2012."""
    return _COARSE.get(tag[:2], "other")


class Tagger:
    """Tags with what NLTK's PerceptronTagger has learnt."""

    def __init__(self, perceptron: Any) -> None:
        self._perceptron = perceptron
        self._texts = functools.lru_cache(4096)(self._tag)
        self._places = functools.lru_cache(65_536)(self._place)
        self._contexts = functools.lru_cache(4096)(self._context)

    def tags(self, words: Sequence[str]) -> tuple[str, ...]:
        """The Penn tag of every word, as ``nltk.pos_tag`` has them."""
        return self._texts(tuple(words))

    def tag_at(self, words: Sequence[str], position: int, word: str) -> str:
        """The Penn tag of ``word`` in the place of ``words[position]``, the words before it tagged as they were."""
        known = self._perceptron.tagdict.get(word)
        if known:
            return known
        before = ("-START2-", "-START-", *self.tags(words)[:position])[-2:]
        near = words[max(0, position - 2) : position], words[position + 1 : position + 3]
        return self._places(before, tuple(near[0]), word, tuple(near[1]))

    def _tag(self, words: tuple[str, ...]) -> tuple[str, ...]:
        # NLTK's own pass asks a function for every tag of every word; this one shares its contexts with ``tag_at``.
        known = self._perceptron.tagdict
        tags = ["-START2-", "-START-"]
        for at, word in enumerate(words):
            near = words[max(0, at - 2) : at], words[at + 1 : at + 3]
            tags.append(known.get(word) or self._places((tags[-2], tags[-1]), near[0], word, near[1]))
        return tuple(tags[2:])

    def _place(self, before: tuple[str, ...], left: tuple[str, ...], word: str, right: tuple[str, ...]) -> str:
        scores = dict(self._contexts(before, left, right))
        weights = self._perceptron.model.weights
        for feature in _word_features(before[1], word, self._perceptron.normalize(word)):
            for tag, weight in weights.get(feature, {}).items():
                scores[tag] += weight
        best = max(scores.values())
        return max(tag for tag, score in scores.items() if score == best)

    def _context(self, before: tuple[str, ...], left: tuple[str, ...], right: tuple[str, ...]) -> dict[str, float]:
        """What the words around a place say for each tag: the same for every word that is tried there."""
        tagger = self._perceptron
        context = [*tagger.START, *map(tagger.normalize, left), "", *map(tagger.normalize, right), *tagger.END]
        features = tagger._get_features(len(left), "", context, before[1], before[0])
        scores = dict.fromkeys(tagger.model.classes, 0.0)
        for feature in features.keys() - set(_word_features(before[1], "", "")):
            for tag, weight in tagger.model.weights.get(feature, {}).items():
                scores[tag] += weight
        return scores


def _word_features(previous: str, word: str, normal: str) -> tuple[str, ...]:
    """The features of NLTK's tagger that name the word itself."""
    return f"i suffix {word[-3:]}", f"i pref1 {word[:1]}", f"i word {normal}", f"i-1 tag+i word {previous} {normal}"


def open_tagger() -> Tagger | None:
    """The tagger with data from ``AAT_MIRROR``/nltk_data or NLTK's own places; None where there is none."""
    return _open(os.environ.get("AAT_MIRROR", ""))


@functools.lru_cache(2)
def _open(mirror: str) -> Tagger | None:
    from nltk.tag import PerceptronTagger

    folder = Path(mirror) / _DATA
    if mirror and folder.is_dir():
        perceptron = PerceptronTagger(load=False)
        names = [f"{folder.name}.{part}.json" for part in ("weights", "tagdict", "classes")]
        perceptron.decode_json_params(json.loads((folder / name).read_text("utf-8")) for name in names)
        return Tagger(perceptron)
    try:
        return Tagger(PerceptronTagger())
    except LookupError:
        return None
