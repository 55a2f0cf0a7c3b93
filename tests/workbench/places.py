"""A folder that commands are typed in, with data and runs of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aat_workbench.cli.main import main

__all__ = ["command", "moved_into", "sets", "until"]


@contextmanager
def moved_into(folder: Path) -> Iterator[Path]:
    """Works in ``folder``: runs and data are beneath it, and there is no mirror."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("AAT_RUNS", str(folder / "runs"))
        patch.setenv("AAT_DATA", str(folder / "data"))
        patch.delenv("AAT_MIRROR", raising=False)
        yield folder


def command(*arguments: str, code: int = 0) -> None:
    """Types a command line, which ends with ``code``."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == code


def until(true: Callable[[], object], seconds: float = 120.0) -> None:
    """Waits for what another process does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def sets(*settings: str) -> list[str]:
    """``KEY=VALUE`` … as options."""
    return [part for setting in settings for part in ("--set", setting)]
