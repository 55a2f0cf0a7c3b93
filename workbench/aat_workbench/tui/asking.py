"""What the panes ask the engine, as plain coroutines, and the count of an attack while it runs. No widgets here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from aat_datasets.errors import AatError
from aat_models.events import AttackResult, Notice, Progress
from aat_workbench.outcome import broken, reduced

from .pane import SessionLike
from .widgets.probe import Answer
from .widgets.verdict import Salience

__all__ = ["Asking", "AttackCount", "told"]


def told(error: AatError) -> str:
    """An error in one line, with its hint."""
    return f"{error.message}: {error.hint}" if error.hint else error.message


class Asking:
    """Questions to the engine about named targets; remembers what a target's ``load`` said."""

    def __init__(self, session: SessionLike) -> None:
        self._session = session
        self._loaded: dict[str, dict[str, Any]] = {}

    async def load(self, target: str) -> dict[str, Any]:
        """``labels``, ``step``, ``has_head``, ``has_decoder`` … of a target. Raises AatError.

        A target that is being trained is asked every time: its step moves.
        """
        if target not in self._loaded or "@" in target:
            self._loaded[target] = await self._session.call("load", target=target)
        return self._loaded[target]

    async def labels(self, target: str) -> list[str]:
        """The class names of a target. Raises AatError."""
        return list((await self.load(target)).get("labels") or [])

    async def recipes(self) -> list[dict[str, Any]]:
        """``name``, ``search``, ``paper``, ``needs`` and ``budget`` of every recipe. Raises AatError."""
        return list(await self._session.call("recipes"))

    async def answer(self, target: str, text: str, by: str = "gradient") -> Answer:
        """Probabilities and salience for ``text``; a victim that cannot tell the salience answers without."""
        try:
            labels = await self.labels(target)
            try:
                found = await self._session.call("attribute", target=target, text=text, by=by)
                return Answer(
                    labels, found["probabilities"], found["words"], found["scores"], method=found.get("method", "")
                )
            except AatError:
                found = await self._session.call("predict", target=target, texts=[text])
                return Answer(labels, found["probabilities"][0], found["words"][0])
        except AatError as error:
            return Answer(error=told(error))

    async def salience(self, target: str, text: str, by: str = "gradient") -> Salience:
        """Salience of the words of ``text``, or why there is none."""
        try:
            found = await self._session.call("attribute", target=target, text=text, by=by)
        except AatError as error:
            return Salience(note=f"no salience: {told(error)}")
        return Salience(found["words"], found["scores"], method=found.get("method", ""))

    async def predictions(self, target: str, texts: Sequence[str]) -> list[list[float]]:
        """Probabilities of each text. Raises AatError."""
        return (await self._session.call("predict", target=target, texts=list(texts)))["probabilities"]


class AttackCount:
    """How far an attack is, how fast, and what it has broken, or reduced to one word.

    ``total`` is 0 until it is known. Times are seconds of the monotonic clock.
    """

    def __init__(self, recipe: str, target: str, total: int) -> None:
        self.recipe = recipe
        self.target = target
        self.total = total
        self.message = ""
        self.started = time.monotonic()
        self.first: float | None = None
        self.pending: list[AttackResult] = []
        self.warnings: list[str] = []
        self.done = 0
        self.broken = 0
        self.reduced = 0
        self.skipped = 0

    def take(self, event: object) -> None:
        """Count one event of the stream."""
        if isinstance(event, AttackResult):
            if self.first is None:
                self.first = time.monotonic()
            self.done += 1
            self.broken += broken(event)
            self.reduced += event.status == "success" and reduced(event)
            self.skipped += event.status == "skipped"
            self.pending.append(event)
        elif isinstance(event, Progress):
            self.message = event.message
            if event.total:
                self.total = event.total
        elif isinstance(event, Notice):
            self.message = event.message
            if event.level == "warning":
                self.warnings.append(event.message)

    def drain(self) -> list[AttackResult]:
        """The results since the last call."""
        pending, self.pending = self.pending, []
        return pending

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def rate(self) -> float:
        """Examples a second since the attack began."""
        return self.done / self.seconds if self.done and self.seconds > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds to go, where that can be told."""
        return (self.total - self.done) / self.rate if self.rate and self.total >= self.done else None

    @property
    def broken_share(self) -> float:
        """Share of the attacked examples (those right before any edit) that were broken."""
        return self._share(self.broken)

    @property
    def reduced_share(self) -> float:
        """Share of the attacked examples that were reduced to one word, their prediction kept."""
        return self._share(self.reduced)

    def _share(self, count: int) -> float:
        attacked = self.done - self.skipped
        return count / attacked if attacked else 0.0
