"""The tables of a study of robustness: means over seeds, and what separates each method from the reference."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aat_models.statistics import Interval, paired_bootstrap
from aat_workbench.robustness_study import Row, unpack

__all__ = ["Table", "tables"]


class Table(NamedTuple):
    """One dataset, encoder and note: a title, the columns' names, and a line of cells a method."""

    title: str
    columns: list[str]
    lines: list[list[str]]


def tables(found: Iterable[Row], reference: str) -> list[Table]:
    """A table for each dataset, encoder and note, methods in the order of their first row.

    A cell is the mean accuracy over seeds ± their standard deviation. For each attack follows the difference of the method
    from ``reference`` in points, over the seeds that both have, with the paired bootstrap's 95 % interval over texts: the
    spread between trainings is in the ±, not in the interval. A table with a note and without a reference of its own is
    compared with that of the table without. Times are those on a processor, where a method has any.
    """
    groups: dict[str, list[Row]] = {}
    plain: dict[str, dict[int, Row]] = {}
    for row in found:
        place = f"{row.dataset}, {row.encoder}"
        groups.setdefault(", ".join(filter(None, (place, row.note))), []).append(row)
        if row.method == reference and not row.note:
            plain.setdefault(place, {})[row.seed] = row
    return [_table(title, rows, reference, plain) for title, rows in groups.items()]


def _table(title: str, rows: Sequence[Row], reference: str, plain: Mapping[str, dict[int, Row]]) -> Table:
    attacks = list(dict.fromkeys(name for row in rows for name in row.right))
    attacks.sort(key=lambda name: (name != "clean", name == "certified"))
    methods = list(dict.fromkeys(row.method for row in rows))
    against = {row.seed: row for row in rows if row.method == reference}
    against = against or plain.get(f"{rows[0].dataset}, {rows[0].encoder}", {})
    lines: list[list[str]] = []
    for method in methods:
        own = [row for row in rows if row.method == method]
        line = [method, str(len(own))]
        for attack in attacks:
            line.append(_mean([_share(row, attack) for row in own if attack in row.right]))
            if attack != "certified":
                line.append("" if method == reference else _difference(own, against, attack))
        timed = [row for row in own if row.device == "cpu"] or own
        ratios = [row.step_time_ratio for row in timed if row.step_time_ratio]
        line.append(f"{statistics.mean(ratios):.2f}" if ratios else "1")
        line.append(f"{statistics.mean(row.seconds for row in timed):.0f}")
        lines.append(line)
    columns = ["method", "seeds"]
    for attack in attacks:
        columns += [attack] if attack == "certified" else [attack, f"− {reference}"]
    return Table(title, [*columns, "step time", "seconds"], lines)


def _share(row: Row, attack: str) -> float:
    return sum(unpack(row.right[attack], row.n)) / row.n


def _mean(shares: Sequence[float]) -> str:
    if not shares:
        return ""
    spread = f" ± {statistics.stdev(shares):.3f}" if len(shares) > 1 else ""
    return f"{statistics.mean(shares):.3f}{spread}"


def _difference(own: Sequence[Row], against: dict[int, Row], attack: str) -> str:
    first: list[bool] = []
    other: list[bool] = []
    for row in own:
        base = against.get(row.seed)
        if base is not None and attack in row.right and attack in base.right and base.n == row.n:
            first += unpack(base.right[attack], base.n)
            other += unpack(row.right[attack], row.n)
    return _points(paired_bootstrap(first, other)) if first else ""


def _points(interval: Interval) -> str:
    return f"{100 * interval.difference:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
