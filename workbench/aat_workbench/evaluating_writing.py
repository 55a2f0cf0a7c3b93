"""Several models that write, several attacks, the same texts: what they write, and how much of it an attack takes away.

As ``evaluating``, with "the goal is not reached" for "right"; besides, of every target BLEU, chrF and perplexity of its outputs
to the unedited texts, with bootstrap intervals, and their paired differences to the first target's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aat_datasets.errors import InputError
from aat_models.events import AttackResult
from aat_models.statistics import Interval, resampled
from aat_models.text_metrics import bleu_counts, bleu_of
from aat_workbench.attack_texts import AttackTexts
from aat_workbench.attacking import AttackRun
from aat_workbench.evaluating import Evaluation, EvaluationRequest
from aat_workbench.masking import Check
from aat_workbench.writing_attacks import attacks_writing, writing_texts, writing_victim

if TYPE_CHECKING:
    from aat_models.attacks import Recipe
    from aat_workbench.attack_texts import Substitutes
    from aat_workbench.targets import Target

__all__ = ["WritingEvaluation", "evaluation"]

_RECIPES = {"quick": ["greedy", "character-noise"]}
_MORE = ["greedy", "character-noise", "seq2sick"]
_FIGURES = ("bleu", "adversarial_bleu", "chrf", "adversarial_chrf", "mean_damage", "mean_source_similarity")
_BATCH = 64  # texts whose outputs are read at a time


def evaluation(targets: Sequence[Target], request: EvaluationRequest, runs_root: Path | None = None) -> Evaluation:
    """What evaluates the targets' outputs, where the request names a goal of them or the first cannot classify; else labels."""
    from aat_models.attacks import find
    from aat_workbench.attack_request import AttackRequest

    asked = AttackRequest(goal=request.goal)
    if targets and attacks_writing(targets[0], asked, find("greedy")):
        return WritingEvaluation(targets, request, runs_root)
    if request.goal:
        raise InputError(
            f"goal: an evaluation has none but of what is written, and {request.goal} is not",
            "meaning, non-overlapping, keywords:WORD",
        )
    return Evaluation(targets, request, runs_root)


class Measure(NamedTuple):
    """A figure of outputs: what each adds to it, (N, K), and how the sums become it."""

    parts: list[list[float]]
    figure: Callable[[list[float]], float]

    def interval(self) -> Interval:
        return resampled(self.parts, self.figure)

    def difference(self, first: Measure) -> Interval:
        """Its figure minus the first's, the same examples drawn for both."""
        width = len(self.parts[0])
        both = [[*own, *other] for own, other in zip(self.parts, first.parts, strict=True)]
        return resampled(both, lambda sums: self.figure(sums[:width]) - self.figure(sums[width:]))


class WritingEvaluation(Evaluation):
    """See the module; arguments and attributes as those of ``Evaluation``."""

    def _chosen(self, request: EvaluationRequest, recipes: Iterable[Recipe]) -> tuple[list[str], list[str]]:
        known = [
            (r.name, r.goal.name if "gradients" not in r.needs else "one that asks for gradients") for r in recipes
        ]
        if request.recipes:
            return request.choose(known)
        return list(_RECIPES.get(request.suite, _MORE)), []

    def _texts(self) -> list[AttackTexts]:
        request = self._attack(self._recipes[0], None)
        for target in self._targets:
            writing_victim(target)  # raises where it writes nothing
        texts = writing_texts(self._targets[0], request)
        return [texts for _ in self._targets]

    def _fit(self, texts: Sequence[AttackTexts], surface: Substitutes) -> None:
        from aat_models.attacks import find
        from aat_models.writing_goals import find_writing_goal

        for name in self._recipes:
            goal = self._request.goal or find(name).writing
            for target in self._targets:
                find_writing_goal(goal, writing_victim(target))

    def _certify(self, target: Target, texts: AttackTexts, surface: Substitutes) -> None:
        return

    def _checks(self, texts: Sequence[AttackTexts], surface: Substitutes) -> Iterator[tuple[str, Any]]:
        yield from ()

    def _row(self, target: str, run: AttackRun) -> dict[str, Any]:
        summary = run.summary
        return super()._row(target, run) | {key: summary[key] for key in ("goal", *_FIGURES)}

    def _table(self, texts: AttackTexts, surface_hash: str, checks: list[Check]) -> dict[str, Any]:
        table = super()._table(texts, surface_hash, checks)
        measured = {target.name: self._measures(target, texts) for target in self._targets}
        first = measured[self._targets[0].name]
        table["outputs"] = [
            {"target": name} | _flat({key: measure.interval() for key, measure in measures.items()})
            for name, measures in measured.items()
        ]
        table["output_differences"] = [
            {"target": name, "measure": key} | _ends(measure.difference(first[key]))
            for name, measures in list(measured.items())[1:]
            for key, measure in measures.items()
        ]
        return table

    def _measures(self, target: Target, texts: AttackTexts) -> dict[str, Measure]:
        """Of the outputs to the unedited texts, and of success; of success too the relative change is told."""
        from aat_datasets.preprocess import tokenise

        attacks = self._results(target.name)
        clean = next(iter(attacks.values()))
        ids = sorted(clean)
        told = [clean[i].written for i in ids]
        words = [
            bleu_counts(tokenise(one.before).split(), tokenise(one.reference).split())
            for one in told
            if one is not None
        ]
        found = {
            "bleu": Measure([[float(count) for count in row] for row in words], bleu_of),
            "chrf": Measure([[one.near_before, 1.0] for one in told if one is not None], _mean),
            "perplexity": Measure(_entropies(target, texts), _perplexity),
        }
        for recipe, results in attacks.items():
            found[f"success {recipe}"] = Measure([[_broken(results[i]), 1.0] for i in ids], _mean)
        if len(attacks) > 1:
            worst = [[max(_broken(results[i]) for results in attacks.values()), 1.0] for i in ids]
            found["success worst-of"] = Measure(worst, _mean)
        return found

    def _notes(self, examples: int, checks: Sequence[Check]) -> list[str]:
        told = super()._notes(examples, checks)
        return [note for note in told if "certified" not in note]


def _entropies(target: Target, texts: AttackTexts) -> list[list[float]]:
    """Nats and words of every wanted output under teacher forcing, in the order of the texts' ids."""
    victim = writing_victim(target)
    examples = sorted(texts.examples, key=lambda example: example.row)
    found: list[list[float]] = []
    for start in range(0, len(examples), _BATCH):
        part = examples[start : start + _BATCH]
        losses = victim.losses([one.text for one in part], [one.target or "" for one in part])
        found += [[nats, float(count)] for nats, count in losses]
    return found


def _broken(result: AttackResult) -> float:
    return float(result.status == "success")


def _mean(sums: list[float]) -> float:
    return sums[0] / sums[1]


def _perplexity(sums: list[float]) -> float:
    return math.exp(min(sums[0] / sums[1], 50.0))


def _ends(interval: Interval) -> dict[str, Any]:
    return {
        "difference": round(interval.difference, 4), "low": round(interval.low, 4), "high": round(interval.high, 4)
    }  # fmt: skip


def _flat(intervals: dict[str, Interval]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, interval in intervals.items():
        found[key] = round(interval.difference, 4)
        found[f"{key}_interval"] = [round(interval.low, 4), round(interval.high, 4)]
    return found
