"""A run as the Training pane shows it: its curves, log and figures, kept up to date from its folder.

Knows no widget. ``update`` reads a bounded amount, so that it may be called twice a second for every run.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.errors import InputError
from aat_models.config import Config
from aat_models.events import (
    Checkpointed,
    ControlApplied,
    Done,
    Evaluation,
    Event,
    Failed,
    Notice,
    Progress,
    Resumed,
    Started,
    Step,
)
from aat_workbench import notes
from aat_workbench.curve_digest import LONG, Maker, load
from aat_workbench.runs import EventTail, RunFolder, RunStatus, list_runs
from aat_workbench.tui.curve_points import Series

__all__ = ["LogLine", "RunView", "Series", "Setting", "duration", "refresh"]

LOG_LINES = 500
READ_BYTES = 1 << 20
_maker = Maker()  # of this process


class Setting(msgspec.Struct, frozen=True):
    """A setting that was changed while the run trained."""

    step: int
    key: str
    value: str


class LogLine(msgspec.Struct, frozen=True):
    """``seconds`` since the run began; ``level`` names a colour of the theme."""

    seconds: float
    step: int
    text: str
    level: str = ""


class RunView:
    """See the module. ``changed`` counts what a screen would have to draw anew.

    Of a long history a digest is read, which a process of its own makes where there is none; meanwhile the view is
    ``waiting``. ``foreign`` is a training that is not ours: it can be looked at and no more, and ``facts`` say what it is.
    """

    foreign = False

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.name = folder.name
        self.status = RunStatus()
        self.changed = 0
        self.looked = 0.0
        self.config: Config | None = None
        self.config_error = ""
        self._flat: dict[str, Any] = {}
        self.notes = notes.Notes()
        self._noted = (0, 0)
        self._tail: EventTail = EventTail(folder.events_path, limit=READ_BYTES)
        self._stamp = (0, 0)
        self._alone = False  # no digest can be had
        self.waiting = False
        self.facts: list[tuple[str, str]] = []
        self._forget()

    def _forget(self) -> None:
        self.series: dict[str, Series] = {}
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.started: Started | None = None
        self.settings: list[Setting] = []
        self.progress = ""
        self._axes = {"epoch": Series(), "time": Series()}
        self._stages: list[tuple[int, str, float]] = []  # first step, name, epochs before it
        self._begin = 0.0
        self._idle = 0.0  # seconds since the beginning in which nothing was trained that counts
        self._step = 0
        self._pace: deque[tuple[int, float]] = deque(maxlen=20)

    def update(self) -> None:
        """Read the status and what was appended to the events."""
        self.looked = time.perf_counter()
        if self.config is None and not self.config_error:
            try:
                self.config = self.folder.config
            except InputError as error:
                self.config_error = str(error)
        status = self.folder.status()
        if status != self.status:
            self.status = status
            self.changed += 1
        self._read_notes()
        stamp = _stamp(self.folder.events_path)
        if stamp == self._stamp and not self._tail.behind and not self.waiting:
            return
        self._stamp = stamp
        self._alone = self._alone and stamp[1] - self._tail.offset > LONG
        if stamp[1] - self._tail.offset > LONG and not self._alone and self._leap():
            return
        resets = self._tail.resets
        records = self._tail.poll()
        if self._tail.resets != resets:
            self._forget()
            self.changed += 1
        for record in records:
            self._take(record)
        self.changed += bool(records)

    def _read_notes(self) -> None:
        stamp = _stamp(self.folder.path / "notes.toml")
        if stamp != self._noted:
            self._noted = stamp
            self.notes = notes.read(self.folder.path)
            self.changed += 1

    def _leap(self) -> bool:
        """Read the digest of a long history instead of it; whether there is more of it to wait for."""
        folder, offset = self.folder.path, self._tail.offset
        digest = load(folder, offset)
        more = digest is None and _maker.ask(folder)
        digest = digest or load(folder, offset)
        self.changed += self.waiting is False
        self.waiting = more
        self._alone = digest is None and not more
        if digest is not None:
            self._forget()
            self._tail.skip_to(digest.offset, digest.head)
            for record in digest.records:
                self._take(record)
            self.waiting = self._stamp[1] - digest.offset > LONG
            self.changed += 1
        return self.waiting

    @property
    def state(self) -> str:
        """What the run is doing, in a word."""
        return self.status.state

    @property
    def behind(self) -> bool:
        """Whether there is more to read than one ``update`` did."""
        return self._tail.behind

    # Records

    def _take(self, record: Event) -> None:
        if record.time and not self._begin:
            self._begin = record.time
        if isinstance(record, Step):
            self._step = record.step
            for name, value in record.metrics.items():
                self._of(name).add(record.step, value)
            self._place(record)
            if record.time:
                self._pace.append((record.step, record.time))
        elif isinstance(record, Evaluation):
            for name, value in record.metrics.items():
                self._of(f"{record.split}.{name}").add(record.step, value)
            figures = " · ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in record.metrics.items())
            self._say(record, f"{record.split}: {figures}", step=record.step)
        elif isinstance(record, Resumed):
            self._go_back(record)
            self._say(record, f"goes on from step {record.step}", "primary", record.step)
        else:
            self._take_notice(record)

    def _take_notice(self, record: Event) -> None:
        if isinstance(record, Started):
            self.started = record
            size = f"{record.parameters / 1e6:.2f} M parameters"
            self._say(
                record, f"{' → '.join(record.stages)}: {record.total} steps, {size}, on {record.device}", "primary", 0
            )
        elif isinstance(record, Notice):
            self._say(record, record.message, "warning" if record.level == "warning" else "")
        elif isinstance(record, Checkpointed):
            self._say(record, "checkpoint" + (", the best so far" if record.best else ""), "muted", record.step)
        elif isinstance(record, ControlApplied):
            self._take_command(record)
        elif isinstance(record, Progress):
            share = f" {record.done}/{record.total}" if record.total else ""
            self.progress = f"{record.message}{share}"
        elif isinstance(record, Done):
            self._say(record, "done", "success")
        elif isinstance(record, Failed):
            self._say(record, record.error + (f" ({record.hint})" if record.hint else ""), "error")

    def _take_command(self, record: ControlApplied) -> None:
        was = f" (was {record.before}" + (f", by {record.by})" if record.by else ")") if record.before else ""
        self._say(record, f"{record.command} {record.value}".strip() + was, "primary", record.step)
        key, equals, value = record.value.partition("=")
        if record.command == "set" and equals:
            self.settings.append(Setting(record.step, key if "." in key else f"train.{key}", value))

    def _place(self, record: Step) -> None:
        """Note where a step lies on the other axes: epochs over all stages, and seconds of training."""
        epochs, times = self._axes["epoch"], self._axes["time"]
        if not self._stages or self._stages[-1][1] != record.stage:
            self._stages.append((record.step, record.stage, epochs.ys[-1] if epochs.ys else 0.0))
        epochs.add(record.step, self._stages[-1][2] + record.epoch)
        if record.time:
            times.add(record.step, max(record.time - self._begin - self._idle, times.ys[-1] if times.ys else 0.0))

    def _go_back(self, record: Resumed) -> None:
        """What was recorded after the step counts no more; neither does the time since then."""
        for series in (*self.series.values(), *self._axes.values()):
            series.drop_after(record.step)
        self.settings = [setting for setting in self.settings if setting.step <= record.step]
        self._stages = [stage for stage in self._stages if stage[0] <= record.step]
        times = self._axes["time"].ys
        if record.time:
            self._idle = record.time - self._begin - (times[-1] if times else 0.0)
        self._pace.clear()

    def _say(self, record: Event, text: str, level: str = "", step: int | None = None) -> None:
        seconds = max(0.0, record.time - self._begin) if record.time else 0.0
        self.log.append(LogLine(seconds, self._step if step is None else step, text, level))

    def _of(self, name: str) -> Series:
        return self.series.setdefault(name, Series())

    # Figures

    def axis(self, name: str) -> Series | None:
        """Where each recorded step lies on the axis ``epoch`` or ``time`` (seconds of training); ``None`` for ``step``."""
        return self._axes.get(name)

    @property
    def flat(self) -> dict[str, Any]:
        """The config it began with, by dotted keys; empty while there is none."""
        if not self._flat and self.config is not None:
            self._flat = dict(_dotted(msgspec.to_builtins(self.config)))
        return self._flat

    def setting(self, key: str) -> str:
        """What a dotted key was last set to while training; empty where it is as the config says."""
        return next((setting.value for setting in reversed(self.settings) if setting.key == key), "")

    def figure(self, split: str, name: str) -> float:
        """The best value of an evaluation's figure; the summary's where the events have none."""
        best = self.series[f"{split}.{name}"].best() if f"{split}.{name}" in self.series else math.nan
        return best if best == best else self.status.metrics.get(name, math.nan)

    def last(self, name: str) -> float:
        """The last value of a curve; not a number where there is none."""
        series = self.series.get(name)
        return series.ys[-1] if series and series.ys else math.nan

    def summary(self, name: str) -> float:
        """A figure of the run's summary; not a number where there is none."""
        value = (self.status.summary or {}).get(name)
        return float(value) if isinstance(value, int | float) else math.nan

    def remaining(self) -> float:
        """Seconds to the end at the pace of the last records; not a number where that is not known."""
        if self.status.state != "running" or len(self._pace) < 2:
            return math.nan
        pairs = zip(self._pace, islice(self._pace, 1, None), strict=False)
        paces = sorted((end - begin) / (last - first) for (first, begin), (last, end) in pairs if last > first)
        pace = paces[len(paces) // 2] if paces else 0.0  # the middle one: a clock that was set moves one of them
        return max(0, self.status.total - self._pace[-1][0]) * pace if pace > 0 else math.nan

    def printed(self, lines: int = 50, size: int = 16_384) -> list[str]:
        """The end of what the run's process printed: what there is to read where no record says why it ended."""
        try:
            with self.folder.log_path.open("rb") as file:
                file.seek(max(0, self.folder.log_path.stat().st_size - size))
                return file.read().decode("utf-8", "replace").splitlines()[-lines:]
        except OSError:
            return []


def refresh(
    views: dict[str, RunView],
    root: Path,
    first: Iterable[str] = (),
    seconds: float = math.inf,
    others: Sequence[RunView] = (),
) -> tuple[list[RunView], bool]:
    """Bring ``views`` in line with ``others`` and the runs in ``root``; returns them in that order, the runs newest
    first, and whether all are up to date.

    Runs named in ``first`` are brought up to date, then one other and as many more as fit into ``seconds``,
    the oldest look first.
    """
    views.update({view.name: view for view in others})
    known = {view.name for view in others}
    folders = [folder for folder in list_runs(root) if folder.name not in known]
    names = {folder.name for folder in folders} | known
    for name in [name for name in views if name not in names]:
        del views[name]
    ordered = [*others, *(views.setdefault(folder.name, RunView(folder)) for folder in folders)]
    shown = set(first)
    until = time.perf_counter() + seconds
    complete, looked = True, 0
    for view in sorted(ordered, key=lambda view: (view.name not in shown, view.looked)):
        if view.name not in shown:
            if looked and time.perf_counter() > until:
                return ordered, False
            looked += 1
        view.update()
        complete = complete and not view.behind
    return ordered, complete


def duration(seconds: float) -> str:
    """``45 s``, ``3 m 20 s``, ``2 h 05 m``; a dash where it is not a number."""
    if not math.isfinite(seconds):
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} m"


def _dotted(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _dotted(msgspec.convert(value, dict[str, Any]), f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_size)
