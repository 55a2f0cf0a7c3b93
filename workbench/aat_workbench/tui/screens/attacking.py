"""An attack while it runs: its stream of events, counted and handed on at a rate that a screen can draw."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual.timer import Timer
from textual.worker import Worker

from aat_datasets.errors import AatError
from aat_models.events import AttackResult

from ..asking import AttackCount, told
from ..asking_pane import AskingPane

__all__ = ["Attacking"]

REDRAW = 0.1  # seconds between two hand-overs: ten a second at most


class Attacking:
    """Runs one attack at a time for the pane that owns it.

    Args:
        owner: the pane whose timer and worker these are.
        labels: called with the target's class names, once the engine has told them.
        found: called with the results since the last time; often none, but the clock has moved.
        ended: called with the count and what went wrong, or nothing.
    """

    def __init__(
        self,
        owner: AskingPane,
        labels: Callable[[list[str]], None],
        found: Callable[[Sequence[AttackResult]], None],
        ended: Callable[[AttackCount, str], None],
    ) -> None:
        self._owner = owner
        self._labels = labels
        self._found = found
        self._ended = ended
        self._worker: Worker[None] | None = None
        self._redraw: Timer = owner.set_interval(REDRAW, self._flush, pause=True)
        self.count: AttackCount | None = None

    @property
    def running(self) -> bool:
        return self._worker is not None and not self._worker.is_finished

    def start(self, target: str, params: dict[str, Any]) -> None:
        """Attack ``target``; ``params`` are the engine's words for how."""
        self.count = AttackCount(params["recipe"], target, params["n"])
        self._worker = self._owner.run_worker(self._run(self.count, params), group="attack")
        self._redraw.resume()

    def stop(self) -> None:
        """Stop what runs; what was found stays."""
        if self._worker is not None and not self._worker.is_finished:
            self._worker.cancel()

    async def _run(self, count: AttackCount, params: dict[str, Any]) -> None:
        problem = ""
        try:
            self._labels(await self._owner.asking.labels(count.target))
            stream = self._owner.stream("attack", target=count.target, **params)
            try:
                async for event in stream:
                    count.take(event)
            finally:
                await stream.aclose()
            summary = stream.result or {}
            count.warnings = summary.get("warnings", count.warnings)  # with what only the whole of the results shows
            names = summary.get("labels")
            if names:  # a victim whose classes have numbers only gets their names from the dataset
                self._labels(list(names))
        except AatError as error:
            problem = told(error)
        finally:
            self._end(count, problem)

    def _end(self, count: AttackCount, problem: str) -> None:
        if self.count is not count or not self._owner.is_attached:
            return
        self._redraw.pause()
        self._found(count.drain())
        self.count = None
        self._ended(count, problem)

    def _flush(self) -> None:
        if self.count is not None:
            self._found(self.count.drain())
