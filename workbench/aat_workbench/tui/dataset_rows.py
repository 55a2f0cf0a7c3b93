"""The lines of the Datasets pane's lists, and what it says of a dataset that is not open."""

from __future__ import annotations

from rich.text import Text

from aat_datasets.records import DatasetInfo
from aat_datasets.records import Row as DataRow

from ..terminal import visible
from .themes import plain
from .widgets.table import Bar, Cell, Row

__all__ = ["STATES", "about", "data_row", "grouped", "info_row", "label_row", "length_rows"]

# A sign for each state; the word stands in the title of the rows.
STATES = {
    "ready": ("●", "success"),
    "builtin": ("◆", "primary"),
    "mirror": ("◐", "warning"),
    "downloadable": ("○", "muted"),
    "missing": ("✗", "error"),
}
MEANINGS = {
    "builtin": "made by this program: enter makes it",
    "mirror": "its files are here: enter reads them once",
    "downloadable": "not on this machine: aat-workbench data get {name}",
    "missing": "no source of it can be reached",
}


def info_row(info: DatasetInfo, current: str) -> Row:
    sign, colour = STATES[info.state]
    known = [count for count in info.splits.values() if count >= 0]
    rows = grouped(sum(known)) if known and len(known) == len(info.splits) else ""
    return (Cell(sign, colour), Cell(info.name, bold=info.name == current), Cell(rows, "muted"))


def about(info: DatasetInfo, variables: dict[str, str]) -> Text:
    text = Text()
    text.append(visible(info.title), f"bold {plain(variables, 'foreground')}")
    facts = [info.task, info.language, f"{len(info.labels)} labels" if info.labels else "", info.licence]
    text.append("\n" + visible(" · ".join(fact for fact in facts if fact)), plain(variables, "muted"))
    if info.state in MEANINGS:
        text.append("\n\n" + visible(MEANINGS[info.state].format(name=info.name)), plain(variables, "accent"))
    if info.note:
        text.append("\n\n" + visible(info.note, lines=True), plain(variables, "muted"))
    if info.labels:
        text.append("\n\n" + visible(" · ".join(info.labels)), plain(variables, "foreground"))
    return text


def data_row(row: DataRow) -> Row:
    words = len(row.text.split())
    return (Cell(str(row.row), "faint"), Cell(row.label or "", "primary"), Cell(str(words), "muted"), Cell(row.text))


def label_row(label: str, count: int, most: int, chosen: bool) -> Row:
    return (
        Cell(("▸ " if chosen else "") + label, "primary" if chosen else "", bold=chosen),
        Cell(str(count), "muted"),
        Bar(count / most),
    )


def length_rows(lengths: list[tuple[int, int, int]]) -> list[Row]:
    most = max((count for _, _, count in lengths), default=0) or 1
    return [
        (
            Cell(f"{low}–{high}" if high > low else str(low), "muted"),
            Cell(str(count), "muted"),
            Bar(count / most),
        )
        for low, high, count in lengths
    ]


def grouped(count: int) -> str:
    """``6 920``."""
    return f"{count:,}".replace(",", " " if count >= 10_000 else "")
