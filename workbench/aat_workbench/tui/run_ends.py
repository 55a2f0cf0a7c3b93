"""A notice when a training ends: over the pane, and to the terminal, which may tell a person who is elsewhere.

The terminal is sent its bell and, where it is one that may know them, the notifications OSC 9 (iTerm2, Windows Terminal,
kitty, WezTerm) and OSC 777 (urxvt, foot, Ghostty). ``AAT_NOTIFY`` is ``all``, ``bell`` or ``off``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..runs import list_runs
from ..status import RunStatus
from ..terminal import visible

__all__ = ["Ends", "outcome", "terminal_notice"]

_NO_OSC = ("", "dumb", "linux", "unknown", "vt100", "vt102", "vt220")


LOOKED_AT = 60  # of the newest runs, and those that were at work


class Ends:
    """Which runs have ended since the last look; what had ended before the first one is no news."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._active: set[str] = set()

    def look(self) -> tuple[list[tuple[str, RunStatus]], list[tuple[str, RunStatus]]]:
        """Every run at work, newest first, and those that were at work at the last look and are no more."""
        active: list[tuple[str, RunStatus]] = []
        ended: list[tuple[str, RunStatus]] = []
        for place, folder in enumerate(list_runs(self._root)):
            if place >= LOOKED_AT and folder.name not in self._active:
                continue
            status = folder.status()
            if status.active:
                active.append((folder.name, status))
            elif folder.name in self._active:
                ended.append((folder.name, status))
        self._active = {name for name, status in active if not status.waiting}
        return active, ended


def outcome(status: RunStatus) -> str:
    """How a run ended, in a few words."""
    figures = [f"{name.replace('_', ' ')} {value:.3f}" for name, value in status.metrics.items() if "accuracy" in name]
    said = status.error if status.state == "failed" else " · ".join(figures[:2])
    return said or f"at step {status.step} of {status.total}"


def terminal_notice(title: str, body: str, environment: Mapping[str, str] = os.environ) -> str:
    """What a terminal is sent to tell of an end; empty where that is switched off."""
    wanted = environment.get("AAT_NOTIFY", "all")
    if wanted == "off":
        return ""
    if wanted == "bell" or environment.get("TERM", "") in _NO_OSC:
        return "\a"
    heading, text = (_plain(part) for part in (title, body))
    return f"\x1b]9;{heading}: {text}\x1b\\\x1b]777;notify;{heading};{text}\x1b\\\a"


def _plain(text: str) -> str:
    """Nothing in it ends or splits the sequence it stands in."""
    return visible(text[:200]).replace(";", ",")
