"""A folder of TensorBoard event files as one run: read in the order of their names, followed while they grow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import tfevents
from .points import Point
from .tfrecords import RecordTail

__all__ = ["EventFolder", "event_files"]


def event_files(folder: Path) -> list[Path]:
    """The event files right in ``folder``, by name, which is by the time they were begun; none where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if "tfevents" in path.name and path.is_file())
    except OSError:
        return []


class EventFolder:
    """A ``Reader`` of the event files in ``folder``, or of ``files`` alone where they are given."""

    unit = "step"

    def __init__(self, folder: Path, files: Sequence[Path] = ()) -> None:
        self.folder = folder
        self.resets = 0
        self.behind = False
        self._files = list(files)
        self._tails: dict[Path, RecordTail] = {}
        self._broken = 0  # records that are no events

    @property
    def skipped(self) -> int:
        return self._broken + sum(tail.skipped for tail in self._tails.values())

    def poll(self, limit: int = 1 << 18) -> list[Point]:
        found: list[Point] = []
        paths = self._files or event_files(self.folder)
        if self._tails and any(path not in paths for path in self._tails):
            self._again()
        self.behind = False
        for path in paths:
            tail = self._tails.setdefault(path, RecordTail(path))
            resets = tail.resets
            records = tail.poll(limit)
            if tail.resets != resets:
                self._again()
                return self.poll(limit)
            found.extend(point for record in records if (point := self._point(record)) is not None)
            limit -= sum(map(len, records))
            if tail.behind or limit <= 0:  # what a later file says of a restart is said of all of this one
                self.behind = tail.behind or path != paths[-1]
                break
        return found

    def _again(self) -> None:
        self._tails = {}
        self._broken = 0
        self.resets += 1

    def _point(self, record: bytes) -> Point | None:
        try:
            logged = tfevents.decode(record)
        except ValueError:
            self._broken += 1
            return None
        if not logged.values and not logged.restart:
            return None
        return Point(float(logged.step), logged.time, logged.values, logged.restart)

    def modified(self) -> float:
        times: list[float] = []
        for path in self._files or event_files(self.folder):
            try:
                times.append(path.stat().st_mtime)
            except OSError:
                continue
        return max(times, default=0.0)
