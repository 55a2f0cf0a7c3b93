"""Reports of attacks, runs and evaluations as files: a page, Markdown, pictures, or tables for other programs.

``html``, ``md`` and ``svg`` are for people, ``csv``, ``jsonl`` and ``parquet`` for programs. A page needs nothing but
itself: no network, no script, its charts are drawn inside it. Texts of examples are hostile until shown otherwise: every
one is escaped for the format it goes into.
"""

from __future__ import annotations

from aat_workbench.report.sources import Report, collect
from aat_workbench.report.writing import FORMATS, Format, write

__all__ = ["FORMATS", "Format", "Report", "collect", "write"]
