"""Makes ``homophones.txt`` and ``words.txt`` anew: ``python -m aat_datasets.chinese.make_tables FOLDER``.

The tables are shipped, so that a word's variants are the same on every machine whatever is installed there. They come
from the readings of pypinyin and the counts in jieba's dictionary, both under the MIT licence. Needs both.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aat_datasets.chinese.characters import FEWEST_CHOICES, Homophones, read_homophones
from aat_datasets.chinese.segmentation import word_counts

CHARACTERS = 3500
"""The most frequent ones have homophones, and are homophones; jieba's dictionary says how frequent they are."""

_SOURCE, _RESULT = 20, 50  # counts in the dictionary from which a word is one to be mistaken, or to be taken for


def homophones(counts: dict[str, int]) -> str:
    """A line is a syllable: its characters of each tone, the most frequent first, tones apart by tabs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pypinyin  # pyright: ignore[reportMissingTypeStubs]

    library: Any = pypinyin
    frequent: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            if "\u4e00" <= character <= "\u9fff":
                frequent[character] += count
    ranked = sorted(frequent, key=lambda c: (-frequent[c], c))[:CHARACTERS]
    tones: dict[str, dict[str, str]] = defaultdict(dict)
    for character in ranked:
        reading: str = library.pinyin(character, style=library.Style.TONE3)[0][0]
        syllable = reading.rstrip("12345")
        tone = reading[len(syllable) :]
        tones[syllable][tone] = tones[syllable].get(tone, "") + character
    lines = ["\t".join([name, *(tones[name][tone] for tone in sorted(tones[name]))]) for name in sorted(tones)]
    return "\n".join(lines) + "\n"


def confusable_words(counts: dict[str, int], table: Homophones) -> str:
    """Common words that a single slip makes of another common word, one a line."""
    words = {word: count for word, count in counts.items() if 2 <= len(word) <= 3 and count}
    found = {
        other
        for word, count in words.items()
        if count >= _SOURCE
        for other in _slips(word, table)
        if words.get(other, 0) >= _RESULT and other != word
    }
    return "\n".join(sorted(found)) + "\n"


def _slips(word: str, table: Homophones) -> Iterator[str]:
    for i, character in enumerate(word):
        yield word[:i] + word[i + 1 :]
        for other in table.get(character, "")[:FEWEST_CHOICES]:
            yield word[:i] + other + word[i + 1 :]
        if i:
            yield word[: i - 1] + character + word[i - 1] + word[i + 1 :]


def main(folder: Path) -> None:
    counts = word_counts()
    text = homophones(counts)
    (folder / "homophones.txt").write_text(text, encoding="utf-8")
    (folder / "words.txt").write_text(confusable_words(counts, read_homophones(text)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
