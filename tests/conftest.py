"""What all tests share: examples of property tests that are the same on every run of the checks, and one thread each."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Before anything imports torch, and for every child too: several processes share the cores, and the tensors are tiny.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("checks", derandomize=True, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("checks" if os.environ.get("CI") else "exploring")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The lines that long tests sum up in, from whatever process they ran in."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(str(value))
