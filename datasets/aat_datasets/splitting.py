"""Which rows of a pool become dev and test: the first shares of each label's texts in the order of a hash, or its tail."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import sqrt
from typing import Any

from aat_datasets.card import Derive

__all__ = ["Cuts", "shuffled", "tail"]

_PRIME = 2**31 - 1


def shuffled(seed: int, digest: str = "digest") -> str:
    """SQL of a number per text, or whatever ``digest`` is of, that orders them anew for every seed.

    The digest is uniform already, so one multiplication modulo a prime does, many times faster than another hash.
    """
    factor = 1 + int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:8], "big") % (_PRIME - 1)
    return f"(({digest} % {_PRIME}) * {factor}::UBIGINT) % {_PRIME}"


class Cuts:
    """Where the texts of each label that are held out end, in the order of their numbers.

    Numbers are spread evenly, so that how many texts a label has says roughly where; the exact number is then found
    among the texts up to there. Neither are all numbers sorted, nor kept.

    Args:
        counts: how many rows each label has, by its index; one number where there are no labels.
        given: splits that the dataset has already.
    """

    def __init__(self, counts: Sequence[int], derive: Derive, given: set[str]) -> None:
        self._pool = derive.pool
        self._counts = counts
        shares = {name: 0.0 if name in given else getattr(derive, name) for name in ("test", "dev")}
        self._drawn = [name for name in ("dev", "test") if shares[name] > 0]
        self._tests = [_share(count, shares["test"]) for count in counts]
        self._both = [taken + _share(count, shares["dev"]) for count, taken in zip(counts, self._tests, strict=True)]
        self._room = 1.0

    def enough(self) -> str:
        """A condition over ``code`` and ``h`` that those to be held out should meet, and few others; wider every time."""
        limits: list[int] = []
        for count, taken in zip(self._counts, self._both, strict=True):
            share = taken / max(count, 1)
            reach = share + self._room * 6 * sqrt(share / max(count, 1))  # equal texts have one number: it may not do
            limits.append(min(_PRIME, int(_PRIME * reach)) if taken else 0)
        self._room *= 4
        return f"h < {_of_label(limits)}"

    def parts(self, con: Any, held: str) -> dict[str, str] | None:
        """Split → condition over ``code`` and ``h``, the pool last; None where ``held``, the rows with ``enough``, are not."""
        wanted = f"place = {_of_label(self._tests)} OR place = {_of_label(self._both)}"
        rows = con.execute(f"""
            SELECT code, place, h FROM (
                SELECT code, h, row_number() OVER (PARTITION BY code ORDER BY h) - 1 AS place FROM {held}
            ) WHERE {wanted}""").fetchall()
        found = {(code, place): h for code, place, h in rows}
        short = any(taken and (code, taken) not in found for code, taken in enumerate(self._both))
        if short and self._room < _PRIME:
            return None
        # The number after the last one taken: equal texts fall on one side.
        test_cut, dev_cut = (
            _of_label([found.get((code, taken), 0) if taken else 0 for code, taken in enumerate(counts)])
            for counts in (self._tests, self._both)
        )
        all_parts = {"dev": f"h >= {test_cut} AND h < {dev_cut}", "test": f"h < {test_cut}"}
        return {name: all_parts[name] for name in self._drawn} | {self._pool: f"h >= {dev_cut}"}


def tail(total: int, derive: Derive, given: set[str]) -> dict[str, str]:
    """Split → ``LIMIT … OFFSET …``: the last rows are test, those before them dev."""
    test = 0 if "test" in given else _share(total, derive.test)
    dev = 0 if "dev" in given else _share(total, derive.dev)
    kept = total - dev - test
    parts = {"dev": f"LIMIT {dev} OFFSET {kept}", "test": f"LIMIT {test} OFFSET {kept + dev}"}
    return {name: parts[name] for name, size in (("dev", dev), ("test", test)) if size} | {derive.pool: f"LIMIT {kept}"}


def _of_label(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"([{', '.join(map(str, values))}])[code + 1]"


def _share(count: int, share: float) -> int:
    """How many of ``count`` texts a share is: at least one where there are three, never all."""
    return 0 if count < 3 or share <= 0 else min(max(1, round(count * share)), (count - 1) // 2)
