"""``aat-workbench runs``: the run store."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aat_datasets.errors import AatError, InputError, UnknownNameError
from aat_workbench.cli.hosting import OnHost, ask, there
from aat_workbench.cli.output import Json, Quiet, dotted, emit, print_table, say

if TYPE_CHECKING:
    from aat_workbench.runs import RunFolder

__all__ = ["app"]

app = typer.Typer(help="List, show, compare, control and delete runs.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(metavar="RUN", help="a run's name or folder")]
Names = Annotated[list[str], typer.Argument(metavar="RUN…", help="runs' names or folders")]


@app.command("list")
def list_(json: Json = False, quiet: Quiet = False, host: OnHost = "") -> None:
    """All runs, newest first."""
    from aat_workbench.runs import list_runs, runs_root

    found = ask(host, "runs", quiet=quiet) if host else [brief(folder) for folder in list_runs()]
    if json:
        emit(found)
        return
    if not found:
        where = f"on {host}" if host else f"in {runs_root()}"
        say(f"no runs {where}; begin with: aat-workbench demo", quiet=quiet)
        return
    columns = ("run", "state", "step", "done", "dev acc", "robust acc", "started")
    print_table(columns, [_row(entry) for entry in found])


@app.command("show")
def show(name: Name, json: Json = False, quiet: Quiet = False, host: OnHost = "") -> None:
    """One run: state, config, figures, checkpoints, attacks."""
    from aat_workbench.runs import find_run

    full = ask(host, "run", quiet=quiet, run=name) if host else details(find_run(name))
    if json:
        emit(full)
        return
    status: dict[str, Any] = {key: full[key] for key in ("run", "path", "state", "step", "total")}
    status |= {f"last {key}": value for key, value in full["metrics"].items()}
    status |= dotted(full["summary"], "summary.") | {"error": full["error"]}
    status["checkpoints"] = ", ".join(full["checkpoints"])
    print_table(["", ""], [(key, value) for key, value in status.items() if value != ""])
    for warning in full["warnings"]:
        say(f"warning: {warning}", quiet=quiet)
    for attack in full["attacks"]:
        print_table([attack["name"], ""], dotted(attack["summary"]).items())
    if not quiet:
        print_table(["config", ""], dotted(full["config"]).items())


@app.command("compare")
def compare(names: Names, json: Json = False, quiet: Quiet = False, host: OnHost = "") -> None:
    """Several runs side by side: what their configs differ in, and their figures."""
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
            states = {entry["run"]: entry["state"] for entry in connection.call("runs")}
            for name in names:
                if name not in states:
                    raise UnknownNameError("run", name, states)
            _may_remove(names, [name for name in names if states[name] in ACTIVE], yes=yes)
            removed = [connection.call("remove", run=name) for name in names]
    else:
        folders = [find_run(name) for name in names]
        busy = [folder.name for folder in folders if folder.status().active]
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
    value: Annotated[str, typer.Argument(metavar="[KEY=VALUE]", help="what to set, for example lr=1e-3")] = "",
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Ask a training to pause, go on, stop, take a checkpoint or change its learning rate."""
    from aat_workbench.runs import find_run

    asked = f"{command} {value}".strip()
    if host:
        name = ask(host, "control", quiet=quiet, run=name, command=asked)["run"]
    else:
        folder = find_run(name)
        folder.send(asked)
        name = folder.name
    if json:
        emit({"run": name, "command": command, "value": value})
    else:
        say(f"asked {name} to {command} {value}".rstrip(), quiet=quiet)


def brief(folder: RunFolder) -> dict[str, Any]:
    """What a list shows of a run."""
    status = folder.status()
    entry: dict[str, Any] = {
        "run": folder.name,
        "path": str(folder.path),
        "state": status.state,
        "step": status.step,
        "total": status.total,
        "metrics": status.metrics,
        "summary": status.summary or {},
        "error": status.error,
        "started": status.started,
        "heartbeat": status.heartbeat,
    }
    try:
        config = folder.config
    except AatError as error:  # an old or hand-edited run must not hide the others
        return {**entry, "error": str(error)}
    return {
        **entry,
        "dataset": config.data.dataset,
        "model": config.model.encoder,
        "adversary": config.adversary.name,
    }


def details(folder: RunFolder) -> dict[str, Any]:
    """Everything about a run but its events."""
    import msgspec

    return {
        **brief(folder),
        "config": msgspec.to_builtins(folder.config),
        "checkpoints": [path.name for path in folder.steps()],
        "warnings": warnings(folder),
        "attacks": attacks(folder),
    }


def warnings(folder: RunFolder) -> list[str]:
    """What a run's training warned of, oldest first."""
    from aat_models.events import Notice

    return [record.message for record in folder.history() if isinstance(record, Notice) and record.level == "warning"]


def attacks(folder: RunFolder) -> list[dict[str, Any]]:
    """The summaries of a run's finished attacks: ``[{name, summary}]``."""
    import msgspec

    found: list[dict[str, Any]] = []
    for path in sorted(folder.attacks_path.glob("*/summary.json")):
        try:
            summary = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.MsgspecError):
            continue  # being written, or another version's
        found.append({"name": path.parent.name, "summary": summary})
    return found


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
    return [entry["run"], entry["state"], entry["step"], done, *accuracies, started]
