"""``aat-workbench train``: one training, shown as it goes, or started in the background."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aat_datasets.errors import ConfigError, InputError
from aat_models import config as configs
from aat_workbench.cli.hosting import OnHost
from aat_workbench.cli.output import Json, Quiet, dotted, emit, figure, print_table, say
from aat_workbench.threads import several

if TYPE_CHECKING:
    from aat_models.config import Config
    from aat_models.events import Event
    from aat_workbench.runs import RunFolder

__all__ = ["collect", "settings_of", "train"]

KEYS = configs.keys()
COMPARED = (
    "dev.accuracy",
    "dev.robust_accuracy",
    "dev.certified_accuracy",
    "test.accuracy",
    "test.robust_accuracy",
    "test.certified_accuracy",
    "seconds",
    "step_time_ratio",
)


def _help(key: str) -> str:
    return KEYS[key][2]


def train(
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="start from this TOML file")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help=_help("data.dataset"))] = None,
    augment: Annotated[
        list[str] | None, typer.Option("--augment-with", metavar="DATASET", help=_help("data.augment"))
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help=_help("model.encoder"))] = None,
    adversary: Annotated[str | None, typer.Option("--adversary", help=_help("adversary.name"))] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help=_help("train.epochs"))] = None,
    seed: Annotated[int | None, typer.Option("--seed", help=_help("seed"))] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="NAME", help=_help("run"))] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="set any dotted config key; may be repeated")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with run --run from its latest checkpoint")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="train in the background; it outlives the terminal")] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="train in the background when its turn comes: see runs queue")
    ] = False,
    sweep: Annotated[
        Path | None,
        typer.Option("--sweep", metavar="FILE", help="train every combination a sweep file asks for; resumable"),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Train a model; see it again with watch, runs show, or in the app.

    Several processes train one model with torchrun --no-python --nproc-per-node N -- aat-workbench train ….
    """
    if several() and (detach or queue or sweep is not None):
        raise InputError(
            "under torchrun neither --detach nor --queue nor --sweep", "start a training for each torchrun"
        )
    if sweep is not None:
        if host:
            raise InputError("a sweep runs on this machine", f"log in to sweep there: ssh {host}")
        _sweep(sweep, json=json, quiet=quiet)
        return
    options = {
        "data.dataset": dataset,
        "data.augment": augment or None,
        "model.encoder": model,
        "adversary.name": adversary,
        "train.epochs": epochs,
        "seed": seed,
        "run": run,
    }
    settings = {key: value for key, value in options.items() if value is not None} | settings_of(assign or [])
    if host:
        if not (detach or queue):
            hint = f"add --detach, and follow it with: aat-workbench watch --host {host}"
            raise InputError("on another host a training runs in the background", hint)
        _start_there(host, config, settings, resume=resume, queue=queue, json=json, quiet=quiet)
        return
    wanted = collect(config, settings, resume=resume)
    if detach or queue:
        _start(wanted, resume=resume, queue=queue, json=json)
        return
    _train(wanted, resume=resume, json=json, quiet=quiet)


def _start_there(
    host: str, path: Path | None, settings: dict[str, Any], *, resume: bool, queue: bool, json: bool, quiet: bool
) -> None:
    """Start a training on another host. Its dataset is one of that host, which says where there is none."""
    from aat_workbench.cli.there import start_there

    name = ""
    if resume:
        name = str(settings.pop("run", ""))
        if not name or settings or path:
            raise InputError("with --host, --resume takes --run NAME and no settings", "the run has its own config")
    config = configs.apply(configs.load(path) if path else configs.Config(), settings)
    start_there(host, config, resume=name, queue=queue, json=json, quiet=quiet)


def settings_of(assignments: list[str]) -> dict[str, str]:
    """``["train.lr=1e-3"]`` → ``{"train.lr": "1e-3"}``. Raises ConfigError."""
    settings: dict[str, str] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set: expected KEY=VALUE, got {text!r}", "for example: --set train.lr=1e-3")
        settings[key.strip()] = value.strip()
    return settings


def collect(path: Path | None, settings: dict[str, Any], *, resume: bool = False) -> Config:
    """The config from a file or a run to go on with, with ``settings`` over it. Raises ConfigError or InputError."""
    if resume:
        from aat_workbench.runs import find_run

        name = settings.get("run") or (configs.load(path).run if path else "")
        if not name:
            raise InputError("--resume needs the name of a run", "give it with --run")
        return configs.apply(find_run(name).config, {**settings, "run": find_run(name).name})
    from aat_datasets.catalog import card

    config = configs.apply(configs.load(path) if path else configs.Config(), settings)
    card(config.data.dataset)  # a name that is not there is said before a run is made for it
    return config


def _start(config: Config, *, resume: bool, queue: bool, json: bool) -> None:
    from aat_workbench import jobs
    from aat_workbench.queue import places
    from aat_workbench.training import resumable

    folder = (
        jobs.resume_training(resumable(config), queued=queue) if resume else jobs.start_training(config, queued=queue)
    )
    place = places(folder.path.parent).get(folder.name, 0)
    if json:
        emit({"run": folder.name, "path": str(folder.path), "log": str(folder.log_path), "place": place})
    elif place:
        say(f"{folder.name} waits for its turn, place {place}; see it: aat-workbench runs queue")
    else:
        say(f"training {folder.name} in the background; see it: aat-workbench watch {folder.name}")


def _sweep(path: Path, *, json: bool, quiet: bool) -> None:
    from aat_models.events import Notice
    from aat_workbench.sweep import read, rows, run_sweep

    wanted = read(path)
    try:
        for event in run_sweep(wanted):
            if isinstance(event, Notice):
                say(event.message, quiet=quiet)
    except KeyboardInterrupt:
        say("trainings at work go on by themselves; the same command goes on with the sweep")
        raise
    records = rows(wanted)
    if json:
        for record in records:
            emit(record)
        return
    records = [_row(record) for record in records]
    names = list(dict.fromkeys(name for record in records for name in record))
    print_table(names, [[figure(record.get(name, "–")) for name in names] for record in records])


def _row(record: dict[str, Any]) -> dict[str, Any]:
    """A sweep's record as a table shows it: of the summary, what trainings are compared by."""
    summary = dotted(record.pop("summary", {}))
    return record | {name: summary[name] for name in COMPARED if name in summary}


def _train(config: Config, *, resume: bool, json: bool, quiet: bool) -> None:
    from aat_models.events import Done, Failed
    from aat_workbench.threads import thread_settings
    from aat_workbench.training import claim, drive

    def told(folder: RunFolder) -> RunFolder:
        say(f"run {folder.name} in {folder.path}", quiet=quiet or json)
        return folder

    os.environ.update(thread_settings())
    happening: Iterator[Event]
    if several():
        from aat_workbench.together import train_together

        happening = train_together(config, resume=resume, claimed=told)
    else:
        happening = drive(told(claim(config, resume=resume)), resume=resume)
    if not json and not quiet:
        from aat_workbench.cli.progress import shown

        happening = shown(happening)
    for event in happening:
        if json:
            emit(event)
        elif isinstance(event, Done):
            rows = [(name, figure(value)) for name, value in dotted(event.summary).items()]
            print_table(["summary", ""], rows)
        elif isinstance(event, Failed):
            say(f"failed: {event.error}", quiet=quiet)
