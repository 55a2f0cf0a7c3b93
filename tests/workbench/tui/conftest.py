"""What several tests of the app begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from .. import fixed_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the fixed runs, with a data folder that is empty."""
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    monkeypatch.delenv("AAT_PARALLEL", raising=False)
    fixed_run.make_runs(tmp_path / "runs")
    return tmp_path / "runs"
