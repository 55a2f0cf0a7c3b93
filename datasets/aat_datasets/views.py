"""A selection of a dataset's rows as a dataset of its own: kept as a card, made from the other's Parquet when opened.

Its rows are copied and numbered anew, so that all that takes a dataset takes a view. Labels keep their numbers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aat_datasets import shelf
from aat_datasets.card import Card, Columns, File, Reader, View, check_name
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.ingest import Meta, ingest
from aat_datasets.readers import literal
from aat_datasets.selection import Selection
from aat_datasets.sources import Progress, data_root

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset

__all__ = ["check_view", "ingest_view", "save_view"]


def check_view(name: str, of: str, *, replace: bool = False) -> None:
    """Raises DataError where no view of the dataset ``of`` may be made under that name."""
    check_name(name)
    if name in shelf.shipped():
        raise DataError(f"{name!r} is a dataset of the package", "choose another name")
    if name not in shelf.names():
        return
    view = shelf.card(name).view
    if view is None:
        raise DataError(f"there is a dataset {name!r} already, and it is no view", "choose another name")
    if not replace:
        raise DataError(f"there is a view {name!r} already", "--replace makes it anew")
    taken = of
    while taken in shelf.names() and (base := shelf.card(taken).view) is not None and taken != name:
        taken = base.dataset
    if taken == name:
        raise DataError(f"{of!r} is taken from {name!r}", "choose another name")


def save_view(
    name: str,
    of: str,
    selection: Selection,
    *,
    only: Sequence[str] = (),
    replace: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Make the view ``name`` of the rows of the dataset ``of`` that ``selection`` lets through, and open it.

    Args:
        only: the splits that are selected from, the others being taken whole; empty: all.
        replace: a view of this name is made anew.

    Raises DataError or UnknownNameError: a name that is taken or not allowed, a condition that is none, no row left in
    a split that is selected from. Nothing is kept then.
    """
    from aat_datasets import catalog

    check_view(name, of, replace=replace)
    base = catalog.open_dataset(of, progress)
    for split in only:
        if split not in base.splits:
            raise UnknownNameError(f"split of {of}", split, base.splits)
    view = View(dataset=of, fingerprint=base.fingerprint, selection=selection, only=list(only))
    card = _card(name, base, view)
    meta = ingest_view(card, data_root() / name, progress)
    card.splits = meta.splits
    shelf.write_card(card)
    return catalog.open_dataset(name)


def ingest_view(card: Card, folder: Path, progress: Progress | None = None) -> Meta:
    """Write a view's rows as the Parquet of a dataset. Raises DataError where its dataset is not what it was."""
    from aat_datasets import catalog

    view = card.view
    assert view is not None
    shelf.root(card.name)  # views in a circle have no end
    base = catalog.open_dataset(view.dataset, progress)
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


def _card(name: str, base: Dataset, view: View) -> Card:
    from aat_datasets import catalog

    given = catalog.card(base.name)
    columns = base.meta.columns
    what = view.selection.describe() or "all rows"
    where = f" in {', '.join(view.only)}, the rest whole" if view.only else ""
    return Card(
        name=name,
        title=f"{base.name}: {what}"[:120],
        task=given.task,
        language=given.language,
        columns=Columns(
            text=["text"],
            label="label" if base.labels else "",
            text_b="text_b" if "text_b" in columns else "",
            target="target" if "target" in columns else "",
            history="history" if "history" in columns else "",
            dialogue="dialogue" if "dialogue" in columns else "",
        ),
        sources=[],
        licence=given.licence,
        labels=list(base.labels),
        citation=given.citation,
        note=f"a view of {base.name}: {what}{where}",
        origin=given.origin,
        view=view,
    )
