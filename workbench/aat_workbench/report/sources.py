"""What a report is about: attacks, runs and evaluations, found by name and read from their folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.errors import InputError, UnknownNameError
from aat_models.events import AttackResult, Evaluation, Step
from aat_workbench import evaluation_store
from aat_workbench.attack_store import AttackFolder
from aat_workbench.certifying import bracketed
from aat_workbench.evaluation_store import evaluations_root
from aat_workbench.runs import RunFolder, list_runs, runs_root
from aat_workbench.summary import summarise

__all__ = ["AttackPart", "EvaluationPart", "Report", "RunPart", "collect"]

Curve = list[tuple[int, float]]

_CAPS = (
    "checkpoint",
    "dataset",
    "split",
    "seed",
    "budget",
    "queries_per_word",
    "surface",
    "goal",
    "similarity",
    "fluency",
)


@dataclass(frozen=True, kw_only=True)
class AttackPart:
    """One attack: its name for people, the summary with target and caps, the class names, the results by id."""

    name: str
    summary: dict[str, Any]
    labels: list[str]
    results: list[AttackResult]


@dataclass(frozen=True, kw_only=True)
class RunPart:
    """One run: what it is, its last figures, and its curves by name: ``train loss``, ``dev accuracy``."""

    name: str
    facts: dict[str, Any]
    figures: dict[str, float]
    curves: dict[str, Curve]


@dataclass(frozen=True, kw_only=True)
class EvaluationPart:
    """One evaluation's table, see docs/attacking.md."""

    name: str
    table: dict[str, Any]


@dataclass(kw_only=True)
class Report:
    """All that was asked for, in that order within each kind.

    ``attacks`` are those that were named; ``of_runs`` those that came with a run.
    """

    title: str
    runs: list[RunPart] = field(default_factory=list[RunPart])
    attacks: list[AttackPart] = field(default_factory=list[AttackPart])
    of_runs: list[AttackPart] = field(default_factory=list[AttackPart])
    evaluations: list[EvaluationPart] = field(default_factory=list[EvaluationPart])

    @property
    def all_attacks(self) -> list[AttackPart]:
        return [*self.attacks, *self.of_runs]


def collect(names: Sequence[str], root: Path | None = None) -> Report:
    """The report of what the names stand for.

    A name is a folder, a run's name, ``RUN/ATTACK`` (``sst2-bilstm-aat-1/greedy-2``), or an evaluation's name. Raises
    UnknownNameError, InputError for a folder that holds none of these, or CertificateError for an evaluation whose
    certified accuracy is above that under attack.
    """
    if not names:
        raise InputError("nothing to report", "name an attack, a run or an evaluation")
    root = root or runs_root()
    report = Report(title=", ".join(names))
    for name in dict.fromkeys(names):
        path = _find(name, root)
        label = _short(path) if os.sep in name and Path(name).is_dir() else name
        if (path / "evaluation.json").is_file():
            table = evaluation_store.read(path)
            bracketed(table["rows"])
            report.evaluations.append(EvaluationPart(name=label, table=table))
        elif (path / "events.jsonl").is_file() or (path / "status.json").is_file():
            _add_run(report, label, RunFolder.open(path))
        else:
            report.attacks.append(_attack(label, path))
    return report


def _add_run(report: Report, name: str, folder: RunFolder) -> None:
    run = _run(name, folder)
    report.runs.append(run)
    for inner in _attacks(folder.attacks_path):
        try:
            report.of_runs.append(_attack(f"{name}/{inner.name}", inner))
        except InputError:  # another version's must not hide the run; it is said, not passed over
            run.facts[f"attack {inner.name}"] = "cannot be read"


def _find(name: str, root: Path) -> Path:
    places = [root / name, evaluations_root(root) / name]
    head, slash, tail = name.partition("/")
    if slash and tail and "/" not in tail:
        places += [root / head / "attacks" / tail, root / "_targets" / head / "attacks" / tail]
    if "/" in name or os.sep in name:
        places.append(Path(name))
    known = ("evaluation.json", "config.toml")
    found = next((path for path in places if any((path / file).is_file() for file in known)), None)
    if found is not None:
        return found
    runs = list_runs(root)
    names = [folder.name for folder in runs]
    names += [f"{folder.name}/{path.name}" for folder in runs for path in _attacks(folder.attacks_path)]
    names += [
        f"{path.parent.name}/{inner.name}" for path in root.glob("_targets/*/attacks") for inner in _attacks(path)
    ]
    names += [path.name for path in evaluations_root(root).glob("*") if (path / "evaluation.json").is_file()]
    raise UnknownNameError("attack, run or evaluation", name, names)


def _short(path: Path) -> str:
    """A folder's name for people: with its run's where it is an attack's."""
    path = path.absolute()
    return f"{path.parent.parent.name}/{path.name}" if path.parent.name == "attacks" else path.name


def _attacks(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if (path / "results.jsonl").is_file())
    except OSError:
        return []


def _attack(name: str, path: Path) -> AttackPart:
    folder = AttackFolder.open(path)
    results = sorted(folder.results, key=lambda result: result.id)
    settings = folder.settings
    warnings: list[str] = []
    if len(results) < settings.n:
        warnings.append(f"unfinished: {len(results)} of {settings.n} texts were attacked; attack --resume goes on")
    temperature = settings.temperature if settings.calibrated else None
    summary = summarise(settings.recipe, results, folder.timing, temperature, warnings, settings.goal)
    summary |= {key: getattr(settings, key) for key in _CAPS}
    return AttackPart(name=name, summary=summary | {"target": settings.target}, labels=settings.labels, results=results)


def _run(name: str, folder: RunFolder) -> RunPart:
    config, status = folder.config, folder.status()
    curves: dict[str, Curve] = {}
    for event in folder.history():
        match event:
            case Step():
                prefix = "train"
            case Evaluation():
                prefix = event.split
            case _:
                continue
        for metric, value in event.metrics.items():
            curves.setdefault(f"{prefix} {metric}", []).append((event.step, value))
    facts: dict[str, Any] = {
        "state": status.state,
        "step": f"{status.step} of {status.total}",
        "dataset": config.data.dataset,
        "model": config.model.encoder,
        "adversary": config.adversary.name,
        "seed": config.seed,
    }
    if config.data.augment:
        facts["augmented with"] = ", ".join(config.data.augment)
    if status.error:
        facts["error"] = status.error
    return RunPart(name=name, facts=facts, figures=_figures(status.summary or status.metrics), curves=curves)


def _figures(tree: dict[str, Any], prefix: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _figures(msgspec.convert(value, dict[str, Any]), f"{prefix}{key} ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[prefix + key] = value
    return flat
