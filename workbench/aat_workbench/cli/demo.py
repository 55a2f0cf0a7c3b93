"""``aat-workbench demo``: the whole way through, on built-in data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aat_workbench.cli.output import Json, Quiet, emit, print_line, print_table, say

if TYPE_CHECKING:
    from aat_models.events import Event

__all__ = ["demo"]


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="end with the printed summary, not in the app")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="use the finished runs of an earlier demo")] = False,
    examples: Annotated[int, typer.Option("-n", "--examples", min=1, help="test texts to attack")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="seed of everything random")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a clean and an adversarially trained model on built-in data, attack both, show what came of it."""
    import os

    from aat_models.events import Done
    from aat_workbench.demonstration import run_demo
    from aat_workbench.threads import thread_settings

    os.environ.update(thread_settings())
    events: Iterator[Event] = run_demo(seed=seed, examples=examples, keep=keep)
    if not (quiet or json):
        from aat_workbench.cli.progress import shown

        events = shown(events)
    summary: dict[str, Any] = {}
    for event in events:
        if isinstance(event, Done):
            summary = event.summary
    if json:
        emit(summary)
        return
    _print(summary)
    if not headless and sys.stdin.isatty() and sys.stdout.isatty():
        from aat_workbench.cli.opening import open_pane

        open_pane("training", summary["models"]["aat"]["run"])
        return
    say(f"{summary['seconds']:.0f} s; look around in the app: aat-workbench", quiet=quiet)


def _print(summary: dict[str, Any]) -> None:
    rows = [
        (
            kind,
            model["run"],
            _interval(model["clean_accuracy"], model["clean_accuracy_interval"]),
            _interval(model["accuracy_under_attack"], model["accuracy_under_attack_interval"]),
            f"{model['mean_queries']:.0f}",
        )
        for kind, model in summary["models"].items()
    ]
    title = f"{summary['recipe']} on {summary['examples']} test texts of {summary['dataset']}, 95 % intervals"
    print_table(["model", "run", "accuracy", "under attack", "queries"], rows, title=title)
    print_line("")
    print_line("What broke the clean model:")
    for found in summary["adversarial"]:
        edits = ", ".join(f"{source} → {target}" for _, source, target in found["edits"])
        fate = "the aat model withstood every edit" if found["aat_withstood"] else "the aat model broke too"
        print_line(f"  {found['label']}: {found['text']}")
        print_line(f"  {found['adversarial_prediction']}: {found['adversarial']}")
        print_line(f"    {edits}; {fate}")
    print_line("")
    print_line("What the aat model replies:")
    for found in summary["replies"]:
        print_line(f"  {found['message']}  [{found['label']}]")
        print_line(f"    {found['reply']}")


def _interval(value: float, interval: list[float]) -> str:
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"
