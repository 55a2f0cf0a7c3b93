"""``aat-workbench data view``: a selection of a dataset's rows as a dataset of its own."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from aat_datasets.errors import InputError
from aat_workbench.cli.output import Json, Quiet, emit, print_line, say

__all__ = ["view"]


def view(
    name: Annotated[str, typer.Argument(help="name of the view", show_default=False)],
    of: Annotated[str, typer.Option("--of", help="the dataset whose rows it holds", show_default=False)],
    contains: Annotated[str, typer.Option("--contains", help="only texts that hold this, in any case")] = "",
    label: Annotated[str, typer.Option("--label", help="only this label")] = "",
    length: Annotated[
        str, typer.Option("--length", metavar="A:B", help="only texts of A to B words (Chinese: characters)")
    ] = "",
    where: Annotated[str, typer.Option("--where", help="SQL condition over row, text, label, target")] = "",
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="SPLIT", help="select from this split, take the others whole")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="make a view of this name anew")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """A selection of a dataset's rows as a dataset of its own, which `train --dataset` takes as any other."""
    from aat_datasets.selection import Selection, unit_of
    from aat_datasets.shelf import card
    from aat_datasets.views import save_view

    shortest, longest = _bounds(length)
    chosen = Selection(
        contains=contains,
        label=label,
        shortest=shortest,
        longest=longest,
        unit=unit_of(card(of).language),
        where=where,
    )
    made = save_view(name, of, chosen, only=only or [], replace=replace)
    if json:
        emit({"name": name, "of": of, "splits": made.splits, "fingerprint": made.fingerprint})
        return
    print_line(f"{name}: {'  '.join(f'{split} {rows:,}' for split, rows in made.splits.items())}")
    say(made.info.note, quiet=quiet)


def _bounds(text: str) -> tuple[int, int]:
    """``A:B`` → both, 0 where one is left out. Raises InputError."""
    match = re.fullmatch(r"(\d{0,9}):?(\d{0,9})", text)
    if match is None or (text and not (match[1] or match[2])):
        raise InputError(f"--length: expected A:B, got {text!r}", "for example: --length 3:20")
    low = int(match[1] or 0)
    high = int(match[2] or 0) if ":" in text else low
    if high and low > high:
        raise InputError(f"--length: {low} is more than {high}")
    return low, high
