"""``aat-workbench data check``: what is wrong with a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aat_workbench.cli.ingesting import progress_bar
from aat_workbench.cli.output import Json, Quiet, emit, print_table, say

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset
    from aat_datasets.checking import Check

__all__ = ["check"]

_CUT = 100  # characters of a text in a table; --json gives row numbers and all


def check(
    name: Annotated[str, typer.Argument(help="dataset, as `data list` names it", show_default=False)],
    sample: Annotated[
        int,
        typer.Option("--sample", min=100, help="rows in which near-duplicates, labels and personal data are sought"),
    ] = 50_000,
    limit: Annotated[int, typer.Option("--limit", min=0, help="how many of each kind are listed")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="of the rows that are looked at, and of the folds")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Repeated and nearly repeated texts, doubtful labels, control characters, personal data."""
    from aat_datasets import catalog
    from aat_datasets.checking import check as look

    with progress_bar(quiet or json) as progress:
        dataset = catalog.open_dataset(name, progress)
        found = look(dataset, sample=sample, limit=limit, seed=seed, progress=progress)
    if json:
        emit(found)
    else:
        _print(dataset, found, min(limit, 10))
        say(f"looked at {found.looked_at:,} of {sum(found.rows.values()):,} rows", quiet=quiet)


def _print(dataset: Dataset, found: Check, shown: int) -> None:
    rows = [(f"repeated texts in {split}", f"{count:,}") for split, count in found.duplicates.items()]
    rows += [(f"texts of {pair}", f"{count:,}") for pair, count in found.across.items()]
    rows += [
        ("texts with two labels", f"{found.contradictions:,}"),
        ("texts that are nearly another", f"{found.near_duplicates:,}"),
        ("labels in doubt", f"{found.label_suspects:,}" if found.model_accuracy is not None else ""),
        ("rows with personal data", f"{found.pii_rows:,}"),
    ]
    rows += [(f"{rule} addresses or numbers", f"{count:,}") for rule, count in found.pii.items() if count]
    rows += [(f"rows with {character}", f"{count:,}") for character, count in found.controls.items()]
    print_table([found.name, "found"], rows)

    def text(split: str, row: int) -> str:
        [one] = dataset.table(split).window(row, row + 1)
        return one.text if len(one.text) <= _CUT else f"{one.text[:_CUT]}…"

    if found.near:
        print_table(
            ["nearly the same", "row", "text", "like", "text"],
            [
                (
                    round(pair.similarity, 3), f"{pair.split} {pair.row}", text(pair.split, pair.row),
                    f"{pair.other_split} {pair.other_row}", text(pair.other_split, pair.other_row),
                )
                for pair in found.near[:shown]
            ],
        )  # fmt: skip
    if found.suspects:
        print_table(
            ["row", "label", "rather", "sure", "text"],
            [
                (f"{one.split} {one.row}", one.label, one.suggested, one.probability, text(one.split, one.row))
                for one in found.suspects[:shown]
            ],
        )
