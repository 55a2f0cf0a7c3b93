"""``aat-workbench``: one file a command group; what a command needs is imported when it runs.

Exit codes: 0 done, 1 failed, 2 wrong input, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from aat_datasets.errors import AatError, InputError
from aat_workbench import __version__
from aat_workbench.cli.attack import attack
from aat_workbench.cli.bench import app as bench_app
from aat_workbench.cli.data import app as data_app
from aat_workbench.cli.demo import demo
from aat_workbench.cli.doctor import doctor
from aat_workbench.cli.engine import engine
from aat_workbench.cli.evaluate import evaluate
from aat_workbench.cli.export import export
from aat_workbench.cli.generate import generate
from aat_workbench.cli.hosting import OnHost
from aat_workbench.cli.latent import latent
from aat_workbench.cli.opening import complain, open_pane
from aat_workbench.cli.probe import probe
from aat_workbench.cli.report import report
from aat_workbench.cli.runs import app as runs_app
from aat_workbench.cli.serve import serve
from aat_workbench.cli.train import train
from aat_workbench.cli.watch import watch

__all__ = ["app", "main"]

app = typer.Typer(
    name="aat-workbench",
    help="A terminal workbench for adaptive adversarial training of text models. Without a command: the app.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"aat-workbench {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and stop")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error; for every command")] = False,
    host: OnHost = "",
) -> None:
    """A terminal workbench for adaptive adversarial training of text models. Without a command: the app."""
    if context.invoked_subcommand is None:
        open_pane("training" if host else "datasets", host=host)
    elif host:
        raise InputError(
            "--host stands behind the command it is for", f"aat-workbench {context.invoked_subcommand} … --host {host}"
        )


app.command("demo")(demo)
app.add_typer(data_app, name="data")
app.command("train")(train)
app.add_typer(runs_app, name="runs")
app.command("watch")(watch)
app.command("attack")(attack)
app.command("evaluate")(evaluate)
app.command("report")(report)
app.command("probe")(probe)
app.command("generate")(generate)
app.command("latent")(latent)
app.command("export")(export)
app.command("serve")(serve)
app.command("engine")(engine)
app.add_typer(bench_app, name="bench")
app.command("doctor")(doctor)


def main(arguments: list[str] | None = None) -> None:
    """The console script. An error that a user can cause ends as one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    debug = "--debug" in given[:end]
    given = [word for at, word in enumerate(given) if word != "--debug" or at > end]
    try:
        app(args=given, prog_name="aat-workbench")
    except AatError as error:
        if debug:
            raise
        complain(error)


if __name__ == "__main__":
    main()
