"""``aat-workbench attack``: search for texts on which a model fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from aat_datasets.errors import InputError
from aat_workbench.attack_request import AttackRequest, SurfaceKind
from aat_workbench.cli.attack_output import TARGETS, print_attack, shown
from aat_workbench.cli.hosting import OnHost
from aat_workbench.cli.http import HttpBatch, HttpRate, HttpRetries, HttpTimeout
from aat_workbench.cli.output import Device, Json, Quiet, emit, print_table, say
from aat_workbench.threads import several

if TYPE_CHECKING:
    from aat_models.distributed import Group
    from aat_workbench.attacking import AttackRun
    from aat_workbench.http_victim import HttpOptions

__all__ = ["attack"]


def attack(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=TARGETS)] = "",
    recipe: Annotated[str, typer.Option("--recipe", metavar="R[,R…]", help="attack recipes; see --list")] = "greedy",
    dataset: Annotated[str, typer.Option("--dataset", help="texts to attack; default: what the run trained on")] = "",
    split: Annotated[str, typer.Option("--split", help="split of the dataset; default: test, else dev")] = "",
    n: Annotated[int, typer.Option("-n", min=0, help="how many texts, drawn with the seed; 0: all")] = 200,
    budget: Annotated[
        float | None, typer.Option("--budget", help="share of a text's words that may be edited; default: the recipe's")
    ] = None,
    queries_per_word: Annotated[
        int | None, typer.Option("--queries-per-word", help="queries a text may cost a word; default: the recipe's")
    ] = None,
    goal: Annotated[
        str,
        typer.Option(
            "--goal",
            help="untargeted or targeted:LABEL; of what is written meaning, non-overlapping, keywords:WORD[,WORD]",
        ),
    ] = "",
    surface: Annotated[
        SurfaceKind, typer.Option("--surface", help="substitutes: synonyms, misspellings, both")
    ] = "words",
    similarity: Annotated[
        str,
        typer.Option(
            "--similarity",
            metavar="ENCODER[:COSINE]",
            help="measure meaning with py:module:function or st:PATH; the cosine is for textfooler",
        ),
    ] = "",
    fluency: Annotated[
        str,
        typer.Option(
            "--fluency", metavar="RUN[:NATS]", help="leave out substitutes a run's decoder finds unlikely; default: 5"
        ),
    ] = "",
    seed: Annotated[int, typer.Option("--seed", help="seed of the texts drawn and the recipe's choices")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the newest attack of the same settings")] = False,
    save_as: Annotated[
        str, typer.Option("--save-as", metavar="DATASET", help="make a dataset of the texts that were broken")
    ] = "",
    replace: Annotated[bool, typer.Option("--replace", help="--save-as: replace a dataset of that name")] = False,
    http_batch: HttpBatch = 64,
    http_timeout: HttpTimeout = 30.0,
    http_retries: HttpRetries = 4,
    http_rate: HttpRate = 0.0,
    device: Device = "auto",
    listing: Annotated[bool, typer.Option("--list", help="list the recipes and stop")] = False,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Search for small edits that change a model's prediction; results are kept and resumable.

    Several processes share the texts with torchrun --no-python --nproc-per-node N -- aat-workbench attack ….
    """
    if listing:
        _list(json)
        return
    if not target:
        raise InputError(
            "no target", "name a run, py:module:function, http://… or builtin:tiny; --list shows the recipes"
        )
    from aat_models.attacks import find
    from aat_workbench.http_victim import HttpOptions

    names = [name.strip() for name in recipe.split(",") if name.strip()]
    for name in names:
        find(name)  # a wrong name is said before the first attack, not after it
    requests = [
        AttackRequest(
            recipe=name,
            dataset=dataset,
            split=split,
            n=n,
            budget=budget,
            queries_per_word=queries_per_word,
            goal=goal,
            surface=surface,
            similarity=similarity,
            fluency=fluency,
            seed=seed,
            resume=resume,
        )
        for name in names
    ]
    http = HttpOptions(http_batch, http_timeout, http_retries, rate=http_rate)
    if host:
        if save_as or http != HttpOptions():
            raise InputError("--save-as and --http-… work on this machine only", f"log in to use them: ssh {host}")
        from aat_workbench.cli.there import attack_there

        attack_there(host, target, requests, json=json, quiet=quiet)
        return
    if save_as:
        _check_saving(save_as, names, replace=replace)
    _attack_here(target, requests, http, save_as, device=device, replace=replace, json=json, quiet=quiet)


def _attack_here(
    target: str,
    requests: Sequence[AttackRequest],
    http: HttpOptions,
    save_as: str,
    *,
    device: str,
    replace: bool,
    json: bool,
    quiet: bool,
) -> None:
    from aat_workbench.attacking import AttackRun
    from aat_workbench.targets import open_target
    from aat_workbench.threads import thread_settings

    os.environ.update(thread_settings())
    group, quiet = _group(quiet)
    opened = open_target(target, http=http.check())
    opened.compute_on(device)
    runs: list[AttackRun] = []
    for request in requests:
        run = AttackRun(opened, request, group=group)
        if run.writing and save_as:
            raise InputError("--save-as keeps texts with their true labels", "an attack on what is written has none")
        runs.append(run)
        _one(run, quiet=quiet)
        if group is not None and group.rank:
            continue
        if json and not save_as:
            emit(run.summary)  # as soon as it is there: the next attack may take hours
        elif not json:
            print_attack(run.summary, run.results, run.labels, quiet=quiet)
    if save_as and (group is None or not group.rank):
        _save(save_as, runs, replace=replace, json=json, quiet=quiet)
    if group is not None:
        from aat_models.distributed import leave

        leave(group)


def _group(quiet: bool) -> tuple[Group | None, bool]:
    """The processes that ``torchrun`` started, and whether this one says nothing."""
    if not several():
        return None, quiet
    from aat_models.distributed import join

    group = join()
    return group, quiet or group.rank > 0


def _check_saving(dataset: str, recipes: Sequence[str], *, replace: bool) -> None:
    from aat_workbench.adversarial_dataset import check_recipe, check_target

    check_target(dataset, replace=replace)
    for recipe in recipes:
        check_recipe(recipe)


def _save(dataset: str, runs: Sequence[AttackRun], *, replace: bool, json: bool, quiet: bool) -> None:
    """Make the dataset; in JSON, every summary says what became of it."""
    from aat_workbench.adversarial_dataset import save

    saved = save(dataset, runs, replace=replace)
    if json:
        for run in runs:
            emit(run.summary | {"saved": saved})
    if saved is None:
        say(f"warning: no text was broken: there is no dataset {dataset}", quiet=quiet)
        return
    say(
        f"dataset {saved.name}: {saved.rows} texts with their true labels; train --augment-with {saved.name}",
        quiet=quiet,
    )
    split = runs[0].summary["split"]
    if runs[0].summary["dataset"] and split != "train":
        say(
            f"note: they come from the {split} split, so no training on {runs[0].summary['dataset']} takes them; "
            "--split train makes some to train on",
            quiet=quiet,
        )


def _one(run: AttackRun, *, quiet: bool) -> None:
    try:
        for _ in shown(run.steps(), quiet=quiet):
            pass
    except KeyboardInterrupt:
        kept = f"{len(run.results)} of {run.total} results are kept in {run.path}" if run.path else "nothing was kept"
        say(f"interrupted: {kept}; --resume goes on" if run.path else f"interrupted: {kept}")
        raise typer.Exit(130) from None


def _list(json: bool) -> None:
    from aat_models.attacks import RECIPES

    found = [
        {
            "name": recipe.name,
            "goal": recipe.goal.name if "decoder" not in recipe.needs else recipe.writing,
            "transform": recipe.transform,
            "constraint": recipe.constraint,
            "search": recipe.strategy,
            "needs": list(recipe.needs),
            "wants": list(recipe.wants),
            "budget": recipe.budget,
            "queries_per_word": recipe.queries_per_word,
            "paper": recipe.paper,
            "differences": recipe.differences,
        }
        for recipe in RECIPES.values()
    ]
    if json:
        emit(found)
        return
    for entry in found:
        rows = [(key, ", ".join(value) if isinstance(value, list) else value) for key, value in entry.items()]
        print_table([str(entry["name"]), ""], [row for row in rows[1:] if row[1] != ""])
        if entry is not found[-1]:
            sys.stdout.write("\n")
