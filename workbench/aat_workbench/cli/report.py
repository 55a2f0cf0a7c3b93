"""``aat-workbench report``: attacks, runs and evaluations as a page, Markdown, charts, or tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from aat_workbench.cli.output import Json, Quiet, emit, print_line

__all__ = ["report"]

FormatName = Literal["md", "html", "csv", "jsonl", "parquet", "svg"]


def report(
    names: Annotated[
        list[str],
        typer.Argument(metavar="ATTACK|RUN|EVALUATION…", help="RUN/ATTACK, a run, an evaluation, or a folder of one"),
    ],
    form: Annotated[FormatName, typer.Option("--format", help="of the file")] = "html",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="where; default: report-NAME.FORMAT, here")
    ] = None,
    examples: Annotated[
        int, typer.Option("--examples", min=0, help="html, md: broken texts shown of each attack")
    ] = 20,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a report: html and md to read, svg to show, csv, jsonl and parquet for other programs."""
    from aat_workbench.report import collect, write

    found = collect(names)
    named = re.sub(r"[^\w.+-]+", "-", names[0]).strip("-.")[-80:] if len(names) == 1 else "several"
    path = write(found, form, out or Path(f"report-{named}.{form}"), examples=examples)
    if json:
        emit({"path": str(path)})
    elif not quiet:
        print_line(str(path))
