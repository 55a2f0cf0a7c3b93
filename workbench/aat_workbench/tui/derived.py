"""Curves as they are shown: against steps, epochs or time, smoothed or not. What was worked out once is kept while it grows."""

from __future__ import annotations

import math
from bisect import bisect_left

import msgspec

from .run_view import RunView, Series

__all__ = ["AXES", "SMOOTHING", "Derived", "Looks", "at", "smooth"]

AXES = ("step", "epoch", "time")
SMOOTHING = (0.0, 0.6, 0.9, 0.97)


def at(axis: Series, step: float) -> float:
    """The value of an axis at a step, between two records on the straight line between them."""
    xs, ys = axis.xs, axis.ys
    place = bisect_left(xs, step)
    if place < len(xs) and xs[place] == step:
        return ys[place]
    if not xs or place == 0:
        return ys[0] if ys else step
    if place == len(xs):
        return ys[-1]
    share = (step - xs[place - 1]) / (xs[place] - xs[place - 1])
    return ys[place - 1] + share * (ys[place] - ys[place - 1])


def smooth(ys: list[float], weight: float, memory: list[float]) -> list[float]:
    """The running mean that forgets at ``weight``, without the pull of its start at 0 (Kingma & Ba 2015, as TensorBoard does).

    ``memory`` ``[mean, 1 − weightᵏ]`` goes on from call to call; begin with zeros. What is no finite number stays as it is.
    """
    found: list[float] = []
    mean, whole = memory
    for y in ys:
        if math.isfinite(y):
            mean = weight * mean + (1 - weight) * y
            whole = weight * whole + (1 - weight)
            y = mean / whole
        found.append(y)
    memory[:] = [mean, whole]
    return found


class Looks(msgspec.Struct, frozen=True):
    """How all charts show their curves."""

    axis: str = "step"
    smoothing: float = 0.0


class Shown(msgspec.Struct):
    """One curve so far: ``xs`` on the axis and ``ys`` smoothed, of the first points of ``source``."""

    source: Series
    cuts: int
    xs: list[float] = msgspec.field(default_factory=list[float])
    ys: list[float] = msgspec.field(default_factory=list[float])
    memory: list[float] = msgspec.field(default_factory=lambda: [0.0, 0.0])


class Derived:
    """The curves of some runs, kept between two looks: only what came since is worked out."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, Looks], Shown] = {}

    def of(self, run: RunView, name: str, looks: Looks) -> tuple[list[float], list[float]] | None:
        """x and y of a run's curve, as long as each other; ``None`` where the run has no such curve."""
        source = run.series.get(name)
        if source is None or not source.xs:
            return None
        axis = run.axis(looks.axis)
        key = (run.name, name, looks)
        kept = self._kept.get(key)
        if kept is None or kept.source is not source or kept.cuts != source.cuts:
            kept = self._kept[key] = Shown(source, source.cuts)
        done = len(kept.xs)
        if axis is None and not looks.smoothing:
            return source.xs, source.ys
        fresh = source.xs[done:]
        kept.xs += fresh if axis is None else [at(axis, step) for step in fresh]
        kept.ys += smooth(source.ys[done:], looks.smoothing, kept.memory) if looks.smoothing else source.ys[done:]
        return kept.xs, kept.ys

    def forget(self, names: set[str]) -> None:
        """Keep the curves of the runs ``names`` only."""
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] in names}
