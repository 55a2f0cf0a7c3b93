"""What all tests share: examples of property tests that are the same on every run of the checks, and one thread each."""

from __future__ import annotations

import os

from hypothesis import settings

# Before anything imports torch, and for every child too: several processes share the cores, and the tensors are tiny.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("checks", derandomize=True, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("checks" if os.environ.get("CI") else "exploring")
