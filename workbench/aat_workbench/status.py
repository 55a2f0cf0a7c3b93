"""What a run is doing, as its process writes it into ``status.json`` and as a watcher should read it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from aat_workbench import liveness

__all__ = ["ACTIVE", "RunState", "RunStatus"]

RunState = Literal["queued", "running", "paused", "stopping", "done", "failed", "interrupted"]
ACTIVE: tuple[RunState, ...] = ("queued", "running", "paused", "stopping")
QUEUED_SECONDS = 120.0  # a queued run whose process has not reported by then did not start
SILENT_SECONDS = 300.0  # a process of another machine that has been silent this long is presumed gone


class RunStatus(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a run is doing. Times are Unix seconds; ``metrics`` holds each figure as it was last evaluated.

    ``process_start`` is the process's start in clock ticks since boot (0: not known): with ``pid`` and ``host`` it
    names one process for ever. ``queued``: since when it waits for its turn (``queue``); 0: it does not.
    """

    state: RunState = "interrupted"
    pid: int = 0
    host: str = ""
    process_start: int = 0
    started: float = 0.0
    queued: float = 0.0
    heartbeat: float = 0.0
    step: int = 0
    total: int = 0
    stage: str = ""
    metrics: dict[str, float] = {}
    summary: dict[str, Any] | None = None
    error: str = ""

    @property
    def active(self) -> bool:
        """Whether a process is, or will be, at work."""
        return self.state in ACTIVE

    @property
    def waiting(self) -> bool:
        """Whether it waits for its turn: no process is at work, or about to be."""
        return self.state == "queued" and self.queued > 0

    @property
    def progress(self) -> float:
        """Share of the steps done, 0 to 1."""
        return min(1.0, self.step / self.total) if self.total else 0.0

    def as_seen(self, now: float) -> RunStatus:
        """This status as a watcher should show it: a run whose process is gone is interrupted, whatever it wrote."""
        if not self.active or self.waiting:
            return self
        silent = now - self.heartbeat
        if self.state == "queued" and not self.pid:
            gone = silent > QUEUED_SECONDS
        elif self.host == liveness.host():
            gone = not liveness.alive(self.pid, self.process_start)
        else:
            gone = silent > SILENT_SECONDS
        return msgspec.structs.replace(self, state="interrupted") if gone else self
