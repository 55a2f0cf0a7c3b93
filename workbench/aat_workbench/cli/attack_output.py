"""How ``attack`` says what it does and what came of it; ``evaluate`` while it attacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from aat_models.events import AttackResult, Event, Progress
from aat_workbench.cli.diff import diff, print_text
from aat_workbench.cli.output import print_table, say
from aat_workbench.outcome import reduced, words_left
from aat_workbench.summary import REDUCTION
from aat_workbench.terminal import shortened

__all__ = ["TARGETS", "print_attack", "shown"]

TARGETS = "a run, a run's folder, py:module:function, http://…, hf:PATH_OR_ID or builtin:tiny"

_SHOWN = (
    "recipe", "examples", "clean_accuracy", "accuracy_under_attack", "success_rate", "mean_words", "mean_words_left",
    "reduced_share", "bleu", "adversarial_bleu", "chrf", "adversarial_chrf", "mean_damage", "mean_source_similarity",
    "mean_queries", "mean_edited_share", "mean_similarity", "budget", "queries_per_word", "surface",
    "fluency", "calibrated_temperature", "seconds", "examples_per_second", "queries_per_second", "forward_share",
)  # fmt: skip
_ALWAYS = ("surface", "calibrated_temperature")  # shown where they are empty too


def shown(steps: Iterator[list[Event]], *, quiet: bool) -> Iterator[Event]:
    """Pass events on, with a live line on stderr where it is a terminal. Notices are among the summary's warnings."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}", markup=False),
        TimeRemainingColumn(),
    )
    count, told = 0, "0 broken"
    with Bar(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("attack", total=None, told="")
        for events in steps:
            for event in events:
                match event:
                    case AttackResult():
                        count += event.status == "success"
                        told = (
                            f"{count} {'reduced' if reduced(event) else 'broken'}"
                            if event.status == "success"
                            else told
                        )
                    case Progress():
                        total = event.total or None
                        text = shortened(event.message, 200)
                        bar.update(task, completed=event.done, total=total, description=text, told=told)
                    case _:
                        pass
                yield event


def print_attack(
    summary: dict[str, Any], results: Sequence[AttackResult], labels: Sequence[str], *, quiet: bool
) -> None:
    """An attack's figures, three of its examples, and its warnings."""
    rows = [(key, summary[key]) for key in _SHOWN if key in _ALWAYS or summary.get(key) not in (None, "")]
    for key in ("clean_accuracy", "accuracy_under_attack"):
        if summary[key] is None:
            continue
        low, high = summary[f"{key}_interval"]
        at = next(i for i, (name, _) in enumerate(rows) if name == key)
        rows[at] = (key, f"{summary[key]:.3f}  ({low:.3f} to {high:.3f})")
    print_table([f"attack on {summary['target']}", ""], rows)
    # Of an input reduction, those with the fewest words left; of another attack, those with the fewest edits.
    reducing = summary["goal"] == REDUCTION
    found = (result for result in results if (reduced(result) if reducing else result.status == "success"))
    for result in sorted(found, key=lambda result: words_left(result) if reducing else len(result.edits))[:3]:
        print_text(diff(result, labels))
    for warning in summary["warnings"]:
        say(f"warning: {warning}", quiet=quiet)
    if summary["path"]:
        say(f"results: {summary['path']}", quiet=quiet)
