"""Where the tests' datasets lie: an empty AAT_DATA for each test, real raw files only where AAT_MIRROR names them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from aat_datasets import catalog

REAL_MIRROR = os.environ.get("AAT_MIRROR", "")


@pytest.fixture
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty AAT_DATA, and no mirror."""
    home = tmp_path / "data home"
    monkeypatch.setenv("AAT_DATA", str(home))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    return home


@pytest.fixture(scope="session")
def support_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built-in corpus ingested: making it takes seconds."""
    home = tmp_path_factory.mktemp("support")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AAT_DATA", str(home))
        catalog.open_dataset("support")
    return home


@pytest.fixture
def support_home(data_home: Path, support_once: Path) -> Path:
    """An AAT_DATA that holds the built-in corpus."""
    shutil.copytree(support_once / "support", data_home / "support")
    return data_home


@pytest.fixture
def mirror(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real raw files, with an empty AAT_DATA."""
    if not REAL_MIRROR or not Path(REAL_MIRROR).is_dir():
        pytest.skip("AAT_MIRROR names no folder of raw files")
    monkeypatch.setenv("AAT_MIRROR", REAL_MIRROR)
    return Path(REAL_MIRROR)
