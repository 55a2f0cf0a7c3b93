"""The Generate pane's look into the vector: asks the engine for a way, one model after another, and tells the box of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aat_datasets.errors import AatError
from aat_models.events import Event, Progress

from ..asking import told
from ..widgets.latent import LatentBox

if TYPE_CHECKING:
    from ..asking_pane import AskingPane

__all__ = ["LatentLooking"]

PLACES = 21
LENGTHS = [step / 4 for step in range(-4, 13)]


class LatentLooking:
    """Fills the ``LatentBox`` of the pane that owns it."""

    def __init__(self, owner: AskingPane, box: LatentBox) -> None:
        self._owner = owner
        self._box = box

    def ask(self, text: str, other: str, models: dict[str, str]) -> None:
        """The way from ``text``, for each side's model; what was under way is given up."""
        self._box.begin(text, list(models))
        self._owner.run_worker(partial(self._ask, text, other, models), group="latent", exclusive=True)

    async def _ask(self, text: str, other: str, models: dict[str, str]) -> None:
        for side, target in models.items():
            await self._one(side, target, text, other)

    async def _one(self, side: str, target: str, text: str, other: str) -> None:
        params: dict[str, Any] = {"text": text, "other": other, "places": PLACES, "lengths": LENGTHS}
        stream = self._owner.stream("latent", target=target, **params)
        try:
            async for event in stream:
                self._tell(side, event)
            self._box.show(side, dict(stream.result), other)
        except AatError as error:
            self._box.tell(side, told(error))
        finally:
            await stream.aclose()

    def _tell(self, side: str, event: Event) -> None:
        if isinstance(event, Progress):
            self._box.tell(side, f"{event.message} {event.done}/{event.total}")
