"""What all tests share: property tests draw the same examples on every run of the checks, new ones on a developer's."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("checks", derandomize=True, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("checks" if os.environ.get("CI") else "exploring")
