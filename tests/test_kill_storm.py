"""A few kills of every kind; ``python tests/kill_storm.py`` makes a hundred."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
def test_what_is_killed_and_resumed_ends_as_if_it_had_not_been(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    spec = importlib.util.spec_from_file_location("kill_storm", Path(__file__).with_name("kill_storm.py"))
    assert spec is not None and spec.loader is not None
    storm = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(storm)
    said = storm.run(12, 1, tmp_path, list(storm.SHARES))
    assert said.endswith("all equal")
    record_property("summary", said)
