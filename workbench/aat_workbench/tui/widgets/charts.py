"""Which curves each chart of the Training pane holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from .curves import Curve

__all__ = ["ChartKind", "charts_of", "curves_of"]


class Metric(NamedTuple):
    """A curve by its name in the events. ``letter`` marks its end where it is not the run's own that does."""

    name: str
    label: str
    dotted: bool = False
    best: Literal["max", "min", ""] = ""
    letter: str = ""


class ChartKind(NamedTuple):
    """A chart.

    ``one_run``: its curves are told apart by colour, so it shows the run under the cursor only. ``rare``: it is there only where
    a shown run has its figures.
    """

    title: str
    metrics: tuple[Metric, ...]
    one_run: bool = False
    rare: bool = False


CHARTS = (
    ChartKind(
        "loss", (Metric("loss", "clean", best="min"), Metric("loss_adv", "adversarial", dotted=True, best="min"))
    ),
    ChartKind(
        "accuracy · robust accuracy",
        (
            Metric("dev.accuracy", "dev", best="max"),
            Metric("dev.robust_accuracy", "robust", dotted=True, best="max"),
        ),
    ),
    ChartKind(
        "radius ρ",
        (
            Metric("rho_mean", "mean", letter="m"),
            Metric("rho_p10", "p10", dotted=True, letter="l"),
            Metric("rho_p90", "p90", dotted=True, letter="h"),
        ),
    ),
    ChartKind(
        "adversary families: weight",
        (
            Metric("weight_word", "word", letter="w"),
            Metric("weight_char", "char", letter="c"),
            Metric("weight_hull", "hull", letter="h"),
            Metric("weight_any", "any", letter="a"),
            Metric("weight_ball", "ball", letter="b"),
        ),
        one_run=True,
    ),
    ChartKind("learning rate", (Metric("lr", "lr"),)),
    ChartKind("examples a second", (Metric("examples_per_second", "rate", best="max"),)),
    ChartKind("fooled: share of examples an adversary turned", (Metric("fooled", "fooled"),)),
    ChartKind("seconds a step", (Metric("step_seconds", "step", best="min"),)),
    ChartKind(
        "robust error of each family, held out",
        (
            Metric("error_word", "word", letter="w"),
            Metric("error_char", "char", letter="c"),
            Metric("error_hull", "hull", letter="h"),
            Metric("error_any", "any", letter="a"),
            Metric("error_ball", "ball", letter="b"),
        ),
        one_run=True,
        rare=True,
    ),
    ChartKind("β: weight of the adversarial loss", (Metric("beta", "beta"),), rare=True),
)


class Points(Protocol):
    @property
    def xs(self) -> list[float]: ...
    @property
    def ys(self) -> list[float]: ...


class Charted(Protocol):
    """What a chart needs of a run."""

    @property
    def name(self) -> str: ...
    @property
    def series(self) -> Mapping[str, Points]: ...


def charts_of(runs: Sequence[Charted]) -> list[ChartKind]:
    """The charts these runs are shown in."""
    recorded = {name for run in runs for name in run.series}
    return [kind for kind in CHARTS if not kind.rare or any(metric.name in recorded for metric in kind.metrics)]


def curves_of(kind: ChartKind, runs: Sequence[Charted], slots: dict[str, int]) -> list[Curve]:
    """The chart's curves of these runs, the first run's first; ``slots`` gives each run its colour and letter."""
    curves: list[Curve] = []
    for run in runs[:1] if kind.one_run else runs:
        slot = slots[run.name]
        letter = chr(ord("A") + slot)
        for place, metric in enumerate(kind.metrics):
            points = run.series.get(metric.name)
            if points is None or not points.xs:
                continue
            curves.append(
                Curve(
                    metric.label,
                    points.xs,
                    points.ys,
                    colour=place + 2 if kind.one_run else slot,
                    letter=metric.letter if kind.one_run else letter,
                    dotted=metric.dotted,
                    best=metric.best,
                )
            )
    return curves
