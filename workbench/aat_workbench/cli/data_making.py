"""``aat-workbench data split``, ``sample``, ``replies`` and ``export``: datasets and files made from a dataset."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from aat_datasets.errors import DataError
from aat_workbench.cli.ingesting import progress_bar, sizes
from aat_workbench.cli.output import Json, Quiet, emit, print_line, say

if TYPE_CHECKING:
    from aat_datasets.deriving import Made

__all__ = ["export", "replies", "sample", "split"]

Name = Annotated[str, typer.Argument(help="dataset, as `data list` names it", show_default=False)]
New = Annotated[str, typer.Argument(help="what the new dataset is called", show_default=False)]
Splits = Annotated[list[str] | None, typer.Option("--split", help="only this split; repeat it; default: all")]
Where = Annotated[str | None, typer.Option("--where", help="SQL condition over row, text, label, target")]
Label = Annotated[str | None, typer.Option("--label", help="only this label")]
Contains = Annotated[str | None, typer.Option("--contains", help="only texts that hold this, in any case")]
Replace = Annotated[bool, typer.Option("--replace", help="make a dataset of this name anew")]


def split(
    name: Name,
    new: New,
    dev: Annotated[float, typer.Option("--dev", min=0, max=1, help="share of the rows that becomes dev")] = 0.1,
    test: Annotated[float, typer.Option("--test", min=0, max=1, help="share of the rows that becomes test")] = 0.1,
    seed: Annotated[int, typer.Option("--seed", help="another seed draws other rows")] = 0,
    only: Splits = None,
    replace: Replace = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pool the splits of a dataset and draw dev and test anew, as much of each label."""
    from aat_datasets import catalog, deriving

    with progress_bar(quiet or json) as progress:
        dataset = catalog.open_dataset(name, progress)
        made = deriving.resplit(
            dataset, new, dev=dev, test=test, seed=seed, splits=only or (), replace=replace, progress=progress
        )
    _tell(made, json, quiet)


def sample(
    name: Name,
    new: New,
    count: Annotated[int, typer.Option("-n", min=0, help="rows of each split; 0: all that the filters leave")] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="another seed draws other rows")] = 0,
    balanced: Annotated[bool, typer.Option("--balanced", help="as many rows of each label")] = False,
    only: Splits = None,
    where: Where = None,
    label: Label = None,
    contains: Contains = None,
    replace: Replace = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Some rows of a dataset as a dataset: drawn with a seed, or those that filters leave."""
    from aat_datasets import catalog, deriving

    with progress_bar(quiet or json) as progress:
        dataset = catalog.open_dataset(name, progress)
        made = deriving.sample(
            dataset,
            new,
            count=count,
            seed=seed,
            splits=only or (),
            balanced=balanced,
            where=where,
            label=label,
            contains=contains,
            replace=replace,
            progress=progress,
        )
    _tell(made, json, quiet)


def replies(
    name: Name,
    new: New,
    path: Annotated[Path, typer.Argument(help="TOML: label = [reply, …]", show_default=False)],
    replace: Replace = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give the rows of a labelled dataset replies, drawn from those written to their label: something to train a decoder on."""
    from aat_datasets import catalog, deriving

    try:
        written = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), dict[str, list[str]])
    except (OSError, msgspec.ValidationError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}", 'a line a label: label = ["reply", "another"]') from None
    with progress_bar(quiet or json) as progress:
        dataset = catalog.open_dataset(name, progress)
        made = deriving.with_replies(dataset, new, written, replace=replace, progress=progress)
    _tell(made, json, quiet)


def export(
    name: Name,
    path: Annotated[Path, typer.Argument(help="FILE.csv, .jsonl, either also .gz, or .parquet", show_default=False)],
    only: Splits = None,
    where: Where = None,
    label: Label = None,
    contains: Contains = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write rows of a dataset to a file."""
    from aat_datasets import catalog, deriving

    with progress_bar(quiet or json) as progress:
        dataset = catalog.open_dataset(name, progress)
    done = deriving.export(dataset, path, splits=only or (), where=where, label=label, contains=contains)
    if json:
        emit(done)
        return
    print_line(done.path)
    say(f"{done.rows:,} rows, sha256 {done.sha256}", quiet=quiet)


def _tell(made: Made, json: bool, quiet: bool) -> None:
    if json:
        emit(made)
        return
    print_line(f"{made.name}: {made.rows:,} rows, {sizes(made.splits)}")
    say(f"card: {made.card}", quiet=quiet)
