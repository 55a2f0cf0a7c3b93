"""How many rows have each label and each length, as figures and bars; enter on one of them filters."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from aat_datasets.selection import Selection

from ..dataset_rows import label_rows, length_rows
from .table import Cell, Column, Row, VirtualTable

if TYPE_CHECKING:
    from aat_datasets.scanning import Scan

__all__ = ["DatasetCounts"]

BINS = 8


class DatasetCounts(Vertical):
    """Two tables, ``#labels`` and ``#lengths``, as high as their rows want, as far as there are lines.

    Attributes: ``labels`` with their rows, ``lengths`` as ``(low, high, rows)``.
    """

    DEFAULT_CSS = """
    DatasetCounts { height: auto; width: 1fr; }
    DatasetCounts #labels-box { height: 4; }
    DatasetCounts #lengths-box { height: 4; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.labels: dict[str, int] = {}
        self.lengths: list[tuple[int, int, int]] = []
        self._selection = Selection()
        self._share = 1.0

    def compose(self) -> ComposeResult:
        for id in ("labels", "lengths"):
            with Vertical(id=f"{id}-box", classes="box"):
                yield VirtualTable([Column("")], header=False, quiet=True, id=id)

    def on_mount(self) -> None:
        self._draw()

    def show(self, scan: Scan) -> None:
        """Show what a search has counted so far."""
        from aat_datasets.tables import histogram

        self.labels = {name: scan.labels.get(code, 0) for code, name in enumerate(scan.table.labels)}
        self.lengths = histogram(scan.lengths, BINS)
        self._selection = scan.selection
        self._share = 1.0 if scan.complete else scan.scanned / scan.table.total
        self._draw()

    def fit(self) -> None:
        """The pane has another size."""
        self._draw()

    def _draw(self) -> None:
        chosen, room = self._selection, self.app.size.height - 2
        self._table("labels", "Labels", label_rows(self.labels, chosen.label), room * 2 // 5 - 2)
        lengths = length_rows(self.lengths, chosen.shortest, chosen.longest)
        self._table("lengths", chosen.unit.title(), lengths, room // 4)

    def _table(self, id: str, title: str, rows: list[Row], most: int) -> None:
        box, table = self.query_one(f"#{id}-box"), self.query_one(f"#{id}", VirtualTable)
        box.display = bool(rows)
        box.border_title = title + (f" · {self._share:.0%} counted" if self._share < 1 else "")
        box.styles.height = min(len(rows), max(most, 1)) + 2
        counts = max((len(cell.text) for row in rows if isinstance(cell := row[1], Cell)), default=5)
        first, last = (Column("label"), Column("", 4)) if id == "labels" else (Column("", 9, right=True), Column(""))
        table.set_columns([first, Column("rows", max(counts, 5), right=True), last])
        table.set_list(rows)
