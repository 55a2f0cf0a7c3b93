"""``aat-workbench report``: attacks, runs and evaluations as a page, Markdown, charts, or tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from aat_workbench.cli.hosting import OnHost
from aat_workbench.cli.output import Json, Quiet, emit, print_line

__all__ = ["report"]

FormatName = Literal["md", "html", "csv", "jsonl", "parquet", "svg", "tensorboard"]


def report(
    names: Annotated[
        list[str],
        typer.Argument(metavar="ATTACK|RUN|EVALUATION…", help="RUN/ATTACK, a run, an evaluation, or a folder of one"),
    ],
    form: Annotated[FormatName, typer.Option("--format", help="of the file")] = "html",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="where; default: report-NAME.FORMAT, here; tensorboard: a folder"),
    ] = None,
    examples: Annotated[
        int, typer.Option("--examples", min=0, help="html, md: broken texts shown of each attack")
    ] = 20,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Write a report: html and md to read, svg to show, csv, jsonl and parquet for other programs.

    tensorboard: the curves of runs as event files, in a folder with a folder for each run.
    """
    named = re.sub(r"[^\w.+-]+", "-", names[0]).strip("-.")[-80:] if len(names) == 1 else "several"
    path = out or Path(f"report-{named}.{form}")
    if host:
        from aat_workbench.cli.there import report_there

        report_there(host, names, form, path, examples, quiet=quiet)
    elif form == "tensorboard":
        from aat_workbench.runs import find_run
        from aat_workbench.tensorboard_log import export

        export([find_run(name) for name in dict.fromkeys(names)], path)
    else:
        from aat_workbench.report import collect, write

        write(collect(names), form, path, examples=examples)
    if json:
        emit({"path": str(path)})
    elif not quiet:
        print_line(str(path))
