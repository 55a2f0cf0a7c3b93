"""Which rows of a pool become dev and test: the first shares of each label's texts in the order of a hash, or its tail."""

from __future__ import annotations

import hashlib
from typing import Any

from aat_datasets.card import Derive

__all__ = ["conditions", "shuffled", "tail"]

_PRIME = 2**31 - 1


def shuffled(seed: int) -> str:
    """SQL of a number per text that orders texts anew for every seed.

    The digest is uniform already, so one multiplication modulo a prime does, many times faster than another hash.
    """
    factor = 1 + int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:8], "big") % (_PRIME - 1)
    return f"((digest % {_PRIME}) * {factor}::UBIGINT) % {_PRIME}"


def conditions(con: Any, keys: str, labels: int, derive: Derive, given: set[str]) -> dict[str, str]:
    """Split → condition over ``code`` and ``h``, the number that ``shuffled`` gives; the pool comes last.

    Args:
        con: a DuckDB connection.
        keys: a table of ``code`` (the index of the label) and ``h`` of every row of the pool.
        labels: how many there are; 0: the rows have none.
        given: splits that the dataset has already.
    """
    shares = {name: 0.0 if name in given else getattr(derive, name) for name in ("test", "dev")}
    cells = range(max(labels, 1))
    counts = dict(con.execute(f"SELECT code, count(*) FROM {keys} GROUP BY 1").fetchall())
    tests = [_share(counts.get(i, 0), shares["test"]) for i in cells]
    both = [taken + _share(counts.get(i, 0), shares["dev"]) for i, taken in enumerate(tests)]
    test_cut, dev_cut = _cuts(con, keys, tests, both)
    parts: dict[str, str] = {}
    if shares["dev"] > 0:
        parts["dev"] = f"h >= {test_cut} AND h < {dev_cut}"
    if shares["test"] > 0:
        parts["test"] = f"h < {test_cut}"
    parts[derive.pool] = f"h >= {dev_cut}"
    return parts


def tail(total: int, derive: Derive, given: set[str]) -> dict[str, str]:
    """Split → ``LIMIT … OFFSET …``: the last rows are test, those before them dev."""
    test = 0 if "test" in given else _share(total, derive.test)
    dev = 0 if "dev" in given else _share(total, derive.dev)
    kept = total - dev - test
    parts = {"dev": f"LIMIT {dev} OFFSET {kept}", "test": f"LIMIT {test} OFFSET {kept + dev}"}
    return {name: parts[name] for name, size in (("dev", dev), ("test", test)) if size} | {derive.pool: f"LIMIT {kept}"}


def _cuts(con: Any, keys: str, tests: list[int], both: list[int]) -> tuple[str, str]:
    """For each label the hash after the last one taken, as SQL: equal texts fall on one side."""
    rows = con.execute(f"""
        SELECT code, place, h FROM (
            SELECT code, h, row_number() OVER (PARTITION BY code ORDER BY h) - 1 AS place FROM {keys}
        ) WHERE place = {_of_label(tests)} OR place = {_of_label(both)}""").fetchall()
    found = {(code, place): h for code, place, h in rows}
    first, second = (
        _of_label([found.get((code, taken), 0) if taken else 0 for code, taken in enumerate(counts)])
        for counts in (tests, both)
    )
    return first, second


def _of_label(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"([{', '.join(map(str, values))}])[code + 1]"


def _share(count: int, share: float) -> int:
    """How many of ``count`` texts a share is: at least one where there are three, never all."""
    return 0 if count < 3 or share <= 0 else min(max(1, round(count * share)), (count - 1) // 2)
