"""``aat-workbench runs``: the run store."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aat_datasets.errors import InputError, UnknownNameError
from aat_workbench.cli.hosting import OnHost, ask, there
from aat_workbench.cli.output import Json, Quiet, dotted, emit, print_table, say

if TYPE_CHECKING:
    from aat_workbench.notes import Notes

__all__ = ["app"]

app = typer.Typer(help="List, show, compare, control and delete runs.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(metavar="RUN", help="a run's name or folder")]
Names = Annotated[list[str], typer.Argument(metavar="RUN…", help="runs' names or folders")]


@app.command("list")
def list_(
    tag: Annotated[list[str] | None, typer.Option("--tag", help="only runs with this tag; may be repeated")] = None,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """All runs, newest first."""
    from aat_workbench import queue
    from aat_workbench.run_records import placed
    from aat_workbench.runs import runs_root

    if host:
        found: list[dict[str, Any]] = ask(host, "runs", quiet=quiet)
    else:
        queue.advance(runs_root())
        found = placed(runs_root())
    found = [entry for entry in found if set(tag or ()) <= set(entry["tags"])]
    if json:
        emit(found)
        return
    if not found:
        where = f"on {host}" if host else f"in {runs_root()}"
        none = f"no runs {where}; begin with: aat-workbench demo"
        say(f"no run has the tag {' and '.join(tag)}" if tag else none, quiet=quiet)
        return
    columns = ("run", "state", "step", "done", "dev acc", "robust acc", "started", "tags")
    print_table(columns, [_row(entry) for entry in found])


@app.command("queue")
def queue_(
    parallel: Annotated[
        int, typer.Option("--parallel", metavar="N", min=0, help="train N at a time from now on; 0: leave it")
    ] = 0,
    start: Annotated[str, typer.Option("--start", metavar="RUN", help="begin a run that waits now")] = "",
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """The runs that wait for their turn, first come, first served; train --queue adds one, runs control RUN stop takes one out.

    A training that ends begins the next one. AAT_PARALLEL goes before --parallel.
    """
    from aat_workbench.run_records import queued
    from aat_workbench.runs import runs_root

    if host:
        found: dict[str, Any] = ask(host, "queue", quiet=quiet, parallel=parallel, start=start)
    else:
        found = queued(runs_root(), parallel, start)
    if json:
        emit(found)
        return
    waiting: list[str] = found["waiting"]
    count: int = found["parallel"]
    if waiting:
        print_table(("place", "run"), list(enumerate(waiting, start=1)))
    at_a_time = f"{count} training{'s' if count != 1 else ''} at a time"
    say(at_a_time if waiting else f"nobody waits; {at_a_time}", quiet=quiet)


@app.command("show")
def show(name: Name, json: Json = False, quiet: Quiet = False, host: OnHost = "") -> None:
    """One run: state, config, figures, checkpoints, attacks."""
    from aat_workbench.run_records import details
    from aat_workbench.runs import find_run

    full = ask(host, "run", quiet=quiet, run=name) if host else details(find_run(name))
    if json:
        emit(full)
        return
    status: dict[str, Any] = {key: full[key] for key in ("run", "path", "state", "step", "total")}
    status |= {f"last {key}": value for key, value in full["metrics"].items()}
    status |= dotted(full["summary"], "summary.") | {"error": full["error"]}
    status |= {"note": full["note"], "tags": " ".join(full["tags"])}
    status["checkpoints"] = ", ".join(full["checkpoints"])
    print_table(["", ""], [(key, value) for key, value in status.items() if value != ""])
    for warning in full["warnings"]:
        say(f"warning: {warning}", quiet=quiet)
    if full["changes"]:
        print_table(["step", "set", "before", "by"], [tuple(change.values()) for change in full["changes"]])
    for attack in full["attacks"]:
        print_table([attack["name"], ""], dotted(attack["summary"]).items())
    if not quiet:
        print_table(["config", ""], dotted(full["config"]).items())


@app.command("compare")
def compare(names: Names, json: Json = False, quiet: Quiet = False, host: OnHost = "") -> None:
    """Several runs side by side: what their configs differ in, and their figures."""
    from aat_workbench.run_records import details
    from aat_workbench.runs import find_run

    if host:
        with there(host, quiet=quiet) as connection:
            table = comparison([connection.call("run", run=name) for name in names])
    else:
        table = comparison([details(find_run(name)) for name in names])
    if json:
        emit(table)
        return
    for title in ("differs", "figures"):
        if table[title]:
            print_table([title, *table["runs"]], [(key, *values) for key, values in table[title].items()])
    if not table["differs"]:
        say("the configs are the same", quiet=quiet)


@app.command("rm")
def remove(
    names: Names,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Delete runs with their checkpoints and attacks."""
    from aat_workbench.runs import find_run
    from aat_workbench.status import ACTIVE

    if host:
        with there(host, quiet=quiet) as connection:
            states = {entry["run"]: entry for entry in connection.call("runs")}
            for name in names:
                if name not in states:
                    raise UnknownNameError("run", name, states)
            busy = [name for name in names if states[name]["state"] in ACTIVE and not states[name]["place"]]
            _may_remove(names, busy, yes=yes)
            removed = [connection.call("remove", run=name) for name in names]
    else:
        folders = [find_run(name) for name in names]
        statuses = {folder.name: folder.status() for folder in folders}
        busy = [name for name, status in statuses.items() if status.active and not status.waiting]
        _may_remove([folder.name for folder in folders], busy, yes=yes)
        removed = [{"run": folder.name, "path": str(folder.path)} for folder in folders]
        for folder in folders:
            folder.remove()
    for entry in removed:
        say(f"deleted {entry['path']}", quiet=quiet or json)
    if json:
        emit({"removed": [entry["run"] for entry in removed]})


def _may_remove(names: list[str], busy: list[str], *, yes: bool) -> None:
    """Asks, unless ``yes``. Raises InputError where runs are at work or nobody is there to be asked."""
    if busy:
        raise InputError(f"still at work: {', '.join(busy)}", f"first: aat-workbench runs control {busy[0]} stop")
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("nothing was deleted", "in scripts add --yes")
        typer.confirm(f"delete {', '.join(names)}?", abort=True, err=True)


@app.command("control")
def control(
    name: Name,
    command: Annotated[str, typer.Argument(help="pause, resume, stop, checkpoint or set")],
    value: Annotated[
        str, typer.Argument(metavar="[KEY=VALUE]", help="what to set, for example lr=1e-3 or adversary.beta=2")
    ] = "",
    at: Annotated[int, typer.Option("--at", metavar="STEP", min=0, help="wait for this step; 0: now")] = 0,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Ask a training to pause, go on, stop, take a checkpoint, or change its learning rate or a setting of its adversary.

    A setting holds from the training's next record on, is recorded, and is kept when the training is resumed.
    """
    from aat_workbench.runs import find_run

    asked = f"{command} {value}".strip()
    if host:
        name = ask(host, "control", quiet=quiet, run=name, command=asked, at=at)["run"]
    else:
        folder = find_run(name)
        folder.send(asked, at)
        name = folder.name
    if json:
        emit({"run": name, "command": command, "value": value, "at": at})
    else:
        say(f"asked {name} to {command} {value}".rstrip() + (f" at step {at}" if at else ""), quiet=quiet)


@app.command("note")
def note(
    name: Name,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="the note; empty takes it away")] = None,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Write a note on a run, in place of the one there was; without a text, print it."""
    import msgspec

    def change(before: Notes) -> Notes:
        return before if text is None else msgspec.structs.replace(before, text=text)

    _show_notes(_noted(name, change, host, quiet=quiet), json=json, quiet=quiet and text is not None)


@app.command("tag", context_settings={"ignore_unknown_options": True})
def tag(
    name: Name,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[+TAG|-TAG]…", help="+TAG adds, -TAG takes away; none: print them")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Add tags to a run or take them away: runs tag first +good -draft."""
    from aat_workbench import notes

    found = _noted(name, lambda before: notes.tagged(before, changes or ()), host, quiet=quiet)
    _show_notes(found, json=json, quiet=quiet and bool(changes))


def _noted(name: str, change: Callable[[Notes], Notes], host: str, *, quiet: bool) -> dict[str, Any]:
    """What is written about a run, ``{run, note, tags}``, changed where ``change`` gives something else."""
    from aat_workbench import notes
    from aat_workbench.runs import find_run

    if host:
        with there(host, quiet=quiet) as connection:
            known = {entry["run"]: entry for entry in connection.call("runs")}
            if name not in known:
                raise UnknownNameError("run", name, known)
            before = notes.Notes(known[name]["note"], known[name]["tags"])
            after = change(before)
            if after != before:
                return connection.call("note", run=name, text=after.text, tags=after.tags)
            return {"run": name, "note": before.text, "tags": before.tags}
    folder = find_run(name)
    before = notes.read(folder.path)
    if (after := change(before)) != before:
        notes.write(folder.path, after)
    written = notes.read(folder.path)
    return {"run": folder.name, "note": written.text, "tags": written.tags}


def _show_notes(found: dict[str, Any], *, json: bool, quiet: bool) -> None:
    from aat_workbench.cli.output import print_line

    if json:
        emit(found)
    elif not quiet:
        for line in (*(["tags: " + " ".join(found["tags"])] if found["tags"] else []), *found["note"].splitlines()):
            print_line(line)


def comparison(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """``{runs, differs: {key: [value a run]}, figures: {name: [value a run]}}``; ``None`` where a run has none."""
    configs = [dotted(run["config"]) for run in runs]
    keys = [key for key in configs[0] if key != "run"]
    differs = {key: [config.get(key) for config in configs] for key in keys}
    measured = [_figures(run) for run in runs]
    names = dict.fromkeys(name for figures in measured for name in figures)
    return {
        "runs": [run["run"] for run in runs],
        "differs": {key: values for key, values in differs.items() if any(value != values[0] for value in values)},
        "figures": {name: [figures.get(name) for figures in measured] for name in names},
    }


def _figures(run: dict[str, Any]) -> dict[str, float]:
    flat: dict[str, Any] = {"step": run["step"], **dotted(run["metrics"], "last."), **dotted(run["summary"])}
    for attack in run["attacks"]:
        flat |= dotted(attack["summary"], f"{attack['name']}.")
    return {name: value for name, value in flat.items() if isinstance(value, int | float) and value is not True}


def _row(entry: dict[str, Any]) -> list[object]:
    metrics, total = entry["metrics"], entry["total"]
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry["started"])) if entry["started"] else ""
    done = f"{100 * entry['step'] / total:.0f} %" if total else ""
    accuracies = (metrics.get("accuracy"), metrics.get("robust_accuracy"))
    state = f"{entry['state']} {entry['place']}" if entry["place"] else entry["state"]
    return [entry["run"], state, entry["step"], done, *accuracies, started, " ".join(entry["tags"])]
