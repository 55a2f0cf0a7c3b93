"""Several models, several recipes, the same texts: who keeps more of its accuracy, and how sure that is.

Every model is attacked itself, calibrated on dev, on the same examples with the same surface under the same caps. The
attacks are the stored ones of attack_store.py: an evaluation that was interrupted and is begun again goes on where it
stopped. Its table is kept in ``$AAT_RUNS/_evaluations/evaluation-K/evaluation.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from aat_datasets.errors import InputError, VictimError
from aat_models.config import BOUNDED
from aat_models.events import AttackResult, Event, Notice, Progress
from aat_models.own_code import is_own
from aat_workbench.attack_request import AttackRequest
from aat_workbench.attack_texts import AttackTexts, attack_texts, fit_language, surface_of
from aat_workbench.attacking import AttackRun
from aat_workbench.certifying import CERTIFIED, Certificates, bracketed, certificates, on_the_surface
from aat_workbench.comparing import WORST, comparisons, worst_of
from aat_workbench.evaluation_store import evaluations_root, keep
from aat_workbench.masking import (
    Check,
    Sample,
    black_and_white,
    growing_budget,
    no_limits,
    restarts,
    robust,
    telling_words,
    transfer,
)
from aat_workbench.suites import EvaluationRequest

if TYPE_CHECKING:
    from aat_models.attacks import Recipe
    from aat_workbench.attack_texts import Substitutes
    from aat_workbench.targets import Target

__all__ = ["Evaluation", "EvaluationRequest"]

_ENOUGH = 1000  # examples below which a difference of some points is noise
_DRAWING = ("random", "genetic", "surface", "pso", "iga")  # recipes whose search draws at random
_ROW = (
    "target", "recipe", "examples", "clean_accuracy", "clean_accuracy_interval", "accuracy_under_attack",
    "accuracy_under_attack_interval", "success_rate", "mean_queries", "mean_edited_share", "budget",
    "queries_per_word", "surface", "calibrated_temperature", "seconds", "path",
)  # fmt: skip


class Evaluation:
    """One evaluation: iterate over ``steps()``, then read ``table``.

    Args:
        targets: what is compared, the reference first; all classify the same labels.
        request: what to do.
        runs_root: where the evaluation's folder is made.

    Attributes:
        table: the outcome, see docs/attacking.md; empty before the end.
        path: the evaluation's folder; None before the end.
        done, total: attacks finished, and to do.

    Raises InputError, UnknownNameError for recipes and targets that do not fit together.
    """

    def __init__(self, targets: Sequence[Target], request: EvaluationRequest, runs_root: Path | None = None) -> None:
        from aat_models.attacks import RECIPES, find

        names = [target.name for target in targets]
        if not names:
            raise InputError("no target", "name at least one")
        if len(set(names)) < len(names):
            raise InputError("a target is named twice", "name each once")
        named = [find(name).name if is_own(name) else name for name in request.recipes]
        request = msgspec.structs.replace(request, recipes=named)
        self._recipes, self._absent = self._chosen(request, RECIPES.values())
        self.table: dict[str, Any] = {}
        self.path: Path | None = None
        self.done = 0
        self._targets = list(targets)
        self._request = request
        self._root = evaluations_root(runs_root)
        self._runs: dict[str, dict[str, AttackRun]] = {name: {} for name in names}  # target → recipe → attack
        self._certificates: dict[str, Certificates] = {}
        self._left_out: list[str] = []
        self.total = len(self._recipes) * len(names)

    def _chosen(self, request: EvaluationRequest, recipes: Iterable[Recipe]) -> tuple[list[str], list[str]]:
        """The recipes to run, and those of the suite that are not there."""
        known = [(r.name, r.goal.name if "decoder" not in r.needs else r.writing) for r in recipes]
        return request.choose(known)

    # the attacks --------------------------------------------------------------------------------------------------

    def steps(self) -> Iterator[list[Event]]:
        """Evaluates; yields what happens, often nothing.

        Raises what attacks raise, and CertificateError where one broke what is certified; what was found before stays in
        the attacks' folders.
        """
        yield [Progress(done=0, total=0, message="reading texts")]
        texts = self._texts()
        surface = surface_of(self._targets[0], self._request.surface, texts[0].dataset)
        self._fit(texts, surface[0])
        for recipe in self._recipes:
            for target in self._targets:
                run = self._runs[target.name][recipe] = AttackRun(
                    target, self._attack(recipe, texts[0]), surface=surface, reuse=not self._request.fresh
                )
                yield from _marked(run.steps(), target.name)
                self.done += 1
        for target, own in zip(self._targets, texts, strict=True):
            yield [Progress(done=0, total=0, message=f"certifying {target.name}")]
            self._certify(target, own, surface[0])
        checks: list[Check] = []
        for message, check in self._checks(texts, surface[0]):
            yield [Progress(done=0, total=0, message=message)]
            checks.append(check())
        self.table = self._table(texts[0], surface[1], checks)
        bracketed(self.table["rows"])
        self.path = keep(self.table, self._root)
        yield [Notice(message=warning, level="warning") for warning in self.table["warnings"]]

    def _attack(self, recipe: str, texts: AttackTexts | None) -> AttackRequest:
        request = self._request
        return AttackRequest(
            recipe=recipe,
            dataset=texts.name if texts is not None else request.dataset or self._targets[0].dataset,
            split=texts.split if texts is not None else request.split,
            n=request.examples,
            budget=request.budget,
            queries_per_word=request.queries_per_word,
            seed=request.seed,
            surface=request.surface,
            goal=request.goal,
            save=True,
        )

    def _texts(self) -> list[AttackTexts]:
        """The texts for each target, which are the same but for how labels are numbered. Raises InputError."""
        found: list[AttackTexts] = []
        for target in self._targets:
            target.require_head()
            found.append(attack_texts(target, self._attack(self._recipes[0], found[0] if found else None)))
        first = _named(found[0])
        for target, texts in zip(self._targets, found, strict=True):
            if _named(texts) != first:
                raise InputError(
                    f"{target.name} and {self._targets[0].name} are not attacked on the same texts",
                    "name one dataset for all with --dataset",
                )
        return found

    def _fit(self, texts: Sequence[AttackTexts], surface: Substitutes) -> None:
        """Leave out recipes of the suite that a target cannot be attacked with. Raises where one was asked for."""
        from aat_models.attacks import Attack, find

        for name in list(self._recipes):
            for target, own in zip(self._targets, texts, strict=True):
                try:
                    Attack(target.victim, [], find(name), surface=surface)
                    fit_language(target, find(name), own)
                except (InputError, VictimError) as error:
                    if self._request.recipes:
                        raise
                    self._recipes.remove(name)
                    self._left_out.append(f"the recipe {name} was left out: {target.name}: {error.message}")
                    break
        if not self._recipes:
            raise InputError("no recipe of the suite fits all targets", "; ".join(self._left_out))
        self.total = len(self._recipes) * len(self._targets)

    def _certify(self, target: Target, texts: AttackTexts, surface: Substitutes) -> None:
        """Bounds a target where that can be done, and holds the attacks on it against what is certified."""
        closed = [recipe for recipe in self._recipes if on_the_surface(recipe)]
        found = certificates(target, texts, surface) if closed else None
        if found is None:
            return
        for recipe in closed:
            found.check(recipe, self._runs[target.name][recipe].results)
        self._certificates[target.name] = found

    # the checks ---------------------------------------------------------------------------------------------------

    def _results(self, target: str) -> dict[str, dict[int, AttackResult]]:
        return {recipe: {r.id: r for r in run.results} for recipe, run in self._runs[target].items()}

    def _checks(self, texts: Sequence[AttackTexts], surface: Substitutes) -> Iterator[tuple[str, Any]]:
        """What is to be checked, with the call that does it."""
        from functools import partial

        from aat_models.attacks import find

        closed = [name for name in self._recipes if "surface" in find(name).needs]
        white = [name for name in closed if "gradients" in find(name).needs]
        black = [name for name in closed if "gradients" not in (*find(name).needs, *find(name).wants)]
        found = {target.name: self._results(target.name) for target in self._targets}
        for target, own in zip(self._targets, texts, strict=True):
            yield (
                f"masking checks of {target.name}",
                partial(black_and_white, target.name, found[target.name], white, black),
            )
            others = {name: attacks for name, attacks in found.items() if name != target.name}
            yield f"texts found on others against {target.name}", partial(transfer, target, others, found[target.name])
            sample = self._sample(target, own, surface)
            if sample is None:
                for name in ("edits without surface or cap do not approach 0", "loss not monotone in budget"):
                    reason = (
                        "the suite has no sample for it" if not self._request.protocol.sample else "no text is right"
                    )
                    yield name, partial(Check, name=name, target=target.name, outcome="not made", message=reason)
                continue
            words = telling_words(target, [*own.examples, *own.calibration])
            yield f"edits without limits on {target.name}", partial(no_limits, sample, words)
            yield f"growing budgets on {target.name}", partial(growing_budget, sample)
            drawing = [name for name in closed if name in _DRAWING]
            yield f"restarts on {target.name}", partial(restarts, sample, drawing, self._request.protocol.restarts)

    def _sample(self, target: Target, texts: AttackTexts, surface: Substitutes) -> Sample | None:
        """The shortest texts the target gets right: what survives there survives for no lack of queries."""
        run = self._runs[target.name][self._recipes[0]]
        right = {result.id: len(result.text) for result in run.results if result.status != "skipped"}
        size = self._request.protocol.sample
        if not size or not right:
            return None
        rows = sorted(right, key=lambda row: (right[row], row))[:size]
        summary = run.summary
        return Sample(
            target=target,
            examples=[example for example in texts.examples if example.row in set(rows)],
            temperature=summary["calibrated_temperature"] or 1.0,
            surface=surface,
            budget=summary["budget"],
            queries_per_word=self._request.queries_per_word,
            seed=self._request.seed,
        )

    # the table ----------------------------------------------------------------------------------------------------

    def _table(self, texts: AttackTexts, surface_hash: str, checks: list[Check]) -> dict[str, Any]:
        rows = [self._row(name, run) for name, runs in self._runs.items() for run in runs.values()]
        answers = {name: self._answers(name) for name in self._runs}
        if len(self._recipes) > 1:
            rows += [
                worst_of(name, [row for row in rows if row["target"] == name], answers[name]) for name in self._runs
            ]
        return {
            "suite": self._request.suite,
            "dataset": texts.name,
            "split": texts.split,
            "examples": len(texts.examples),
            "seed": self._request.seed,
            "surface": self._request.surface,
            "surface_hash": surface_hash,
            "reference": self._targets[0].name,
            "targets": list(self._runs),
            "recipes": self._recipes,
            "rows": rows,
            "comparisons": comparisons(answers),
            "checks": msgspec.to_builtins(checks),
            "warnings": self._warnings(checks),
            "notes": self._notes(len(texts.examples), checks),
        }

    def _row(self, target: str, run: AttackRun) -> dict[str, Any]:
        summary = run.summary
        row = {key: summary[key] for key in _ROW}
        known = self._certificates.get(target) if on_the_surface(summary["recipe"]) else None
        row |= known.columns() if known is not None else dict.fromkeys(CERTIFIED)
        return row | {"queries": sum(result.queries for result in run.results), "reused": run.found_before}

    def _answers(self, target: str) -> dict[str, list[bool]]:
        """``clean``, each recipe and, where there are several, the worst of them → right or not, by example."""
        attacks = self._results(target)
        ids = sorted(next(iter(attacks.values())))
        found = {"clean": [next(iter(attacks.values()))[i].status != "skipped" for i in ids]}
        found |= {recipe: [robust(results[i]) for i in ids] for recipe, results in attacks.items()}
        if len(attacks) > 1:
            found[WORST] = [all(robust(results[i]) for results in attacks.values()) for i in ids]
        return found

    def _warnings(self, checks: Sequence[Check]) -> list[str]:
        told = [
            f"{name}: {w}" for name, runs in self._runs.items() for r in runs.values() for w in r.summary["warnings"]
        ]
        told += [f"{check.target}: {check.name}: {check.message}" for check in checks if check.outcome == "alarm"]
        return list(dict.fromkeys([*self._left_out, *told]))

    def _notes(self, examples: int, checks: Sequence[Check]) -> list[str]:
        told: list[str] = []
        if self._absent:
            told.append(f"the suite {self._request.suite} also has {', '.join(self._absent)}, which are not there")
        if examples < _ENOUGH:
            points = 98 / examples**0.5
            told.append(
                f"{examples} texts: an accuracy is known to ±{points:.0f} points; a claim needs {_ENOUGH} or more"
            )
        told.append(
            "one model each: differences between training seeds are not in the intervals; a claim needs 3 seeds"
        )
        told += self._certified()
        reused = sum(run.found_before for runs in self._runs.values() for run in runs.values())
        unhashed = [target.name for target in self._targets if not target.weights and target.name != "builtin:tiny"]
        if reused:
            told.append(f"{reused} results are those of earlier attacks of the same settings; --fresh attacks anew")
        if reused and unhashed:
            told.append(f"whether {', '.join(unhashed)} is still the same model cannot be seen; --fresh makes sure")
        missing = sorted({check.name for check in checks if check.outcome == "not made"})
        if missing:
            told.append(f"not checked: {'; '.join(missing)}")
        return told

    def _certified(self) -> list[str]:
        """What the certified figures mean, and whose are missing."""
        if not any(map(on_the_surface, self._recipes)):
            return []
        known = list(self._certificates.values())
        told = [
            "certified: no attack on this surface breaks these texts, however many words it edits; "
            + ", ".join(f"{c.target} {c.seconds:.1f} s" for c in known)
        ] * bool(known)
        missing = [name for name in self._runs if name not in self._certificates]
        if missing:
            told.append(
                f"no certified accuracy for {', '.join(missing)}: bounds need a trained run with the encoder "
                + ", ".join(BOUNDED)
            )
        return told


def _named(texts: AttackTexts) -> list[tuple[int, str, str]]:
    return [(e.row, e.text, texts.labels[e.label] if e.label is not None else "") for e in texts.examples]


def _marked(steps: Iterator[list[Event]], target: str) -> Iterator[list[Event]]:
    """An attack's events without its notices: the evaluation's own warnings repeat them, with the target's name."""
    for events in steps:
        yield [event for event in events if not isinstance(event, Notice)]
