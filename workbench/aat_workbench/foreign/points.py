"""What every reader gives: points of curves in the order they were written."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["Point", "Reader"]


class Point(NamedTuple):
    """Values by name at ``x``; ``time`` is Unix time in seconds, 0 where it was not written.

    ``restart``: what was read for ``x`` or later no longer counts.
    """

    x: float
    time: float
    values: list[tuple[str, float]]
    restart: bool = False


class Reader(Protocol):
    """Reads one run's curves as they grow.

    Attributes:
        skipped: records or lines that could not be read.
        resets: how often the files were found anew; what was read before then no longer counts.
        behind: whether the last look stopped at its limit with more to read.
        unit: what ``x`` counts, for example ``step``.
    """

    @property
    def skipped(self) -> int: ...
    @property
    def resets(self) -> int: ...
    @property
    def behind(self) -> bool: ...
    @property
    def unit(self) -> str: ...

    def poll(self, limit: int = 1 << 18) -> list[Point]:
        """What came since the last look, of about ``limit`` bytes at most; never blocks."""
        ...

    def modified(self) -> float:
        """Unix time of the last write; 0 where there is no file."""
        ...
