"""What commands print: data on stdout, narration on stderr, nothing a terminal would obey."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, cast

import msgspec
import typer

from aat_workbench.terminal import escaped, shortened, visible

__all__ = ["Device", "Json", "Quiet", "dotted", "emit", "figure", "print_line", "print_table", "say"]

Json = Annotated[bool, typer.Option("--json", help="machine-readable output on stdout, and nothing else there")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress and no remarks")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option("--device", help="where to compute; auto: a GPU where there is one")
]


_PIPE_WIDTH = 400  # a file or another program wants whole lines, not a terminal's
_LONGEST_CELL = 4_000  # characters; folding a word of a megabyte takes seconds, and nobody reads it


def emit(value: Any) -> None:
    """One line of JSON on stdout; what a terminal would obey or hide stands in it as an escape."""
    try:
        line = msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # a lone surrogate, as an argument in another encoding brings
        line = json.dumps(_finite(msgspec.to_builtins(value)))
    sys.stdout.buffer.write(escaped(line).encode() + b"\n")
    sys.stdout.buffer.flush()


def _finite(value: Any) -> Any:
    """``value`` with ``None`` for what is no number, as msgspec writes it."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_finite(one) for one in cast("list[Any]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_line(text: str) -> None:
    """One line of data on stdout."""
    print(visible(text), flush=True)


def say(text: str, *, quiet: bool = False) -> None:
    """One line of narration on stderr."""
    if not quiet:
        print(visible(text), file=sys.stderr, flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """A table on stdout; numbers to the right. Cells are shown as they are, never as markup; very long ones are cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    body = [[figure(cell) for cell in row] for row in rows]
    numeric = [all(_is_number(row[at]) for row in body) for at in range(len(columns))]
    table = Table(
        title=Text(shortened(title, _LONGEST_CELL)) if title else None, title_justify="left", box=None, pad_edge=False
    )
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(Text(shortened(name, _LONGEST_CELL)), justify="right" if right else "left", overflow="fold")
    for row in body:
        table.add_row(*(Text(shortened(cell, _LONGEST_CELL)) for cell in row))
    console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()), flush=True)


def figure(value: object) -> str:
    """A cell's text: shares with three digits, nothing as ``–``."""
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def dotted(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested object as one level: ``{"dev": {"accuracy": .9}}`` → ``{"dev.accuracy": .9}``."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= dotted(cast("dict[str, Any]", value), f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _is_number(text: str) -> bool:
    return text == "–" or text.replace(",", "").replace(".", "").replace("%", "").replace("-", "").strip().isdigit()
