"""The rows and comparisons of an evaluation's table, from who got which example right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aat_models.statistics import holm, mcnemar, paired_bootstrap, wilson
from aat_workbench.certifying import CERTIFIED

__all__ = ["WORST", "Answers", "comparisons", "worst_of"]

Answers = Mapping[str, Sequence[bool]]
"""``clean``, each recipe, and ``WORST`` → right or not, by example."""

WORST = "worst-of"
"""Stands for all recipes of an evaluation at once: an example counts as robust only if every one of them fails."""


def worst_of(target: str, rows: Sequence[Mapping[str, Any]], answers: Answers) -> dict[str, Any]:
    """The row of all recipes together; caps that differ between them are left open. Costs are the sums."""
    right, left = sum(answers["clean"]), sum(answers[WORST])
    total = len(answers[WORST])

    def common(key: str) -> Any:
        values = [row[key] for row in rows]
        return values[0] if all(value == values[0] for value in values) else None

    return {
        "target": target,
        "recipe": WORST,
        "examples": total,
        "clean_accuracy": _share(right, total),
        "clean_accuracy_interval": wilson(right, total),
        "accuracy_under_attack": _share(left, total),
        "accuracy_under_attack_interval": wilson(left, total),
        **{key: common(key) for key in CERTIFIED},
        "success_rate": _share(right - left, right),
        "mean_queries": round(sum(row["mean_queries"] for row in rows), 2),
        "mean_edited_share": None,
        "budget": common("budget"),
        "queries_per_word": sum(row["queries_per_word"] for row in rows),
        "surface": common("surface"),
        "calibrated_temperature": common("calibrated_temperature"),
        "seconds": round(sum(row["seconds"] for row in rows), 3),
        "path": "",
        "queries": sum(row["queries"] for row in rows),
        "reused": sum(row["reused"] for row in rows),
    }


def comparisons(answers: Mapping[str, Answers]) -> list[dict[str, Any]]:
    """Every target against the first: the difference of accuracy with its paired interval, and McNemar's test.

    ``p_holm`` is the p-value corrected for all comparisons of the table.
    """
    names = list(answers)
    reference = answers[names[0]]
    found: list[dict[str, Any]] = []
    for name in names[1:]:
        for recipe, first in reference.items():
            other = answers[name][recipe]
            interval, test = paired_bootstrap(first, other), mcnemar(first, other)
            found.append({
                "target": name,
                "reference": names[0],
                "recipe": recipe,
                "difference": round(interval.difference, 4),
                "low": round(interval.low, 4),
                "high": round(interval.high, 4),
                "only_reference": test.only_first,
                "only_target": test.only_other,
                "p": test.p,
            })  # fmt: skip
    for entry, corrected in zip(found, holm([entry["p"] for entry in found]), strict=True):
        entry["p_holm"] = corrected
    return found


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
