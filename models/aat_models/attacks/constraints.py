"""What an edit must not be. Constraints are masks over candidates and run before any query."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from aat_datasets.chinese import has_han, join_words
from aat_models.attacks.attempt import Attempt
from aat_models.attacks.checks import SentenceEncoder
from aat_models.attacks.tagging import Tagger, coarse
from aat_models.attacks.transforms import Propose

__all__ = [
    "CHINESE_STOP_WORDS",
    "STOP_WORDS",
    "Constraint",
    "EditDistance",
    "Fluency",
    "SamePart",
    "SentenceSimilarity",
    "WordDistance",
    "content_words",
    "max_edits",
    "where",
]

STOP_WORDS = frozenset(  # a text block, because a list of 200 quoted words cannot be read
    """
    a about above after again against ain all am an and any are aren aren't as at be because been before being below
    between both but by can couldn couldn't d did didn didn't do does doesn doesn't doing don don't down during each
    few for from further had hadn hadn't has hasn hasn't have haven haven't having he her here hers herself him himself
    his how i if in into is isn isn't it it's its itself just ll m ma me mightn mightn't more most mustn mustn't my
    myself needn needn't no nor not now o of off on once only or other our ours ourselves out over own re s same shan
    shan't she she's should should've shouldn shouldn't so some such t than that that'll the their theirs them
    themselves then there these they this those through to too under until up ve very was wasn wasn't we were weren
    weren't what when where which while who whom why will with won won't wouldn wouldn't y you you'd you'll you're
    you've your yours yourself yourselves 's n't 'll 're 've 'd 'm
    """.split()  # noqa: SIM905
)
"""English function words and the clitics a tokeniser splits off: published word-importance attacks leave them alone."""

CHINESE_STOP_WORDS = frozenset(
    """
    的 地 得 了 着 过 是 在 有 和 与 及 或 也 都 就 还 又 再 才 只 很 太 更 最 不 没 没有 别 我 你 您 他 她 它 我们 你们 他们 咱们
    自己 这 那 这个 那个 这些 那些 这里 那里 这儿 那儿 这样 那样 哪 哪里 哪个 什么 怎么 怎样 谁 几 多少 为什么
    吗 呢 吧 啊 呀 啦 嘛 哦
    把 被 让 给 对 从 到 向 往 为 为了 以 于 由 比 跟 同 因为 所以 但 但是 可是 不过 而 而且 如果 虽然 然后 并 并且 之
    其 所 者 个 一个
    一 上 下 里 中 后 前 时 能 会 可以 要 想 说 去 来
    """.split()  # noqa: SIM905
)
"""Chinese function words, for the same use."""


def max_edits(words: int, budget: float, least: int = 1, most: int | None = None) -> int:
    """How many of ``words`` may be edited: the share ``budget`` rounded up; a budget of 1 is no cap.

    Never under ``least``, never over ``most``, and never more than there are.
    """
    # 0.1 × 30 is a little over 3 in binary: without the margin it would round up to 4.
    share = max(least, math.ceil(budget * words - 1e-9))
    return min(words, share if most is None else min(share, most))


def content_words(
    words: Sequence[str], stop_words: frozenset[str] = STOP_WORDS | CHINESE_STOP_WORDS
) -> NDArray[np.bool_]:
    """Which words may be edited, (n,): those with a letter or digit that are no stop words."""
    return np.array([word.lower() not in stop_words and any(map(str.isalnum, word)) for word in words], np.bool_)


class Constraint(Protocol):
    """A mask over the substitutes of one word."""

    def allows(
        self, original: Sequence[str], current: Sequence[str], position: int, substitutes: Sequence[str]
    ) -> NDArray[np.bool_]:
        """Which of ``substitutes`` may stand at ``position`` of the text ``current``, once ``original``, (K,)."""
        ...


def where(propose: Propose, *constraints: Constraint | None) -> Propose:
    """Proposals that meet all the constraints; None is a constraint that could not be had."""

    def allowed(attempt: Attempt, position: int) -> Sequence[str]:
        words = propose(attempt, position)
        for constraint in constraints:
            if constraint is not None and words:
                mask = constraint.allows(attempt.original, attempt.words, position, words)
                words = [words[k] for k in np.flatnonzero(mask).tolist()]
        return words

    return allowed


class EditDistance:
    """Keeps the whole text within ``limit`` character edits (Levenshtein) of the original."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def allows(
        self, original: Sequence[str], current: Sequence[str], position: int, substitutes: Sequence[str]
    ) -> NDArray[np.bool_]:
        """Which of ``substitutes`` at ``position`` keep ``current`` within the limit of ``original``, (K,)."""
        elsewhere = sum(
            Levenshtein.distance(a, b)
            for i, (a, b) in enumerate(zip(original, current, strict=True))
            if i != position and a != b
        )
        spent = [elsewhere + Levenshtein.distance(original[position], word) for word in substitutes]
        # The sum over words bounds the text's distance from above; only where it is over the limit is the text needed.
        return np.array(
            [
                bound <= self.limit or self._whole(original, current, position, word) <= self.limit
                for bound, word in zip(spent, substitutes, strict=True)
            ],
            np.bool_,
        )

    def _whole(self, original: Sequence[str], current: Sequence[str], position: int, word: str) -> int:
        edited = [*current[:position], word, *current[position + 1 :]]
        return Levenshtein.distance(" ".join(original), " ".join(edited))


class SamePart:
    """Substitutes keep the word's part of speech, both tagged in their place in the original.

    Args:
        tagger: says what it is.
        verbs_for_nouns: whether nouns and verbs may replace each other (Jin et al. 2020).
    """

    def __init__(self, tagger: Tagger, verbs_for_nouns: bool = False) -> None:
        self._tagger = tagger
        self._either = {"noun", "verb"} if verbs_for_nouns else set[str]()

    def allows(
        self, original: Sequence[str], current: Sequence[str], position: int, substitutes: Sequence[str]
    ) -> NDArray[np.bool_]:
        if has_han(original[position]):  # the tagger knows English
            return np.ones(len(substitutes), np.bool_)
        own = coarse(self._tagger.tags(original)[position])
        parts = [coarse(tag) for tag in self._tagger.tags_at(original, position, substitutes)]
        return np.array([part == own or {part, own} <= self._either for part in parts], np.bool_)


class WordDistance:
    """Substitutes whose vector is near the original word's.

    Args:
        vectors: words → (K, E), a row of zeros for a word without a vector.
        cosine: the least cosine; a word without a vector is near nothing.
    """

    def __init__(self, vectors: Callable[[Sequence[str]], NDArray[np.floating]], cosine: float) -> None:
        self._vectors = vectors
        self._cosine = cosine

    def allows(
        self, original: Sequence[str], current: Sequence[str], position: int, substitutes: Sequence[str]
    ) -> NDArray[np.bool_]:
        rows = np.asarray(self._vectors([original[position], *substitutes]), np.float64)
        norms = np.linalg.norm(rows, axis=1)
        known = norms[1:] * norms[0] > 0
        cosines = np.divide(rows[1:] @ rows[0], norms[1:] * norms[0], out=np.zeros(len(substitutes)), where=known)
        return known & (cosines >= self._cosine)


class SentenceSimilarity:
    """Substitutes that leave the text's meaning where it was, as a sentence encoder sees it.

    As Jin et al. 2020 do it: what is compared is a window of words around the edit, in the text as it is now and with
    the substitute in it; texts shorter than the window are not checked. Costly, so it goes last among constraints.

    Args:
        encoder: says how near two texts are.
        least: the least cosine. Angular similarities, 1 − angle / π, are ranked alike: to keep an angle within ``a`` is
            to keep the cosine above cos ``a``.
        window: words compared, those beyond the text's ends not counted; 0: the whole text.
        short: check texts shorter than the window too, as a whole.
    """

    def __init__(self, encoder: SentenceEncoder, least: float, window: int = 15, short: bool = False) -> None:
        self._encoder = encoder
        self._least = least
        self._window = window
        self._short = short

    def cosines(self, current: Sequence[str], position: int, substitutes: Sequence[str]) -> NDArray[np.float64]:
        """The cosine of the window around ``position`` with what it is with each of ``substitutes``, (K,).

        1 where a short text is not checked. Six digits: what is beyond them is the encoder's rounding.
        """
        if not self._short and len(current) < self._window:
            return np.ones(len(substitutes))
        start, stop = self._around(len(current), position)
        left, right = current[start:position], current[position + 1 : stop]
        texts = [join_words((*left, middle, *right)) for middle in substitutes]
        return self._encoder.cosines(join_words(current[start:stop]), texts).round(6)

    def allows(
        self, original: Sequence[str], current: Sequence[str], position: int, substitutes: Sequence[str]
    ) -> NDArray[np.bool_]:
        """Which of ``substitutes`` keep the meaning of ``current`` around ``position``, (K,)."""
        return self.cosines(current, position, substitutes) >= self._least

    def nearest(self, current: Sequence[str], position: int, substitutes: Sequence[str]) -> list[str]:
        """Those it allows, the nearest in meaning first."""
        if not len(substitutes):
            return []
        cosines = self.cosines(current, position, substitutes)
        order: list[int] = np.argsort(-cosines, kind="stable").tolist()
        return [substitutes[k] for k in order if cosines[k] >= self._least]

    def _around(self, words: int, position: int) -> tuple[int, int]:
        if not self._window or words <= self._window:
            return 0, words
        start = min(max(0, position - self._window // 2), words - self._window)
        return start, start + self._window


class Fluency:
    """Substitutes that a language model finds not much less likely in their place than the word itself.

    As Jia et al. 2019 do it, after Alzantot et al. 2018: the text's log-probability with the substitute is at most
    ``limit`` nats (theirs: 5) below the text's own.

    Args:
        falls: a text's words, a position and substitutes → how far the log-probability falls with each, (K,).
        limit: in nats.
    """

    def __init__(
        self, falls: Callable[[Sequence[str], int, Sequence[str]], NDArray[np.floating]], limit: float = 5.0
    ) -> None:
        self._falls = falls
        self._limit = limit

    def allows(
        self, original: Sequence[str], current: Sequence[str], position: int, substitutes: Sequence[str]
    ) -> NDArray[np.bool_]:
        """Which of ``substitutes`` are likely enough at ``position`` of ``current``, (K,)."""
        return self._falls(current, position, substitutes) <= self._limit
