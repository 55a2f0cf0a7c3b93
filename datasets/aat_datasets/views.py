"""A selection of a dataset's rows as a dataset of its own: kept as a card, made from the other's Parquet when opened.

Its rows are copied and numbered anew, so that all that takes a dataset takes a view. Labels keep their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from aat_datasets import catalog, shelf
from aat_datasets.card import Card, Columns, View, check_name
from aat_datasets.catalog import Dataset
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.selection import Selection
from aat_datasets.sources import Progress, data_root
from aat_datasets.view_rows import ingest_view

__all__ = ["check_view", "save_view"]


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
    check_view(name, of, replace=replace)
    base = catalog.open_dataset(of, progress)
    for split in only:
        if split not in base.splits:
            raise UnknownNameError(f"split of {of}", split, base.splits)
    view = View(dataset=of, fingerprint=base.fingerprint, selection=selection, only=list(only))
    card = _card(name, base, view)
    meta = ingest_view(card, base, data_root() / name, progress)
    card.splits = meta.splits
    shelf.write_card(card)
    return catalog.open_dataset(name)


def _card(name: str, base: Dataset, view: View) -> Card:
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
