"""``aat-workbench watch``: follow trainings, in the app or as plain lines."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aat_datasets.errors import InputError
from aat_workbench.cli.hosting import OnHost
from aat_workbench.cli.opening import open_pane
from aat_workbench.cli.output import Json, Quiet, emit, print_line, say

if TYPE_CHECKING:
    from aat_models.events import Event
    from aat_workbench.foreign.points import Point, Reader
    from aat_workbench.runs import RunFolder

__all__ = ["follow", "follow_paths", "watch"]


def watch(
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN|PATH]…",
            help="runs, or event files of TensorBoard, CSV or JSONL of metrics, and folders of them; none: all at work",
        ),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="lines on stdout, for a log file or a poor terminal")] = False,
    bell: Annotated[
        bool, typer.Option("--bell", help="with --plain, ring the terminal's bell at each run's end")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Follow trainings: the app on its Training pane, or with --plain or --json a line an event until they end.

    Trainings of other tools are shown by their files, which may still grow; with --plain or --json they end when nothing
    has been written for a minute.
    """
    from aat_workbench.runs import list_runs

    if host:
        _watch_there(host, run or [], plain=plain, bell=bell, json=json, quiet=quiet)
        return
    names, paths = _sorted_out(run or [])
    if not plain and not json:
        open_pane("training", names[0].name if names else "", watched=paths)
        return
    if names and paths:
        raise InputError("runs and files of other trainings are not printed together", "watch them one by one")
    if paths:
        _follow_paths(paths, json=json, quiet=quiet)
        return
    folders = names or [folder for folder in list_runs() if folder.status().active]
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


def _sorted_out(words: list[str]) -> tuple[list[RunFolder], list[Path]]:
    """Runs by name or folder, and paths of trainings that are not ours. Raises UnknownNameError where it is neither."""
    from aat_workbench.runs import RunFolder, find_run, runs_root

    folders: list[RunFolder] = []
    paths: list[Path] = []
    for word in words:
        path = Path(word)
        if RunFolder(runs_root() / word).exists() or not path.exists():
            folders.append(find_run(word))
        elif RunFolder(path).exists():
            folders.append(RunFolder(path))
        else:
            paths.append(path)
    return folders, paths


def follow_paths(
    paths: Sequence[Path], quiet_after: float = 60.0, seconds: float = 0.25
) -> Iterator[tuple[str, Point]]:
    """The points of trainings that are not ours, ``(run, point)``, those already there first.

    Ends when nothing has been written for ``quiet_after`` seconds. Raises InputError where a path holds none.
    """
    from aat_workbench.foreign.sources import Sources

    sources = Sources(paths)
    readers: dict[str, Reader] = {}
    while True:
        for source in sources.look():
            readers.setdefault(source.name, source.reader())
        over = all(time.time() - reader.modified() > quiet_after for reader in readers.values())
        for name, reader in readers.items():
            yield from ((name, point) for point in reader.poll())
            while reader.behind:
                yield from ((name, point) for point in reader.poll())
        if over:
            skipped = sum(reader.skipped for reader in readers.values())
            if skipped:
                say(f"{skipped} records could not be read")
            return
        time.sleep(seconds)


def _follow_paths(paths: Sequence[Path], *, json: bool, quiet: bool) -> None:
    from aat_workbench.cli.output import figure

    for name, point in follow_paths(paths):
        if json:
            values = {key: value if math.isfinite(value) else None for key, value in point.values}
            emit({"run": name, "type": "point", "x": point.x, "time": point.time, "values": values})
        elif point.values:
            stamp = time.strftime("%H:%M:%S ", time.localtime(point.time)) if point.time else ""
            figures = "  ".join(f"{key} {figure(value)}" for key, value in point.values)
            print_line(f"{stamp}{name}  {point.x:g}  {figures}")


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
