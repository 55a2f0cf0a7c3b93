"""What commands that ingest have in common: a bar while it lasts, and how many rows came of it."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aat_workbench.terminal import shortened

if TYPE_CHECKING:
    from aat_datasets.sources import Progress

__all__ = ["progress_bar", "sizes"]


@contextmanager
def progress_bar(silent: bool) -> Generator[Progress | None]:
    """A bar on stderr that goes when the work is done; nothing where stderr is no terminal."""
    if silent or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    message = TextColumn("{task.description}", markup=False)
    with Bars(message, BarColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("")

        def report(done: int, total: int, text: str) -> None:
            bars.update(task, completed=done, total=total or None, description=shortened(text, 200))

        yield report


def sizes(splits: dict[str, int]) -> str:
    return "  ".join(f"{name} {count:,}" if count >= 0 else f"{name} ?" for name, count in splits.items())
