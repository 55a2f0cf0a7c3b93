"""What ``attack``, ``evaluate``, ``report``, ``probe``, ``generate``, ``watch`` and ``train --detach`` do with ``--host``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from aat_datasets.errors import InputError, UnknownNameError
from aat_models import config as configs
from aat_models.events import AttackResult, Event, Notice, Token
from aat_models.sampling import Sampling
from aat_workbench.attack_request import AttackRequest
from aat_workbench.cli.attack_output import print_attack, shown
from aat_workbench.cli.evaluation_output import print_evaluation
from aat_workbench.cli.hosting import ask, there
from aat_workbench.cli.output import emit, say

if TYPE_CHECKING:
    from aat_models.config import Config
    from aat_workbench.host import Connection
    from aat_workbench.runs import RunFolder
    from aat_workbench.suites import EvaluationRequest

__all__ = [
    "attack_there", "evaluate_there", "following", "generating", "probing", "report_there", "start_there",
]  # fmt: skip


def attack_there(host: str, target: str, requests: Sequence[AttackRequest], *, json: bool, quiet: bool) -> None:
    """Attack a target of the host; the results are kept there."""
    with there(host, quiet=quiet) as connection:
        for request in requests:
            results, summary = _attack(connection, target, request, quiet=quiet)
            labels = summary.pop("labels")
            if json:
                emit(summary)
                continue
            where = f"{connection.name}:{summary['path']}" if summary["path"] else ""
            print_attack(summary | {"path": where}, results, labels, quiet=quiet)


def _attack(
    connection: Connection, target: str, request: AttackRequest, *, quiet: bool
) -> tuple[list[AttackResult], dict[str, Any]]:
    happening = connection.events("attack", target=target, **msgspec.to_builtins(request))
    results: list[AttackResult] = []
    try:
        for event in shown(([event] for event in happening), quiet=quiet):
            if isinstance(event, AttackResult):
                results.append(event)
    except KeyboardInterrupt:
        say(f"interrupted: what was found is kept on {connection.name}; --resume goes on")
        raise typer.Exit(130) from None
    return results, happening.result


def probing(connection: Connection, target: str, text: str, request: AttackRequest) -> dict[str, Any]:
    """``labels``, ``probabilities``, ``words``, ``scores`` and the ``result`` of the attack, for one text."""
    found = connection.call("predict", target=target, texts=[text])
    salience = connection.call("attribute", target=target, text=text)
    results = [
        event
        for event in connection.events("attack", target=target, **msgspec.to_builtins(request))
        if isinstance(event, AttackResult)
    ]
    return {
        "labels": found["labels"],
        "probabilities": found["probabilities"][0],
        "words": salience["words"],
        "scores": salience["scores"],
        "result": results[0],
    }


def generating(
    connection: Connection, target: str, prompt: str, sampling: Sampling, history: Sequence[str] = (), system: str = ""
) -> Generator[list[Event], None, Any]:
    """The tokens of one reply as they come; the generator's value is its summary."""
    settings = msgspec.to_builtins(sampling)
    happening = connection.events(
        "generate", target=target, prompt=prompt, history=list(history), system=system, **settings
    )
    for event in happening:
        if isinstance(event, Token | Notice):
            yield [event]
    return happening.result


def evaluate_there(host: str, targets: Sequence[str], request: EvaluationRequest, *, json: bool, quiet: bool) -> None:
    """Compare targets of the host; the attacks and the table are kept there."""
    with there(host, quiet=quiet) as connection:
        happening = connection.events("evaluate", targets=list(targets), **msgspec.to_builtins(request))
        try:
            for _ in shown(([event] for event in happening), quiet=quiet):
                pass
        except KeyboardInterrupt:
            say(f"interrupted: what was found is kept on {connection.name}; the same command goes on")
            raise typer.Exit(130) from None
        table = happening.result
    if json:
        emit(table)
    else:
        print_evaluation(table | {"path": f"{connection.name}:{table['path']}"}, quiet=quiet)


def report_there(host: str, names: Sequence[str], form: str, path: Path, examples: int, *, quiet: bool) -> None:
    """Write a report of what is on the host into a file here."""
    from aat_workbench import durable

    if form == "tensorboard":
        from aat_workbench.tensorboard_log import export

        with following(host, names, quiet=quiet) as (folders, _):
            export(folders, path)
        return
    answer = ask(host, "report", quiet=quiet, names=list(names), form=form, examples=examples)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(path, base64.b64decode(answer["content"]))
    except OSError as error:
        raise InputError(f"{error.filename or path}: {error.strerror}", "the report cannot be written there") from None


def start_there(host: str, config: Config, *, resume: str, queue: bool, json: bool, quiet: bool) -> None:
    """Start a training on the host, or have the run ``resume`` go on; when its turn comes with ``queue``."""
    if resume:
        started = ask(host, "resume", quiet=quiet, run=resume, queued=queue)
    else:
        started = ask(host, "start", quiet=quiet, config=configs.dump(config), queued=queue)
    run = started["run"]
    if json:
        emit(started)
    elif started["place"]:
        say(
            f"{run} waits on {host} for its turn, place {started['place']}; see it: aat-workbench runs queue --host {host}"
        )
    else:
        say(f"training {run} on {host} in the background; see it: aat-workbench watch --host {host} {run}")


@contextmanager
def following(
    host: str, names: Sequence[str], *, quiet: bool
) -> Generator[tuple[list[RunFolder], Callable[..., None]], None, None]:
    """The runs' mirrored folders, and a function that waits until they are as they were there a moment ago."""
    from aat_workbench.host import claim_mirror
    from aat_workbench.mirror import SECONDS_BETWEEN_LOOKS, Mirror
    from aat_workbench.runs import RunFolder, mount

    with there(host, quiet=quiet) as connection:
        states = {entry["run"]: entry["state"] for entry in connection.call("runs")}
        for name in names:
            if name not in states:
                raise UnknownNameError("run", name, states)
        wanted = list(names) or at_work(states)
        root, lock = claim_mirror(connection.session.host)
        mirror = Mirror(root, connection.session, connection.name, only=wanted)
        mirror.on_change = lambda: _told(mirror, quiet)
        mount(mirror.root, mirror)

        def wait(seconds: float = SECONDS_BETWEEN_LOOKS) -> None:
            connection.run(mirror.rest(seconds))
            connection.run(mirror.until_level())

        try:
            wait(0.0)
            yield [RunFolder(mirror.root / name) for name in wanted], wait
        finally:
            mount(mirror.root, None)
            lock.release()


def at_work(states: dict[str, str]) -> list[str]:
    """The runs that are at work. Raises InputError where none is."""
    from aat_workbench.status import ACTIVE

    found = [name for name, state in states.items() if state in ACTIVE]
    if not found:
        raise InputError("no run is at work", "name one: aat-workbench watch RUN --plain")
    return found


def _told(mirror: Any, quiet: bool) -> None:
    lost = mirror.trouble is not None
    say(f"{mirror.place}: connection lost, trying again" if lost else f"{mirror.place}: connected again", quiet=quiet)
