"""The charts of the runs in view: which of them, a colour for each run, against what, how smooth."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Grid

from aat_workbench.tui.derived import AXES, SMOOTHING, Derived, Looks
from aat_workbench.tui.run_view import RunView
from aat_workbench.tui.widgets.charts import ChartKind, charts_of, choices_of, curves_of, marks_of
from aat_workbench.tui.widgets.curves import CurveChart

__all__ = ["PLACES", "SLOTS", "RunCharts"]

PLACES = 6
SLOTS = 8  # runs over one another: as many as there are colours


class RunCharts(Grid):
    """Draws the curves of runs, the first run's first. ``slots`` is each run's colour and letter."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.slots: dict[str, int] = {}
        self.looks = Looks()
        self.chosen: list[str] = []  # titles of the only charts; none: all that fit
        self._first = 0
        self._kinds = charts_of(())
        self._derived = Derived()
        self._count = 4

    def compose(self) -> ComposeResult:
        for place in range(PLACES):
            chart = CurveChart(id=f"chart-{place}")
            chart.add_class("box")
            yield chart

    def give_slots(self, shown: Sequence[RunView]) -> None:
        """A colour and letter to every charted run; a run keeps its own while it is charted."""
        names = [view.name for view in shown]
        self.slots = {name: slot for name, slot in self.slots.items() if name in names}
        for name in names:
            if name not in self.slots:
                free = [slot for slot in range(SLOTS) if slot not in self.slots.values()]
                self.slots[name] = free[0] if free else SLOTS - 1
        self._derived.forget(set(names))

    def draw(self, shown: Sequence[RunView], count: int) -> None:
        """Draw ``count`` charts of these runs, which have their slots."""
        waiting = bool(shown) and shown[0].status.active
        empty = "nothing recorded yet" if waiting else "this run has no such figures"
        if shown and shown[0].waiting:
            empty = "reading what it recorded …"
        self._count = count
        self._kinds = charts_of(shown, self.chosen or None)
        self._first = self._first if self._first < len(self._kinds) else 0
        marks = marks_of(shown, self.slots, self.looks)
        for place, kind in enumerate(self._in_view()):
            chart = self.query_one(f"#chart-{place}", CurveChart)
            chart.display = kind is not None
            if kind is not None:
                chart.set_title(kind.title)
                chart.set_axis(self.looks.axis, self.looks.smoothing)
                chart.set_curves(curves_of(kind, shown, self.slots, self.looks, self._derived), empty, marks)

    def _in_view(self) -> list[ChartKind | None]:
        """What each place shows; ``None`` where the place is not there, or there are no more charts."""
        kinds = self._kinds
        many = min(self._count, len(kinds))
        found = [kinds[(self._first + place) % len(kinds)] for place in range(many)]
        return [*found, *([None] * (PLACES - many))]

    def choices(self, shown: Sequence[RunView]) -> tuple[list[ChartKind], list[str]]:
        """Every chart there can be of these runs, and the titles of those that are on."""
        return choices_of(shown), self.chosen or [kind.title for kind in self._kinds]

    def turn_page(self) -> None:
        following = self._first + self._count
        self._first = following if following < len(self._kinds) else 0

    def turn_axis(self) -> None:
        """Step, epoch, time, and again."""
        axis = AXES[(AXES.index(self.looks.axis) + 1) % len(AXES)]
        self.looks = Looks(axis, self.looks.smoothing)

    def turn_smoothing(self) -> None:
        """The next weight of the running mean; after the last none."""
        weight = SMOOTHING[(SMOOTHING.index(self.looks.smoothing) + 1) % len(SMOOTHING)]
        self.looks = Looks(self.looks.axis, weight)
