"""A training's progress: a live line on stderr, or one plain line an evaluation where stderr is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from aat_models.events import Checkpointed, ControlApplied, Evaluation, Event, Notice, Progress, Resumed, Started, Step
from aat_workbench.cli.output import say
from aat_workbench.terminal import shortened

__all__ = ["eta", "line", "shown"]

_LONGEST = 200  # characters of what a live line says


def line(event: Event) -> str:
    """One event as one line for people; empty for those that say nothing new in words."""
    match event:
        case Started():
            threads = f"{event.threads} thread" + ("s" if event.threads != 1 else "")
            return f"{event.parameters:,} parameters, {event.total:,} steps, {event.device}, {threads}"
        case Resumed():
            return f"resumed at step {event.step}"
        case Step():
            return f"step {event.step}/{event.total} {event.stage}  {figures(event.metrics)}"
        case Evaluation():
            return f"step {event.step} {event.split}  {figures(event.metrics)}"
        case Checkpointed():
            return f"step {event.step} checkpoint{' (best)' if event.best else ''}"
        case ControlApplied():
            was = f"was {event.before}, by {event.by}" if event.before else ""
            return f"step {event.step} {event.command} {event.value}".rstrip() + (f" ({was})" if was else "")
        case Notice():
            return event.message if event.level == "info" else f"{event.level}: {event.message}"
        case _:
            return ""


def figures(metrics: dict[str, float]) -> str:
    """``loss 0.412  accuracy 0.873``"""
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def eta(seconds: float) -> str:
    """A time to go: ``42 s``, ``3 m 05 s``, ``2 h 10 m``."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


def shown(events: Iterator[Event]) -> Iterator[Event]:
    """Pass events on, showing them on stderr as they come."""
    return _live(events) if sys.stderr.isatty() else _plain(events)


def _plain(events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        if not isinstance(event, Step | Checkpointed) and (text := line(event)):
            say(text)
        yield event


def _live(events: Iterator[Event]) -> Iterator[Event]:
    from rich import progress as bars
    from rich.console import Console
    from rich.text import Text

    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(bar_width=24),
        bars.TextColumn("{task.completed:.0f}/{task.total:.0f}", markup=False),
        bars.TextColumn("{task.fields[figures]}", markup=False),
    )
    clock = _Clock()
    latest: dict[str, float] = {}
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("preparing", total=1, figures="")
        for event in events:
            match event:
                case Step():
                    latest |= {
                        key: event.metrics[key] for key in ("loss", "examples_per_second") if key in event.metrics
                    }
                    left = clock.left(event.step, event.total)
                    text = _figures(latest, left)
                    progress.update(
                        task,
                        description=shortened(event.stage, _LONGEST),
                        completed=event.step,
                        total=event.total,
                        figures=text,
                    )
                case Evaluation():
                    latest |= {key: value for key, value in event.metrics.items() if key != "loss"}
                case Progress():
                    total = event.total or None
                    told = shortened(event.message, _LONGEST)
                    progress.update(task, description=told, completed=event.done, total=total, figures="")
                case Started() | Resumed() | Notice() | ControlApplied():
                    progress.console.print(Text(shortened(line(event), 10 * _LONGEST)))
                case _:
                    pass
            yield event


def _figures(latest: dict[str, float], left: float | None) -> str:
    names = {
        "loss": "loss",
        "accuracy": "acc",
        "robust_accuracy": "robust",
        "certified_accuracy": "certified",
        "decoder_loss": "decoder",
    }
    parts = [f"{short} {latest[name]:.3f}" for name, short in names.items() if name in latest]
    if "examples_per_second" in latest:
        parts.append(f"{latest['examples_per_second']:,.0f} ex/s")
    if left is not None:
        parts.append(f"ETA {eta(left)}")
    return " · ".join(parts)


class _Clock:
    """Seconds to go, from the pace since the first step seen, so that a resumed run is not taken for a fast one."""

    def __init__(self) -> None:
        self._start: tuple[float, int] | None = None

    def left(self, step: int, total: int) -> float | None:
        now = time.monotonic()
        if self._start is None:
            self._start = (now, step)
            return None
        then, first = self._start
        return (now - then) / (step - first) * (total - step) if step > first else None
