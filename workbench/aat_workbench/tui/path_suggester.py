"""The rest of a path while it is typed: the first file or folder that begins so."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from textual.suggester import Suggester

from ..terminal import visible

__all__ = ["PathSuggester"]

LOOKED_AT = 20_000  # entries of a folder


class PathSuggester(Suggester):
    """Suggests paths; what of a name a terminal would obey is a glyph."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(_rest, value) if value else None


def _rest(value: str) -> str | None:
    folder, begun = os.path.split(value)
    names: list[str] = []
    try:
        with os.scandir(Path(folder or ".").expanduser()) as entries:
            for number, entry in enumerate(entries):
                if number >= LOOKED_AT:
                    break
                hidden = entry.name.startswith(".") and not begun.startswith(".")
                name = visible(entry.name)
                if name.startswith(begun) and not hidden:
                    names.append(name + (os.sep if entry.is_dir() else ""))
    except (OSError, ValueError):
        return None
    return os.path.join(folder, min(names)) if names else None  # noqa: PTH118 (the value is kept as typed)
