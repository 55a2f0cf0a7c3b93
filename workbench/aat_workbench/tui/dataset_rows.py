"""The lines of the Datasets pane's lists, and what it says of a dataset that is not open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from aat_datasets.records import DatasetInfo

from ..terminal import visible
from .themes import plain
from .widgets.table import Bar, Cell, Column, Row

if TYPE_CHECKING:
    from aat_datasets.tables import Glimpse

__all__ = [
    "ORDER_OF",
    "STATES",
    "about",
    "data_columns",
    "data_row",
    "grouped",
    "info_row",
    "label_rows",
    "length_rows",
]

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
    "downloadable": "not on this machine: enter asks, and downloads it",
    "missing": "no source of it can be reached",
}


def info_row(info: DatasetInfo, current: str) -> tuple[Cell, Cell, Cell]:
    sign, colour = STATES[info.state]
    known = [count for count in info.splits.values() if count >= 0]
    rows = grouped(sum(known)) if known and len(known) == len(info.splits) else ""
    return (Cell(sign, colour), Cell(info.name, bold=info.name == current), Cell(rows, "muted"))


def about(
    info: DatasetInfo, variables: dict[str, str], overlap: dict[str, int] | None = None, rejected: int = 0
) -> Text:
    """What a dataset is; with ``overlap``, how many texts of a split are in another one too."""
    foreground, muted, accent = (plain(variables, name) for name in ("foreground", "muted", "accent"))
    text = Text()
    text.append(visible(info.title), f"bold {foreground}")
    facts = [info.task, info.language, f"{len(info.labels)} labels" if info.labels else "", info.licence]
    text.append("\n" + visible(" · ".join(fact for fact in facts if fact)), muted)
    if info.state in MEANINGS:
        text.append("\n\n" + visible(MEANINGS[info.state].format(name=info.name)), accent)
    known = [(split, count) for split, count in info.splits.items() if count >= 0]
    if known:
        text.append("\n")
        wide = max(len(grouped(count)) for _, count in known)
        for split, count in known:
            text.append(f"\n{grouped(count).rjust(wide)}", foreground)
            text.append(f" rows in {visible(split)}", muted)
    if rejected:
        text.append(f"\n{grouped(rejected)}", plain(variables, "warning"))
        text.append(" lines rejected when it was read", muted)
    for pair, count in (overlap or {}).items():
        text.append(f"\n{grouped(count)}", plain(variables, "warning") if count else foreground)
        text.append(f" texts of {visible(pair.replace(' in ', ' also in '))}", muted)
    if info.note:
        text.append("\n\n" + visible(info.note, lines=True), muted)
    if info.labels:
        text.append("\n\n" + visible(" · ".join(info.labels)), foreground)
    return text


ORDER_OF = ("row", "label", "size", "text")  # of the rows' columns


def data_columns(order: str, unit: str, last: int, label: int) -> list[Column]:
    """The columns of a split's rows; the one they are sorted by has an arrow.

    Args:
        last: the largest row number. label: cells of the longest label.
    """
    titles = ["row", "label", unit, "text"]
    name = order.removeprefix("-")
    if order != "row":
        titles[ORDER_OF.index(name)] += "↓" if order.startswith("-") else "↑"
    widths = [max(5, len(str(last))), max(6, label), max(6, len(titles[2])), 0]
    return [
        Column(title, width, right=name in ("row", "size"))
        for title, width, name in zip(titles, widths, ORDER_OF, strict=True)
    ]


def data_row(row: Glimpse) -> Row:
    return (Cell(str(row.row), "faint"), Cell(row.label or "", "primary"), Cell(str(row.size), "muted"), Cell(row.text))


def label_rows(labels: dict[str, int], chosen: str) -> list[Row]:
    """Labels with how many rows they have; the chosen one is marked."""
    most = max(labels.values(), default=0) or 1
    return [
        (
            Cell(("▸ " if label == chosen else "") + label, "primary" if label == chosen else "", bold=label == chosen),
            Cell(grouped(count), "muted"),
            Bar(count / most),
        )
        for label, count in labels.items()
    ]


def length_rows(lengths: list[tuple[int, int, int]], shortest: int, longest: int) -> list[Row]:
    """Lengths with how many rows have them; those that are chosen are marked."""
    most = max((count for _, _, count in lengths), default=0) or 1
    rows: list[Row] = []
    for low, high, count in lengths:
        chosen = bool(shortest or longest) and high >= shortest and low <= (longest or high)
        name = f"{low}–{high}" if high > low else str(low)
        colour = "primary" if chosen else "muted"
        rows.append((Cell(("▸" if chosen else "") + name, colour), Cell(grouped(count), "muted"), Bar(count / most)))
    return rows


def grouped(count: int) -> str:
    """``6 920``."""
    return f"{count:,}".replace(",", " " if count >= 10_000 else "")
