"""Probabilities as bars with their numbers, before and after an attack; and how they fell, edit by edit."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from .heat import superscript
from .painted import Painted, clip, fit

__all__ = ["ProbabilityBars", "Trajectory", "TrajectoryStep", "bar", "decimal"]

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(share: float, cells: int) -> str:
    """A horizontal bar of ``share`` (0 to 1) of ``cells``, in eighths of a cell, padded to ``cells``."""
    if not 0 <= share <= 1:  # also what is not a number
        share = 1.0 if share > 1 else 0.0
    eighths = round(share * cells * 8)
    if share > 0 and eighths == 0:
        eighths = 1
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(cells)


def decimal(probability: float) -> str:
    """A probability in three or four characters: ``.07``, ``1.0``, ``>.99`` where rounding would claim certainty."""
    if probability != probability:
        return "nan"
    if 0.995 <= probability < 1:
        return ">.99"
    if probability >= 1:
        return "1.0"
    if 0 < probability < 0.005:
        return "<.01"
    return f"{probability:.2f}"[1:]


class ProbabilityBars(Painted):
    """A line for each class: name, probability as number and bar; with ``after``, both, and the change.

    Classes are in order of the larger of their probabilities; ``●`` marks the predicted one, ``★`` the true one.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"bars--before", "bars--after", "bars--quiet", "bars--top"}
    DEFAULT_CSS = """
    ProbabilityBars { height: auto; }
    ProbabilityBars > .bars--before { color: $primary; }
    ProbabilityBars > .bars--after { color: $warning; }
    ProbabilityBars > .bars--quiet { color: $text-muted; }
    ProbabilityBars > .bars--top { color: $foreground; text-style: bold; }
    """

    def __init__(self, *, most: int = 6, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.most = most
        self._labels: Sequence[str] = ()
        self._before: Sequence[float] = ()
        self._after: Sequence[float] = ()
        self._true: int | None = None
        self._chosen: int | None = None
        self._title = ""

    def show(
        self,
        labels: Sequence[str],
        before: Sequence[float],
        after: Sequence[float] = (),
        *,
        true: int | None = None,
        chosen: int | None = None,
        title: str = "",
    ) -> None:
        """``before`` and ``after`` have one probability a class; ``true`` is the index of the true class.

        ``chosen`` is what is marked in place of the likeliest.
        """
        self._chosen = chosen
        self._labels, self._before, self._after, self._true = labels, before, after, true
        self._title = title
        self.repaint()

    def clear(self) -> None:
        self.show((), ())

    def paint(self, width: int) -> list[Strip]:
        count = len(self._before)
        if not count:
            return []
        both = len(self._after) == count
        order = sorted(range(count), key=lambda c: -max(self._before[c], self._after[c] if both else 0.0))
        shown = order[: self.most] if count > self.most + 1 else order
        if self._true in order and self._true not in shown:
            shown = [*shown[:-1], self._true]  # the true class is what everybody looks for
        names = {c: self._labels[c] if c < len(self._labels) else f"class {c}" for c in shown}
        name_cells = min(max(cell_len(clip(name, 24)) for name in names.values()), max(width // 3, 6))
        lines = [self.strip([(clip(self._title, width), self.quiet)])] if self._title else []
        lines += [self._line(c, names[c], name_cells, width, both) for c in shown]
        if len(shown) < count:
            rest = sum((self._after if both else self._before)[c] for c in order if c not in shown)
            lines.append(
                self.strip([(clip(f"  … {count - len(shown)} more, together {decimal(rest)}", width), self.quiet)])
            )
        return lines

    @property
    def quiet(self) -> Style:
        return self.ink("bars--quiet")

    def _line(self, c: int, name: str, name_cells: int, width: int, both: bool) -> Strip:
        now = self._after if both else self._before
        predicted = now[c] == max(now) if self._chosen is None else c == self._chosen
        mark = ("●" if predicted else " ") + ("★" if c == self._true else " ")
        text = self.ink("bars--top") if predicted else Style()
        parts = [(mark, text), (fit(name, name_cells), text), (" ", Style())]
        if not both:
            cells = min(max(width - name_cells - 9, 0), 40)
            number = (f"{decimal(now[c]):>5} ", text)
            return self.strip([*parts, number, (bar(now[c], cells), self.ink("bars--before"))])
        cells = min(max((width - name_cells - 24) // 2, 0), 24)
        change = now[c] - self._before[c]
        arrow = "▲" if change > 0.005 else "▼" if change < -0.005 else " "
        delta = f" {arrow}{abs(change):.2f}".replace("0.", ".", 1) if arrow != " " else ""
        return self.strip(
            [
                *parts,
                (f"{decimal(self._before[c]):>5} ", self.quiet),
                (bar(self._before[c], cells), self.ink("bars--before")),
                (" → ", self.quiet),
                (f"{decimal(now[c]):>4} ", text),
                (bar(now[c], cells), self.ink("bars--after")),
                (delta, text),
            ]
        )


class TrajectoryStep(NamedTuple):
    """One accepted edit: its number (0: the unedited text), what it did, p(true class) after it."""

    edit: int
    source: str
    target: str
    kind: str
    probability: float


class Trajectory(Painted):
    """p(true class) after each edit, from the unedited text down to the edit that broke the model."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"bars--before", "bars--after", "bars--quiet", "bars--top"}
    DEFAULT_CSS = """
    Trajectory { height: auto; }
    Trajectory > .bars--before { color: $primary; }
    Trajectory > .bars--after { color: $warning; }
    Trajectory > .bars--quiet { color: $text-muted; }
    Trajectory > .bars--top { color: $foreground; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._steps: Sequence[TrajectoryStep] = ()
        self._title = ""
        self._flipped = False
        self._at: int | None = None
        self._undone = 0

    def show(self, steps: Sequence[TrajectoryStep], *, title: str = "", flipped: bool = False) -> None:
        """``title`` stands above (made visible by the caller); ``flipped``: the last edit changed the prediction."""
        self._steps, self._title, self._flipped = steps, title, flipped
        self._at, self._undone = None, 0
        self.repaint()

    def point(self, at: int | None, undone: int = 0) -> None:
        """Mark the step that is looked at (``None``: none), and the edit that is left out (0: none)."""
        self._at, self._undone = at, undone
        self.repaint()

    def clear(self) -> None:
        self.show(())

    def paint(self, width: int) -> list[Strip]:
        lines = [self.strip([(clip(self._title, width), self.ink("bars--quiet"))])] if self._title else []
        words = min(max(width - 34, 12), 36)
        for index, step in enumerate(self._steps):
            last = index == len(self._steps) - 1
            lines.append(self._line(index, step, words, width, last and self._flipped))
        return lines

    def _line(self, index: int, step: TrajectoryStep, words: int, width: int, flips: bool) -> Strip:
        quiet = self.ink("bars--quiet")
        if step.edit:
            half = max((words - 5) // 2, 3)
            name = f"{superscript(step.edit)} {clip(step.source, half)} → {clip(step.target, half) or '∅'}"
        else:
            name = "  unedited"
        style = self.ink("bars--top") if flips else Style()
        if self._undone and step.edit == self._undone:
            style += Style(strike=True)
        here = index == self._at or (self._undone > 0 and step.edit == self._undone)
        name = ("▸" if here else " ") + name
        if here:
            style += Style(bold=True)
        drop = ""
        if index:
            change = step.probability - self._steps[index - 1].probability
            drop = f" {'▼' if change < 0 else '▲'}{abs(change):.2f}".replace("0.", ".", 1)
        cells = min(max(width - words - 21, 4), 30)
        ink = self.ink("bars--after" if step.edit else "bars--before")
        tail = " ◀ flips" if flips else ""
        parts = [
            (fit(name, words), style),
            (f" {decimal(step.probability):>4} ", style),
            (bar(step.probability, cells), ink),
            (drop, quiet),
            (tail, style),
        ]
        used = words + 6 + cells + cell_len(drop) + cell_len(tail)
        if step.kind and used + 2 + len(step.kind) <= width:
            parts.append((f"  {step.kind}", quiet))
        return self.strip(parts)
