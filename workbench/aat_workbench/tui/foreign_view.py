"""Trainings that are not ours as the Training pane shows them: curves and what they are read from, nothing to control."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from aat_workbench.foreign.points import Point
from aat_workbench.foreign.sources import Source, Sources
from aat_workbench.runs import RunFolder
from aat_workbench.status import RunStatus
from aat_workbench.tui.curve_points import Series
from aat_workbench.tui.run_view import LogLine, RunView

__all__ = ["QUIET_SECONDS", "ForeignView", "Watched"]

QUIET_SECONDS = 60.0  # a training that has written nothing for so long is quiet
SEARCH_SECONDS = 2.0  # between two looks for runs that are new
READ_BYTES = 1 << 18
CURVES = 1000  # of one run


class ForeignView(RunView):
    """A run of another tool, by the interface of ``RunView``.

    A point of an x below the one before it takes back what lay at that x and beyond: the training began again there.
    """

    foreign = True

    def __init__(self, source: Source) -> None:
        super().__init__(RunFolder(source.path))
        self.name = source.name
        self.source = source
        self.config_error = ""
        self._reader = source.reader()
        self._resets = 0
        self._points = 0
        self._since = 0.0

    def update(self) -> None:
        """Read what was appended."""
        self.looked = time.perf_counter()
        resets = self._reader.resets
        points = self._reader.poll(READ_BYTES)
        if self._reader.resets != resets:
            self._forget()
            self._points = 0
        for point in points:
            self._add(point)
        modified = self._reader.modified()
        status = RunStatus(
            state="running" if time.time() - modified < QUIET_SECONDS else "done",
            started=self._begin or modified,
            heartbeat=modified,
            step=self._step,
        )
        self.changed += bool(points) or status != self.status or self._reader.resets != resets
        self.status = status
        self.facts = self._told()

    def _add(self, point: Point) -> None:
        self._points += 1
        if point.restart:
            for series in self.series.values():
                series.drop_from(point.x)
            text = f"begins again at {self._reader.unit} {point.x:g}"
            self.log.append(LogLine(max(0.0, point.time - self._begin), int(point.x), text, "primary"))
        if point.time:
            self._begin = self._begin or point.time
            self._pace.append((int(point.x), point.time))
        for name, value in point.values:
            if name not in self.series and len(self.series) >= CURVES:
                continue
            series = self.series.setdefault(name, Series())
            if series.xs and point.x < series.xs[-1]:
                series.drop_from(point.x)
            series.add(point.x, value)
        self._step = int(point.x)

    def _told(self) -> list[tuple[str, str]]:
        facts = [
            ("read from", str(self.source.path)),
            ("as", self.source.kind),
            ("curves", f"{len(self.series)} over {self._reader.unit}"),
            ("records", f"{self._points}"),
        ]
        if self._reader.skipped:
            facts.append(("could not be read", f"{self._reader.skipped} records"))
        if len(self.series) >= CURVES:
            facts.append(("left out", f"curves beyond {CURVES}"))
        return facts

    @property
    def state(self) -> str:
        return "growing" if self.status.state == "running" else "quiet"

    @property
    def behind(self) -> bool:
        return self._reader.behind

    def remaining(self) -> float:
        return float("nan")

    def printed(self, lines: int = 50, size: int = 16_384) -> list[str]:
        return []


class Watched:
    """The views of the runs in some paths, the ones that came last included. Raises InputError where a path holds none."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._sources = Sources(paths)
        self._views: dict[Source, ForeignView] = {}
        self._looked = -SEARCH_SECONDS

    def views(self) -> list[RunView]:
        """The views by name; new runs are looked for now and then."""
        now = time.monotonic()
        if now - self._looked >= SEARCH_SECONDS:
            self._looked = now
            self._views = {source: self._views.get(source) or ForeignView(source) for source in self._sources.look()}
        return list(self._views.values())
