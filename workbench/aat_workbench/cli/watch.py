"""``aat-workbench watch``: follow trainings, in the app or as plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from aat_datasets.errors import InputError
from aat_workbench.cli.hosting import OnHost
from aat_workbench.cli.opening import open_pane
from aat_workbench.cli.output import Json, Quiet, emit, print_line

if TYPE_CHECKING:
    from aat_models.events import Event
    from aat_workbench.runs import RunFolder

__all__ = ["follow", "watch"]


def watch(
    run: Annotated[list[str] | None, typer.Argument(metavar="[RUN]…", help="runs; none: all that are at work")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="lines on stdout, for a log file or a poor terminal")] = False,
    bell: Annotated[
        bool, typer.Option("--bell", help="with --plain, ring the terminal's bell at each run's end")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Follow trainings: the app on its Training pane, or with --plain or --json a line an event until they end."""
    from aat_workbench.runs import find_run, list_runs

    names = run or []
    if host:
        _watch_there(host, names, plain=plain, bell=bell, json=json, quiet=quiet)
        return
    if not plain and not json:
        open_pane("training", find_run(names[0]).name if names else "")
        return
    folders = [find_run(name) for name in names] or [folder for folder in list_runs() if folder.status().active]
    if not folders:
        raise InputError("no run is at work", "name one: aat-workbench watch RUN --plain")
    _tell(folders, bell=bell, json=json, quiet=quiet)


def _watch_there(host: str, names: list[str], *, plain: bool, bell: bool, json: bool, quiet: bool) -> None:
    if not plain and not json:
        open_pane("training", names[0] if names else "", host=host)
        return
    from aat_workbench.cli.there import following

    with following(host, names, quiet=quiet) as (folders, wait):
        _tell(folders, bell=bell, json=json, quiet=quiet, wait=wait)


def _tell(
    folders: list[RunFolder],
    *,
    bell: bool,
    json: bool,
    quiet: bool,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    from aat_models.events import Done, Failed

    for folder, event in follow(folders, wait=wait):
        if json:
            emit({"run": folder.name, **_plain_object(event)})
        else:
            _print(folder, event, several=len(folders) > 1, quiet=quiet)
            if bell and isinstance(event, Done | Failed):
                print("\a", end="", file=sys.stderr, flush=True)


def follow(
    folders: list[RunFolder], seconds: float = 0.25, wait: Callable[[float], None] = time.sleep
) -> Iterator[tuple[RunFolder, Event]]:
    """The events of several runs as they come, those already there first; ends when no run is at work any more.

    ``wait`` passes the seconds between two looks.
    """
    from aat_workbench import queue

    tails = [(folder, folder.tail()) for folder in folders]
    roots = {folder.path.parent for folder in folders}
    while True:
        for root in roots:
            queue.advance(root)
        over = not any(folder.status().active for folder in folders)  # asked before the last look: nothing is missed
        for folder, tail in tails:
            yield from ((folder, event) for event in tail.poll())
            while tail.behind:
                yield from ((folder, event) for event in tail.poll())
        if over:
            return
        wait(seconds)


def _plain_object(event: Event) -> dict[str, object]:
    import msgspec

    return msgspec.to_builtins(event)


def _print(folder: RunFolder, event: Event, *, several: bool, quiet: bool) -> None:
    from aat_models.events import Done, Failed, Step
    from aat_workbench.cli.output import dotted, figure
    from aat_workbench.cli.progress import line

    text = line(event)
    if isinstance(event, Done):
        text = "done  " + "  ".join(f"{key} {figure(value)}" for key, value in dotted(event.summary).items())
    elif isinstance(event, Failed):
        text = f"failed: {event.error}" + (f" ({event.hint})" if event.hint else "")
    elif quiet and isinstance(event, Step):
        return
    if text:
        stamp = time.strftime("%H:%M:%S", time.localtime(event.time))
        print_line(f"{stamp} {folder.name + '  ' if several else ''}{text}")
