"""``checklist``: changes that must not change a prediction: contractions, first names, numbers, places.

Ribeiro, Wu, Guestrin, Singh: Beyond Accuracy: Behavioral Testing of NLP Models with CheckList, 2020, its invariance tests.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from aat_models.attacks.attempt import Attempt, Change
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.search import Search, best_swap

__all__ = ["CHECKLIST", "contractions", "replacements"]

_DRAWN = 5  # replacements of a name, number or place

_NOT = "is are was were do does did has have had could would should must need"
_BE_HAVE_WILL = {
    "am": ("'m", "i"),
    "are": ("'re", "you we they"),
    "is": ("'s", "he she it that there what who where how"),
    "have": ("'ve", "i you we they should could would"),
    "will": ("'ll", "i you he she it we they who that"),
    "would": ("'d", "i you he she we they"),
}
_CONTRACTIONS = {
    **{f"{verb} not": f"{verb}n't" for verb in _NOT.split()},
    "can not": "can't",
    "will not": "won't",
    **{f"{first} {verb}": first + end for verb, (end, firsts) in _BE_HAVE_WILL.items() for first in firsts.split()},
}

# Names and places that are no other words of their language, so that they are recognised without a tagger.
_GROUPS: tuple[tuple[str, ...], ...] = tuple(
    tuple(group.split())
    for group in (
        """mary jennifer linda patricia elizabeth susan jessica sarah karen nancy lisa betty margaret sandra ashley emily
        michelle carol amanda melissa deborah stephanie rebecca laura sharon cynthia kathleen amy angela anna emma nicole
        helen samantha katherine christine debra rachel carolyn janet maria heather diane julie olivia sophia""",
        """james john robert michael david william richard joseph thomas charles christopher daniel matthew anthony donald
        steven paul andrew joshua kenneth kevin brian george timothy ronald edward jason jeffrey ryan jacob gary nicholas
        eric jonathan stephen larry justin scott brandon benjamin samuel gregory alexander patrick dennis jerry""",
        """china india indonesia brazil pakistan nigeria bangladesh russia mexico japan ethiopia philippines egypt vietnam
        germany iran thailand france italy kenya colombia spain argentina ukraine sudan algeria poland canada morocco
        angola uzbekistan malaysia peru venezuela ghana nepal australia chile sweden portugal greece belgium austria""",
        """london paris tokyo moscow berlin madrid rome beijing shanghai delhi mumbai istanbul karachi lagos cairo seoul
        jakarta lima bangkok tehran bogota chicago houston philadelphia dallas austin seattle denver boston detroit
        memphis portland baltimore milwaukee sacramento atlanta miami oakland cleveland toronto montreal sydney""",
        """北京 上海 广州 深圳 天津 重庆 南京 杭州 武汉 成都 西安 长沙 青岛 大连 厦门 苏州 沈阳 济南 郑州 昆明 宁波 合肥 福州 三亚
        桂林 香港 东京 伦敦 巴黎 纽约""",
        """中国 美国 英国 法国 德国 日本 韩国 印度 俄罗斯 意大利 西班牙 加拿大 巴西 埃及 泰国 越南 澳大利亚""",
    )
)


def search(attempt: Attempt) -> Search:
    moves: list[Change] = list(contractions(attempt))
    for position, word in enumerate(attempt.words):
        moves += [{position: other} for other in replacements(word, attempt.rng(position))]
    return best_swap(attempt, moves)


def contractions(attempt: Attempt) -> Iterator[Change]:
    """Every contraction written out, and every pair of words contracted, in the words the victim would read."""
    words = [word.lower() for word in attempt.words]
    present, apostrophe = set(words), any("'" in word for word in words)
    for long, short in _CONTRACTIONS.items():
        if present.issuperset(long.split()) or apostrophe:
            pieces = attempt.read(long), attempt.read(short)
            for old, new in (pieces, pieces[::-1]):
                for start in range(len(words) - len(old) + 1):
                    if words[start : start + len(old)] == [piece.lower() for piece in old]:
                        yield _replaced(attempt.words, start, len(old), new)


def _replaced(words: Sequence[str], start: int, count: int, new: Sequence[str]) -> Change:
    """``count`` words from ``start`` give way to ``new``: surplus ones go to the last place, missing ones leave gaps."""
    placed = [*new[: count - 1], " ".join(new[count - 1 :])]
    placed += [""] * (count - len(placed))
    placed[0] = _cased(placed[0], words[start])
    return {start + i: word for i, word in enumerate(placed) if word != words[start + i]}


def replacements(word: str, rng: random.Random) -> list[str]:
    """At most five others of the same kind for a first name, a country, a city or a whole number; nothing for other words."""
    if word.isascii() and word.isdigit() and word not in ("2", "4"):  # "2" and "4" also stand for words
        number = int(word)
        fifth = number // 5 + 1
        drawn = {rng.randint(max(0, number - fifth), number + fifth) for _ in range(_DRAWN)}
        return [str(other) for other in sorted(drawn - {number})]
    for group in _GROUPS:
        if word.lower() in group:
            return [_cased(other, word) for other in rng.sample([o for o in group if o != word.lower()], _DRAWN)]
    return []


def _cased(word: str, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


CHECKLIST = Recipe(
    name="checklist",
    goal=Untargeted(),
    transform="a contraction written out or made; a first name, whole number, country or city replaced by another",
    constraint="each word is edited once",
    strategy="the best change first, for as long as one helps",
    search=search,
    paper="Ribeiro et al. 2020, Beyond Accuracy: Behavioral Testing of NLP Models with CheckList",
    differences="names and places are recognised by a list of single words, not by a tagger; the paper tests each kind of "
    "change by itself",
    budget=1.0,
)
