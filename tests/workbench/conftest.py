"""What tests of several files need: no training outlives its test; the built-in corpus, ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from aat_datasets import catalog
from aat_workbench import detached


@pytest.fixture(autouse=True)
def no_training_left():
    """Wait for detached children: one that nobody waited for would load the machine under the tests that follow."""
    yield
    for child in detached._children:
        try:
            child.wait(timeout=60)
        finally:
            child.kill()
    detached._children.clear()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the built-in corpus, as it is after its first opening."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AAT_DATA", str(folder))
        patch.delenv("AAT_MIRROR", raising=False)
        catalog.open_dataset("support")
    return folder
