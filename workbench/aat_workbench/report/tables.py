"""A report's content as tables: the cells that the page and Markdown show, and the rows that programs read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from aat_datasets.chinese import join_words
from aat_datasets.errors import InputError
from aat_models.events import AttackResult
from aat_workbench.outcome import broken
from aat_workbench.report.charts import Bar, Chart, bars, curves, differences
from aat_workbench.report.sources import AttackPart, EvaluationPart, Report, RunPart

__all__ = ["Table", "charts", "examples", "records", "tables", "word_diff"]

_SCORES = (
    "recipe", "examples", "clean_accuracy", "accuracy_under_attack", "success_rate", "mean_queries",
    "mean_edited_share", "budget", "queries_per_word", "surface", "calibrated_temperature", "seconds",
)  # fmt: skip
_REDUCED = ("mean_words", "mean_words_left", "reduced_share")
_EVALUATED = (*_SCORES[:4], "certified_accuracy", *_SCORES[4:])


class Table(NamedTuple):
    """Headings and cells, as text."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    remarks: list[str]


def tables(report: Report) -> Iterator[Table]:
    """Everything of a report that is a table, in the order it is told."""
    for part in report.evaluations:
        yield from _evaluation(part)
    if report.all_attacks:
        yield _attacks(report.all_attacks)
    for part in report.runs:
        rows = [[key, _shown(value)] for key, value in (part.facts | part.figures).items()]
        yield Table(f"Run {part.name}", ["", ""], rows, [])


def _evaluation(part: EvaluationPart) -> Iterator[Table]:
    table = part.table
    rows = [
        [row["target"], *(_score(row, key) for key in _EVALUATED)] for row in table["rows"]
    ]  # caps and seconds stand beside every score
    remarks = [f"Warning: {text}" for text in table["warnings"]] + [f"Note: {text}" for text in table["notes"]]
    where = f"{table['examples']} texts of {table['dataset'] or table['reference']}, seed {table['seed']}"
    yield Table(f"Evaluation {part.name}: {where}", ["target", *_EVALUATED], rows, remarks)
    if table["comparisons"]:
        compared = [
            [c["target"], c["recipe"], f"{c['difference']:+.3f}", f"{c['low']:+.3f} to {c['high']:+.3f}",
             str(c["only_reference"]), str(c["only_target"]), f"{c['p']:.2g}", f"{c['p_holm']:.2g}"]
            for c in table["comparisons"]
        ]  # fmt: skip
        columns = ["target", "accuracy", "difference", "95 %", "only reference", "only target", "McNemar p", "p, Holm"]
        yield Table(f"Against {table['reference']}, paired", columns, compared, [])
    checks = [[c["name"], c["target"], c["outcome"], c["message"]] for c in table["checks"]]
    yield Table("Signs of gradient masking", ["check", "target", "outcome", "found"], checks, [])


def _attacks(parts: Sequence[AttackPart]) -> Table:
    # An input reduction has figures of its own, the others have none of them.
    scores = [*_SCORES[:5], *(key for key in _REDUCED if any(key in part.summary for part in parts)), *_SCORES[5:]]
    rows = [[part.name, part.summary["target"], *(_score(part.summary, key) for key in scores)] for part in parts]
    remarks = [f"Warning: {part.name}: {text}" for part in parts for text in part.summary["warnings"]]
    return Table("Attacks", ["attack", "target", *scores], rows, remarks)


def _score(row: dict[str, Any], key: str) -> str:
    ends = row.get(f"{key}_interval")
    value = _shown(row.get(key))  # a table of an older version has fewer
    return f"{value} ({ends[0]:.3f} to {ends[1]:.3f})" if ends else value


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def charts(report: Report) -> Iterator[Chart]:
    """Everything of a report that is a picture."""
    for part in report.evaluations:
        table = part.table
        groups = {target: at for at, target in enumerate(table["targets"])}
        rows = [_bar(f"{row['target']}, {row['recipe']}", row, groups[row["target"]]) for row in table["rows"]]
        yield bars(f"Accuracy under attack, {part.name}", rows)
        if table["comparisons"]:
            told = [
                Bar(f"{c['target']}, {c['recipe']}", c["difference"], c["low"], c["high"], groups[c["target"]])
                for c in table["comparisons"]
            ]
            yield differences(f"Difference to {table['reference']}", told)
    attacked = [part for part in report.all_attacks if part.summary["accuracy_under_attack"] is not None]
    if attacked:
        yield bars("Accuracy under attack", [_bar(part.name, part.summary, 1) for part in attacked])
    for part in report.runs:
        yield from _curves(part)


def _bar(label: str, row: dict[str, Any], group: int) -> Bar:
    low, high = row["accuracy_under_attack_interval"]
    return Bar(label, row["accuracy_under_attack"], low, high, group)


def _curves(part: RunPart) -> Iterator[Chart]:
    """Losses together, accuracies together: what has one unit shares a chart."""
    for word in ("loss", "accuracy"):
        chosen = {name: points for name, points in part.curves.items() if word in name.split(" ")[-1].split("_")}
        if chosen:
            yield curves(f"{part.name}: {word}", chosen)


def examples(part: AttackPart, limit: int) -> list[AttackResult]:
    """The texts that broke with the fewest edits, most of all those the model then is surest of; none of a reduction."""
    return sorted(filter(broken, part.results), key=lambda r: (len(r.edits), -max(r.adversarial_probabilities), r.id))[
        :limit
    ]


def word_diff(result: AttackResult) -> Iterator[tuple[str, str]]:
    """``(kind, words)`` of what stays (``=``), goes (``-``) and comes (``+``), in reading order."""
    before, after = result.text.split(" "), result.adversarial.split(" ")
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            yield "=", join_words(before[a:b])
            continue
        if b > a:
            yield "-", join_words(before[a:b])
        if d > c:
            yield "+", join_words(after[c:d])


def records(report: Report, *, one_kind: bool) -> list[dict[str, Any]]:
    """Rows for programs: of attacks one an example, of runs one a point, of evaluations one a target and recipe.

    Attacks that only came with a run are left out. With ``one_kind``, what would give rows of different columns is
    refused (InputError); without, ``kind`` tells them apart.
    """
    kinds: dict[str, list[dict[str, Any]]] = {
        "attack": [_record(part, result) for part in report.attacks for result in part.results],
        "run": [
            {"run": part.name, "metric": name, "step": step, "value": value}
            for part in report.runs
            for name, points in part.curves.items()
            for step, value in points
        ],
        "evaluation": [_scored(part, row) for part in report.evaluations for row in part.table["rows"]],
    }
    named = [bool(report.attacks), bool(report.runs), bool(report.evaluations)]
    if not one_kind:
        return [{"kind": kind, **row} for kind, rows in kinds.items() for row in rows]
    if sum(named) > 1:
        raise InputError(
            "attacks, runs and evaluations have different columns", "name things of one kind, or use jsonl"
        )
    rows = next(rows for rows, there in zip(kinds.values(), named, strict=True) if there)
    if not rows:
        raise InputError("there are no rows yet", "nothing was recorded so far")
    return rows


def _record(part: AttackPart, result: AttackResult) -> dict[str, Any]:
    def label(number: int) -> str:
        return part.labels[number] if number < len(part.labels) else str(number)

    return {
        "attack": part.name,
        "target": part.summary["target"],
        "recipe": part.summary["recipe"],
        "id": result.id,
        "status": result.status,
        "label": label(result.label),
        "prediction": label(result.prediction),
        "adversarial_prediction": label(result.adversarial_prediction),
        "p_label": result.probabilities[result.label],
        "adversarial_p_label": result.adversarial_probabilities[result.label],
        "edits": len(result.edits),
        "edited_share": result.edited_share,
        "queries": result.queries,
        "seconds": result.seconds,
        "text": result.text,
        "adversarial": result.adversarial,
    }


def _scored(part: EvaluationPart, row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {"evaluation": part.name}
    for key, value in row.items():
        if key.endswith("_interval"):
            stem = key.removesuffix("_interval")
            flat[f"{stem}_low"], flat[f"{stem}_high"] = value or (None, None)
        elif key != "path":
            flat[key] = value
    return flat
