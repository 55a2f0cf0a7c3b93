"""Environment variables for a while."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager

__all__ = ["surrounded_by"]


@contextmanager
def surrounded_by(variables: Mapping[str, str]) -> Generator[None]:
    """Within it this process, and those it starts, have these environment variables; afterwards they are as they were."""
    before = {key: os.environ.get(key) for key in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
