"""The rows of the Training pane's tables: runs, log, configs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from rich.cells import cell_len, chop_cells, set_cell_size

from aat_models import config as configs

from ..terminal import visible
from .run_view import RunView, duration
from .widgets.plotting import number
from .widgets.table import Bar, Cell, Column, Row

__all__ = [
    "CONFIG_COLUMNS", "LOG_COLUMNS", "STATES", "LogRows", "config_rows", "log_rows", "run_columns", "run_fits", "run_row",
]  # fmt: skip

# A sign and a colour for each state; the word stands beside them.
STATES = {
    "queued": ("○", "muted"),
    "running": ("▶", "success"),
    "paused": ("‖", "warning"),
    "stopping": ("■", "warning"),
    "done": ("✓", "muted"),
    "failed": ("✗", "error"),
    "interrupted": ("!", "warning"),
    "growing": ("▶", "success"),  # these two of trainings that are not ours
    "quiet": ("○", "muted"),
}

LOG_COLUMNS = [Column("time", 8, right=True), Column("step", 6, right=True), Column("what")]
LOG_MARGIN = 8 + 6 + 2 * 2 + 2  # cells of a log line that are not its text
CONFIG_COLUMNS = [Column("key", 24), Column("value")]
# Always worth reading, in this order; other keys are listed where they differ from the defaults.
_FIRST_KEYS = (
    "data.dataset",
    "model.encoder",
    "adversary.name",
    "train.epochs",
    "train.batch_size",
    "train.lr",
    "seed",
)

_FULL = (
    Column("", 2),
    Column("run", most=56),
    Column("state", 13),
    Column("done", 4, right=True),
    Column("", 10),
    Column("ETA", 9, right=True),
    Column("best dev", 8, right=True),
    Column("robust", 6, right=True),
    Column("rate", 8, right=True),
    Column("step time", 9, right=True),
)
_NARROW = (_FULL[0], _FULL[1], Column("", 1), Column("done", 5, right=True), *_FULL[5:8])


def run_columns(width: int) -> Sequence[Column]:
    """The columns that fit ``width``."""
    return _NARROW if width < 110 else _FULL


def run_fits(view: RunView, wanted: str) -> bool:
    """Whether every word of ``wanted`` is in the run's name, tags (``#tag``), dataset, encoder, adversary or state."""
    config = view.config
    parts = [view.name, view.status.state, *(f"#{tag}" for tag in view.notes.tags)]
    if config is not None:
        parts += [config.data.dataset, config.model.encoder, config.adversary.name]
    said = " ".join(parts).casefold()
    return all(word in said for word in wanted.casefold().split())


def run_row(view: RunView, slot: int, pinned: bool, width: int, place: int = 0) -> Row:
    """One run's cells.

    ``slot`` is its colour and letter in the charts, -1 where it is not charted; ``place`` its own in the queue, 0 for none.
    """
    status = view.status
    sign, colour = STATES[view.state]
    letter = "" if slot < 0 else chr(ord("A") + slot) + ("+" if pinned else "")
    name = " ".join((view.name, *(f"#{tag}" for tag in view.notes.tags)))
    first = (Cell(letter, f"series-{slot + 1}", bold=True), Cell(name, bold=status.active and not status.waiting))
    figures = (
        Cell(duration(view.remaining())),
        Cell(_share(view.figure("dev", "accuracy"))),
        Cell(_share(view.last("dev.robust_accuracy"))),
    )
    share = number(status.step) if view.foreign else f"{status.progress:.0%}"
    if width < 110:
        return (*first, Cell(str(place) if place else sign, colour), Cell(share), *figures)
    rate = view.last("examples_per_second")
    ratio = view.summary("step_time_ratio")
    return (
        *first,
        Cell(f"{sign} {view.state}" + (f" {place}" if place else ""), colour),
        Cell(share, "success" if status.active else "muted"),
        Bar(status.progress, "success" if status.active else "faint"),
        *figures,
        Cell(f"{number(round(rate))}/s" if math.isfinite(rate) else "–"),
        Cell(f"×{ratio:.2f}" if math.isfinite(ratio) else "–"),
    )


def log_rows(view: RunView, width: int) -> list[Row]:
    """The run's log, long lines folded to ``width``; where it failed or has none, the end of what its process printed."""
    rows: list[Row] = []

    def say(text: str, colour: str, time: str = "", step: str = "") -> None:
        for part in _folded(text, width - LOG_MARGIN) or [""]:
            rows.append((Cell(time, "faint"), Cell(step, "muted"), Cell(part, colour)))
            time = step = ""

    for line in view.log:
        say(line.text, line.level, _clock(line.seconds), str(line.step))
    if view.status.state in ("failed", "interrupted") or not rows:
        for line in view.printed():
            say(line, "muted")
    if view.config_error:
        say(view.config_error, "error")
    if view.status.error and not any(view.status.error in line.text for line in view.log):
        say(view.status.error, "error")
    if view.status.active and view.progress:
        say(view.progress, "muted")
    return rows


class LogRows:
    """``log_rows`` of the last few runs, kept while they say nothing new."""

    def __init__(self, most: int = 16) -> None:
        self._most = most
        self._kept: dict[str, tuple[object, list[Row]]] = {}

    def of(self, view: RunView, width: int) -> list[Row]:
        if not view.log or view.status.state in ("failed", "interrupted"):
            return log_rows(view, width)  # what its process printed is read anew
        key = (view.changed, width, len(view.log), view.log[0], view.log[-1])
        known, rows = self._kept.pop(view.name, (None, []))
        self._kept[view.name] = (key, rows if known == key else log_rows(view, width))
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
        return self._kept[view.name][1]


@lru_cache(maxsize=4096)
def _folded(text: str, width: int) -> list[str]:
    return fold(text, width)


def fold(text: str, width: int, most: int = 8) -> list[str]:
    """``text`` made visible, in at most ``most`` lines of ``width`` cells, broken at blanks where there are any."""
    width = max(8, width)
    lines = [""]
    for word in visible(text[: width * most * 2]).split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        pieces = chop_cells(word, width)
        lines[-1:] = pieces if not lines[-1] else [lines[-1], *pieces]
    if len(lines) > most:
        lines[most - 1 :] = [set_cell_size(lines[most - 1], min(cell_len(lines[most - 1]), width - 2)).rstrip() + " …"]
    return [line for line in lines if line]


def config_rows(shown: Sequence[RunView], slots: dict[str, int], width: int = 60) -> list[Row]:
    """The first run's note and tags, its main keys and what differs from the defaults; of several runs, where they differ.

    A value that was changed while a run trained is the last one. Of a training that is not ours: what it is read from.
    """
    if shown and shown[0].foreign:
        return [(Cell(name, "muted"), Cell(visible(value))) for name, value in shown[0].facts]
    rows: list[Row] = []
    if shown:
        note = " ".join((*(f"#{tag}" for tag in shown[0].notes.tags), *shown[0].notes.text.split()))
        for place, part in enumerate(fold(note, width - 28, most=3)):
            rows.append((Cell("" if place else "note", "muted"), Cell(part, "accent")))
    views = [view for view in shown if view.config is not None]
    found = _told(views)
    changed = {setting.key for view in views for setting in view.settings}

    def order(key: str) -> tuple[bool, bool, int]:
        """What differs first, then what was changed, then what is always worth reading."""
        usual = _FIRST_KEYS.index(key) if key in _FIRST_KEYS else len(_FIRST_KEYS)
        return (len(set(found[key])) == 1, len(views) > 1 or key not in changed, usual)

    for key in sorted(found, key=order):
        values = found[key]
        if len(set(values)) == 1:
            rows.append((Cell(key, "muted"), Cell(values[0])))
            continue
        for place, (view, value) in enumerate(zip(views, values, strict=True)):
            slot = slots[view.name]
            text = f"{chr(ord('A') + slot)} {value}"
            rows.append((Cell("" if place else key, "primary"), Cell(text, f"series-{slot + 1}")))
    return rows


def _told(views: Sequence[RunView]) -> dict[str, list[str]]:
    """The keys worth telling of these runs, and what each run has there, in words."""
    flats = [view.flat for view in views]
    changed = {setting.key for view in views for setting in view.settings}
    found: dict[str, list[str]] = {}
    for key, default in _defaults().items() if views else ():
        values = [flat[key] for flat in flats]
        same = key not in changed and all(value == values[0] for value in values)
        if key != "run" and (not same or key in _FIRST_KEYS or values[0] != default):
            found[key] = [_now(view, key, value) for view, value in zip(views, values, strict=True)]
    return found


@cache
def _defaults() -> dict[str, Any]:
    return {key: value for key, (_, value, _) in configs.keys().items()}


def _now(view: RunView, key: str, value: Any) -> str:
    changed = view.setting(key)
    return f"{changed} (was {_value(value)})" if changed else _value(value)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(part) for part in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _share(value: float) -> str:
    """``.812``: an accuracy in four cells; 1 as ``1.00``."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.3f}".lstrip("0") if value < 0.9995 else "1.00"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
