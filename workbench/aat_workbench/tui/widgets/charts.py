"""Which curves each chart of the Training pane holds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from ...terminal import visible
from ..derived import Derived, Looks, at
from ..run_view import RunView
from .chart_axis import Mark
from .curves import Curve

__all__ = ["ChartKind", "charts_of", "choices_of", "curves_of", "marks_of"]


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
    the shown runs have its figures, at least so many of them.
    """

    title: str
    metrics: tuple[Metric, ...]
    one_run: bool = False
    rare: int = 0


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
        "decoder loss",
        (
            Metric("dev.decoder_loss", "dev", best="min"),
            Metric("dev.robust_decoder_loss", "robust", dotted=True, best="min"),
        ),
        rare=1,
    ),
    ChartKind("decoder loss, training", (Metric("loss_decoder", "clean", best="min"),), rare=1),
    ChartKind("loss, held out", (Metric("dev.loss", "dev", best="min"),), rare=1),
    ChartKind("fooled: share of examples an adversary turned", (Metric("fooled", "fooled"),), rare=1),
    ChartKind(
        "radius ρ",
        (
            Metric("rho_mean", "mean", letter="m"),
            Metric("rho_p10", "p10", dotted=True, letter="l"),
            Metric("rho_p90", "p90", dotted=True, letter="h"),
        ),
        rare=1,
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
        rare=2,  # one family alone weighs 1 from beginning to end
    ),
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
        rare=1,
    ),
    ChartKind("β: weight of the adversarial loss", (Metric("beta", "beta"),), rare=1),
    ChartKind("learning rate", (Metric("lr", "lr"),)),
    ChartKind("examples a second", (Metric("examples_per_second", "rate", best="max"),)),
    ChartKind("seconds a step", (Metric("step_seconds", "step", best="min"),)),
)


class Charted(Protocol):
    """What the choice of charts needs of a run."""

    @property
    def series(self) -> Mapping[str, Any]: ...


def charts_of(runs: Sequence[Charted], chosen: Collection[str] | None = None) -> list[ChartKind]:
    """The charts these runs are shown in; ``chosen`` are the titles of the only ones, ``None`` all that fit.

    Trainings that are not ours have one for everything they recorded.
    """
    if chosen is not None:
        found = [kind for kind in choices_of(runs) if kind.title in chosen]
        if found:
            return found
    recorded = {name for run in runs for name in run.series}
    foreign = dict.fromkeys(name for run in runs if getattr(run, "foreign", False) for name in run.series)
    own = not runs or any(not getattr(run, "foreign", False) for run in runs)
    waited_for = own and not any(name.startswith("dev.") for name in recorded)  # an evaluation may bring more
    known = [kind for kind in CHARTS if _there(kind, recorded) or (waited_for and not kind.rare)]
    shown = {metric.name for kind in known for metric in kind.metrics}
    return [*known, *foreign_charts(name for name in foreign if name not in shown)]


def _there(kind: ChartKind, recorded: Collection[str]) -> bool:
    return sum(metric.name in recorded for metric in kind.metrics) >= max(1, kind.rare)


_SPLITS = re.compile(r"(?<![a-z])(train(ing)?|val(id(ation)?)?|dev|test|eval(uation)?)(?![a-z])", re.IGNORECASE)
_HELD_OUT = re.compile(r"(?<![a-z])(val|dev|test|eval)", re.IGNORECASE)
_LOW = re.compile(r"loss|err|perplexity|nll|ppl|wer|mse|mae", re.IGNORECASE)
_HIGH = re.compile(r"acc|f1|auc|bleu|rouge|reward|score|precision|recall|return|map|iou", re.IGNORECASE)


def foreign_charts(names: Iterable[str]) -> list[ChartKind]:
    """A chart for each figure, the held-out one dotted over that of the training: ``train/loss`` and ``val_loss``."""
    groups: dict[str, list[str]] = {}
    for name in names:
        stem = re.sub(r"[\W_]+", " ", _SPLITS.sub("", name)).strip().lower() or name
        groups.setdefault(stem, []).append(name)
    kinds: list[ChartKind] = []
    for stem, group in groups.items():
        group.sort(key=lambda name: _HELD_OUT.search(name) is not None)
        for place in range(0, len(group), 2):
            pair = group[place : place + 2]
            title = visible(stem if len(pair) > 1 else pair[0])
            kinds.append(ChartKind(title, tuple(_metric(name, dotted=at > 0) for at, name in enumerate(pair))))
    return kinds


def _metric(name: str, *, dotted: bool) -> Metric:
    best = "min" if _LOW.search(name) else "max" if _HIGH.search(name) else ""
    return Metric(name, visible(name), dotted, best)


def choices_of(runs: Sequence[Charted]) -> list[ChartKind]:
    """Every chart there can be of these runs: the usual ones, then each figure they recorded that is in none of these."""
    usual = charts_of(runs)
    known = {metric.name for kind in (*CHARTS, *usual) for metric in kind.metrics}
    others = dict.fromkeys(name for run in runs for name in run.series if name not in known)
    return [*usual, *(ChartKind(name, (Metric(name, name.rpartition(".")[2]),)) for name in sorted(others))]


def curves_of(
    kind: ChartKind, runs: Sequence[RunView], slots: dict[str, int], looks: Looks, derived: Derived
) -> list[Curve]:
    """The chart's curves of these runs, the first run's first; ``slots`` gives each run its colour and letter."""
    curves: list[Curve] = []
    for run in runs[:1] if kind.one_run else runs:
        slot = slots[run.name]
        letter = chr(ord("A") + slot)
        for place, metric in enumerate(kind.metrics):
            points = derived.of(run, metric.name, looks)
            if points is None:
                continue
            curves.append(
                Curve(
                    metric.label,
                    *points,
                    colour=place + 2 if kind.one_run else slot,
                    letter=metric.letter if kind.one_run else letter,
                    dotted=metric.dotted,
                    best=metric.best,
                    raw=run.series[metric.name].ys if looks.smoothing else (),
                )
            )
    return curves


def marks_of(runs: Sequence[RunView], slots: dict[str, int], looks: Looks) -> list[Mark]:
    """Where settings were changed while these runs trained."""
    marks: list[Mark] = []
    for run in runs:
        axis = run.axis(looks.axis)
        for setting in run.settings:
            x = setting.step if axis is None else at(axis, setting.step)
            key = setting.key.rpartition(".")[2]
            marks.append(Mark(x, f"{chr(ord('A') + slots[run.name])} {key}={setting.value}", slots[run.name]))
    return marks
