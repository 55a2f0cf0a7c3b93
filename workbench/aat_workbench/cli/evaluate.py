"""``aat-workbench evaluate``: several models under several attacks on the same texts, with paired intervals."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aat_datasets.errors import InputError
from aat_workbench.attack_request import SurfaceKind
from aat_workbench.cli.attack_output import TARGETS, shown
from aat_workbench.cli.evaluation_output import print_evaluation
from aat_workbench.cli.hosting import OnHost
from aat_workbench.cli.http import HttpBatch, HttpRate, HttpRetries, HttpTimeout
from aat_workbench.cli.output import Device, Json, Quiet, emit, say
from aat_workbench.suites import EvaluationRequest, SuiteName

if TYPE_CHECKING:
    from aat_workbench.evaluating import Evaluation

__all__ = ["evaluate"]


def evaluate(
    targets: Annotated[list[str], typer.Argument(metavar="TARGET…", help=f"the reference first; each {TARGETS}")],
    suite: Annotated[SuiteName, typer.Option("--suite", help="recipes, number of texts and masking checks")] = "quick",
    recipes: Annotated[
        str, typer.Option("--recipes", metavar="R[,R…]", help="attack recipes; default: the suite's")
    ] = "",
    dataset: Annotated[str, typer.Option("--dataset", help="texts; default: what the first target trained on")] = "",
    split: Annotated[str, typer.Option("--split", help="split of the dataset; default: test, else dev")] = "",
    n: Annotated[
        int | None, typer.Option("-n", min=0, help="how many texts, drawn with the seed; 0: all; default: the suite's")
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", help="share of a text's words that may be edited; default: the recipe's")
    ] = None,
    queries_per_word: Annotated[
        int | None, typer.Option("--queries-per-word", help="queries a text may cost a word; default: the recipe's")
    ] = None,
    surface: Annotated[
        SurfaceKind, typer.Option("--surface", help="substitutes: synonyms, misspellings, both")
    ] = "words",
    goal: Annotated[
        str,
        typer.Option(
            "--goal", help="compare what is written, not labels: meaning, non-overlapping, keywords:WORD[,WORD]"
        ),
    ] = "",
    seed: Annotated[int, typer.Option("--seed", help="seed of the texts drawn and the recipes' choices")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="attack anew even where the same attack is stored")] = False,
    http_batch: HttpBatch = 64,
    http_timeout: HttpTimeout = 30.0,
    http_retries: HttpRetries = 4,
    http_rate: HttpRate = 0.0,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Compare models under attack: the same texts, surface and caps, with paired intervals and masking checks."""
    from aat_workbench.evaluating_writing import evaluation as evaluation_of
    from aat_workbench.http_victim import HttpOptions
    from aat_workbench.targets import open_target
    from aat_workbench.threads import thread_settings

    request = EvaluationRequest(
        suite=suite,
        recipes=[name.strip() for name in recipes.split(",") if name.strip()],
        dataset=dataset,
        split=split,
        n=n,
        budget=budget,
        queries_per_word=queries_per_word,
        seed=seed,
        surface=surface,
        goal=goal,
        fresh=fresh,
    )
    http = HttpOptions(http_batch, http_timeout, http_retries, rate=http_rate)
    if host:
        if http != HttpOptions():
            raise InputError("--http-… work on this machine only", f"log in to use them: ssh {host}")
        from aat_workbench.cli.there import evaluate_there

        evaluate_there(host, targets, request, json=json, quiet=quiet)
        return
    os.environ.update(thread_settings())
    http.check()
    opened = [open_target(name, http=http) for name in targets]
    for target in opened:
        target.compute_on(device)
    evaluation = evaluation_of(opened, request)
    _run(evaluation, quiet=quiet)
    if json:
        emit(evaluation.table)
    else:
        print_evaluation(evaluation.table, quiet=quiet)


def _run(evaluation: Evaluation, *, quiet: bool) -> None:
    try:
        for _ in shown(evaluation.steps(), quiet=quiet):
            pass
    except KeyboardInterrupt:
        say(
            f"interrupted: {evaluation.done} of {evaluation.total} attacks are finished and kept, as is what the running "
            "one found; the same command goes on"
        )
        raise typer.Exit(130) from None
