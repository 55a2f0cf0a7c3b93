"""The rows of a view, taken from the Parquet of the dataset it is of."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aat_datasets.card import Card, File, Reader
from aat_datasets.errors import DataError
from aat_datasets.ingest import Meta, ingest
from aat_datasets.readers import literal
from aat_datasets.selection import Selection
from aat_datasets.sources import Progress

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset

__all__ = ["ingest_view"]


def ingest_view(card: Card, base: Dataset, folder: Path, progress: Progress | None = None) -> Meta:
    """Write a view's rows of ``base`` as the Parquet of a dataset. Raises DataError where that is not what it was."""
    view = card.view
    assert view is not None
    if base.fingerprint != view.fingerprint:
        raise DataError(
            f"the view {card.name} is of another content of {view.dataset} than there is now",
            f"its fingerprint was {view.fingerprint[:16]}, now it is {base.fingerprint[:16]}; make the view anew",
        )
    with tempfile.TemporaryDirectory(prefix="aat-") as work:
        files: list[tuple[File, Path]] = []
        for number, split in enumerate(base.splits):
            if progress:
                progress(number, len(base.splits), f"selecting from {split}")
            path = Path(work) / f"{split}.parquet"
            chosen = view.selection if not view.only or split in view.only else Selection()
            if _select(base, split, chosen, path):
                files.append((File(split=split, path=f"view:{view.dataset}"), path))
            elif split in view.only:
                raise DataError(f"no row of {view.dataset}, split {split}, is {view.selection.describe()}")
        if not files:
            raise DataError(f"no row of {view.dataset} is {view.selection.describe()}")
        return ingest(card, files, Reader(format="parquet"), folder, progress=progress)[0]


def _select(base: Dataset, split: str, selection: Selection, out: Path) -> int:
    """Write the rows of a split; returns how many."""
    import duckdb

    table = base.table(split)
    conditions, parameters = selection.conditions(base.labels)
    extra = [column for column in ("text_b", "target", "history", "dialogue") if column in base.meta.columns]
    columns = ", ".join(["text", *(["label"] if base.labels else []), *extra])
    with duckdb.connect() as con:
        # What a table's connection may touch: the split, and here the file that is written.
        con.execute(f"SET allowed_paths=[{literal(str(table.path))}, {literal(str(out))}]")
        con.execute("SET enable_external_access=false")
        con.execute("SET lock_configuration=true")
        con.execute(table.view_statement())
        rows = f"SELECT {columns} FROM texts WHERE {conditions} ORDER BY row"
        try:
            copied = con.execute(f"COPY ({rows}) TO {literal(str(out))} (FORMAT parquet, COMPRESSION lz4)", parameters)
            return int((copied.fetchone() or (0,))[0])
        except duckdb.Error as error:
            raise DataError(f"{base.name}, split {split}: {str(error).splitlines()[0]}") from None
