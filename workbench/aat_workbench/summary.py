"""The figures of an attack, from its results; and what makes them doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aat_models.events import AttackResult
from aat_models.statistics import wilson
from aat_workbench.outcome import words_left

__all__ = ["REDUCTION", "Timing", "summarise", "wilson"]


REDUCTION = "input reduction"
"""The goal that keeps the prediction and leaves words out."""


class Timing(msgspec.Struct):
    """An attack's own seconds, and those of them inside the victim."""

    seconds: float = 0.0
    forward_seconds: float = 0.0


def summarise(
    recipe: str,
    results: Sequence[AttackResult],
    timing: Timing,
    temperature: float | None,
    warnings: Sequence[str] = (),
    goal: str = "untargeted",
) -> dict[str, Any]:
    """The summary of an attack.

    ``accuracy_under_attack`` is survivors / all examples, ``success_rate`` broken / right before any edit.
    ``mean_queries`` is over the examples that were attacked, ``mean_edited_share`` over those that were broken, and so
    is ``mean_similarity``, None where no sentence encoder measured it. Only the seconds and rates depend on the machine;
    the order of the results changes nothing.

    An input reduction breaks nothing: these figures are None then, and instead there are, over the examples that were
    right, ``mean_words`` before, ``mean_words_left``, and ``reduced_share``, those whose prediction one word keeps.
    """
    results = sorted(results, key=lambda result: result.id)
    total = len(results)
    attacked = [result for result in results if result.status != "skipped"]
    queries = sum(result.queries for result in results)
    seconds = timing.seconds
    return {
        "recipe": recipe,
        "examples": total,
        "clean_accuracy": _share(len(attacked), total),
        "clean_accuracy_interval": wilson(len(attacked), total),
        **(_reduction(attacked) if goal == REDUCTION else _breaking(attacked, total)),
        "mean_queries": _share(sum(result.queries for result in attacked), len(attacked), 2),
        "seconds": round(seconds, 3),
        "examples_per_second": round(total / seconds, 2) if seconds else 0.0,
        "queries_per_second": round(queries / seconds, 1) if seconds else 0.0,
        "forward_share": round(timing.forward_seconds / seconds, 4) if seconds else 0.0,
        "calibrated_temperature": temperature,
        "warnings": [*warnings, *_doubts(attacked, temperature, goal)],
    }


def _breaking(attacked: Sequence[AttackResult], total: int) -> dict[str, Any]:
    broken = [result for result in attacked if result.status == "success"]
    survivors = len(attacked) - len(broken)
    similarities = [result.similarity for result in broken if result.similarity is not None]
    return {
        "accuracy_under_attack": _share(survivors, total),
        "accuracy_under_attack_interval": wilson(survivors, total),
        "success_rate": _share(len(broken), len(attacked)),
        "mean_edited_share": _share(sum(result.edited_share for result in broken), len(broken)),
        "mean_similarity": _share(sum(similarities), len(similarities)) if similarities else None,
    }


def _reduction(attacked: Sequence[AttackResult]) -> dict[str, Any]:
    nothing = ("accuracy_under_attack", "accuracy_under_attack_interval", "success_rate", "mean_edited_share")
    similarities = [result.similarity for result in attacked if result.similarity is not None]
    return {
        **dict.fromkeys(nothing),
        "mean_words": _share(sum(result.text.count(" ") + 1 for result in attacked), len(attacked), 2),
        "mean_words_left": _share(sum(map(words_left, attacked)), len(attacked), 2),
        "reduced_share": _share(sum(result.status == "success" for result in attacked), len(attacked)),
        "mean_similarity": _share(sum(similarities), len(similarities)) if similarities else None,
    }


def _share(part: float, whole: int, digits: int = 4) -> float:
    return round(part / whole, digits) if whole else 0.0


def _doubts(attacked: Sequence[AttackResult], temperature: float | None, goal: str) -> list[str]:
    """Signs that the accuracy under attack is too high, or that texts could be shorter."""
    found: list[str] = []
    starved = sum(result.status == "budget" for result in attacked)
    if starved:
        bound = "fewer words might do" if goal == REDUCTION else "accuracy under attack is an upper bound"
        found.append(f"{starved} of {len(attacked)} attacked texts ran out of queries: {bound}")
    if attacked and temperature is not None and temperature > 2:
        found.append(f"the model is overconfident (temperature {temperature:.2f}); it was calibrated before the attack")
    saturated = sum(max(result.probabilities) >= 1 - 1e-6 for result in attacked if result.written is None)
    if attacked and saturated > 0.2 * len(attacked):
        found.append(
            f"{saturated} of {len(attacked)} attacked texts have a probability of 1: a score-based attack sees no slope"
        )
    return found
