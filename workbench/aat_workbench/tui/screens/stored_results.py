"""Results of earlier attacks, read from where they were stored, and the names of the classes they speak of."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence

from textual.widgets import Static

from aat_datasets.errors import AatError
from aat_workbench.terminal import visible

from ..targets import StoredAttack, labels_of, load_results, stored_attacks, stored_labels, stored_warnings
from ..widgets.controls import AttackControls
from ..widgets.painted import clip
from ..widgets.verdict import Verdict
from .results_order import ResultsOrder

__all__ = ["StoredResults"]


class StoredResults(ResultsOrder):
    """A pane whose table shows results of the model its controls choose, and a ``#remarks`` line above them."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._stored: StoredAttack | None = None
        self._results_name: str = ""  # of the results in the table

    @property
    def controls(self) -> AttackControls:
        return self.query_one(AttackControls)

    @property
    def verdict(self) -> Verdict:
        return self.query_one(Verdict)

    @property
    def attacking(self) -> bool:
        """Whether results stream in."""
        raise NotImplementedError

    def _load_newest(self) -> None:
        """The newest stored attack on model A, or an empty table."""
        target = self.controls.target
        self._labels = labels_of(self.workbench.runs_root, target)
        stored = stored_attacks(self.workbench.runs_root, target)
        if stored:
            self._load(stored[0])
        else:
            self._begin("")
            self._tell_results()

    def _begin(self, name: str) -> None:
        """An empty table, for results of that name."""
        self._stored = None
        self._results_name = name
        self._warn(())
        self.table.reset(self._labels)

    def action_stored(self) -> None:
        """The next older stored attack on A; after the oldest, the newest again."""
        if self.attacking:
            self.notify("An attack is running; x stops it.", markup=False)
            return
        stored = stored_attacks(self.workbench.runs_root, self.controls.target)
        if not stored:
            self.notify(f"{visible(self.controls.target)} has no stored attack.", markup=False)
            return
        here = stored.index(self._stored) if self._stored is not None and self._stored in stored else -1
        self._load(stored[(here + 1) % len(stored)])

    def _load(self, stored: StoredAttack) -> None:
        self._stored = stored
        self._labels = stored_labels(stored) or self._labels
        self._results_name = f"{clip(stored.name, 32)} on {clip(self.controls.target, 32)}, stored"
        self._warn(stored_warnings(stored))
        self.table.reset(self._labels, load_results(stored))
        self._tell_results()
        if not self._labels:
            self.run_worker(self._learn_labels(self.controls.target), group="labels", exclusive=True)

    async def _learn_labels(self, target: str) -> None:
        try:
            labels = await self.asking.labels(target)
        except AatError:
            return  # results are shown with class numbers; an attack or a probe says what is wrong
        if target == self.controls.target:
            self._set_labels(labels)

    def _set_labels(self, labels: list[str]) -> None:
        self._labels = labels
        self.table.set_labels(labels)
        self.verdict.set_labels(labels)

    def _warn(self, warnings: Sequence[str]) -> None:
        """Say above the results what makes their figures doubtful."""
        line = self.query_one("#remarks", Static)
        line.display = bool(warnings)
        line.update(visible("\n".join(f"! {warning}" for warning in warnings), lines=True))
