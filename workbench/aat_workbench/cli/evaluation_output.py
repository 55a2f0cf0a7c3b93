"""An evaluation's table for people."""

from __future__ import annotations

from typing import Any

from aat_workbench.cli.output import print_table, say

__all__ = ["print_evaluation"]


def print_evaluation(table: dict[str, Any], *, quiet: bool) -> None:
    """An evaluation's table for people."""
    if "outputs" in table:
        _print_outputs(table)
    else:
        _print_labels(table)
    for warning in table["warnings"]:
        say(f"warning: {warning}", quiet=quiet)
    for note in table["notes"]:
        say(f"note: {note}", quiet=quiet)
    say(f"table: {table['path']}", quiet=quiet)


def _print_outputs(table: dict[str, Any]) -> None:
    measures = [key for key in table["outputs"][0] if key != "target" and not key.endswith("_interval")]
    print_table(
        ["target", "measure", "", "95 %"],
        [
            [row["target"], key, f"{row[key]:.3f}", _ends(row[f"{key}_interval"])]
            for row in table["outputs"]
            for key in measures
        ],
        title=f"{table['examples']} texts of {table['dataset']}; success is over all of them",
    )
    print()
    keys = ("target", "recipe", "goal", "adversarial_bleu", "adversarial_chrf", "mean_damage", "mean_source_similarity",
            "mean_queries", "mean_edited_share", "budget", "seconds")  # fmt: skip
    columns = [
        "target",
        "recipe",
        "goal",
        "BLEU",
        "chrF",
        "damage",
        "source chrF",
        "queries",
        "edited",
        "budget",
        "seconds",
    ]
    rows = [[row[key] for key in keys] for row in table["rows"] if row.get("goal")]
    print_table(columns, rows, title="under attack; damage, source chrF and edited share where it succeeded")
    if table["output_differences"]:
        print()
        differing = [
            [row["target"], row["measure"], f"{row['difference']:+.3f}", _ends([row["low"], row["high"]])]
            for row in table["output_differences"]
        ]
        title = f"against {table['reference']}, paired"
        print_table(["target", "measure", "difference", "95 %"], differing, title=title)


def _print_labels(table: dict[str, Any]) -> None:
    columns = ["target", "recipe", "clean", "under attack", "95 %", "certified", "success", "queries", "edited", "budget",
               "queries/word", "seconds"]  # fmt: skip
    keys = ("target", "recipe", "clean_accuracy", "accuracy_under_attack", "", "certified_accuracy", "success_rate",
            "mean_queries", "mean_edited_share", "budget", "queries_per_word", "seconds")  # fmt: skip
    rows = [
        [_ends(row["accuracy_under_attack_interval"]) if not key else row[key] for key in keys] for row in table["rows"]
    ]
    print_table(columns, rows, title=f"{table['examples']} texts of {table['dataset'] or table['targets'][0]}")
    if table["comparisons"]:
        print()
        compared = [
            [
                c["target"],
                c["recipe"],
                f"{c['difference']:+.3f}",
                _ends([c["low"], c["high"]]),
                _p(c["p"]),
                _p(c["p_holm"]),
            ]
            for c in table["comparisons"]
        ]
        print_table(
            ["target", "accuracy", "difference", "95 %", "McNemar p", "p, Holm"],
            compared,
            title=f"against {table['reference']}, paired",
        )
    print()
    print_table(
        ["check", "target", "outcome", "found"],
        [[check[key] for key in ("name", "target", "outcome", "message")] for check in table["checks"]],
        title="signs of gradient masking",
    )


def _ends(interval: list[float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"
