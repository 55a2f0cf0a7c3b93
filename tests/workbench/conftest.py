"""Trainings that tests start detached: none outlives its test."""

from __future__ import annotations

import pytest

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
