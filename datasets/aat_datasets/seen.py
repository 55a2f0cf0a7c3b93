"""What a filter over a split has let through so far, so that its next page goes on where the last one ended."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from typing import Any

from aat_datasets.records import Row

__all__ = ["AHEAD", "Seen", "remember"]

AHEAD = 200  # rows that are found beyond what was asked for: the next page
_TEXTS = 2000  # rows of a filter that are remembered as they are
_LONG = 20_000  # characters of a text that is not remembered


class Seen:
    """Row numbers that passed, the latest rows themselves, and where reading goes on."""

    def __init__(self) -> None:
        self.rows = array("I")
        self.kept: OrderedDict[int, Row] = OrderedDict()
        self.position = 0
        self.ended = False

    def add(self, found: list[Row], wanted: int) -> None:
        """``found``: the next rows, fewer than ``wanted`` where there are no more."""
        self.ended = len(found) < wanted
        self.position = found[-1].row + 1 if found else self.position
        self.rows.extend(row.row for row in found)
        for row in found:
            if len(row.text) + len(row.target or "") <= _LONG:
                remember(self.kept, row.row, row, _TEXTS)


def remember(kept: OrderedDict[Any, Any], key: Any, value: Any, limit: int) -> None:
    """Put an entry last, and let the first go where there are too many."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > limit:
        kept.popitem(last=False)
