"""A pane that asks the engine about models, chosen by controls above it."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

from textual.widget import Widget

from aat_datasets.errors import AatError

from ..terminal import visible
from .asking import Asking, told
from .pane import Pane, StreamLike

__all__ = ["AskingPane"]


class ModelControls(Protocol):
    """What chooses the models."""

    def refresh_targets(self) -> None: ...

    def params(self) -> dict[str, Any]: ...

    def focus_target(self) -> None: ...


class AskingPane(Pane):
    """Base of the panes with models. A subclass says which are its controls, and where keys go at first."""

    @property
    def controls(self) -> ModelControls:
        raise NotImplementedError

    @property
    def resting(self) -> Widget:
        """What has the focus when nothing else has it."""
        raise NotImplementedError

    @cached_property
    def asking(self) -> Asking:
        return Asking(self.workbench.session)

    def stream(self, method: str, **params: Any) -> StreamLike:
        """A request that answers in many events."""
        return self.workbench.session.stream(method, **params)

    def wanted(self) -> dict[str, Any] | None:
        """The engine's words for what is chosen; where a number is none, that is said."""
        try:
            return self.controls.params()
        except AatError as error:
            self.notify(visible(told(error)), severity="error", markup=False)
            return None

    def shown(self) -> None:
        self.controls.refresh_targets()
        if not self.has_focus_within:
            self.focus_on(self.resting)

    def action_target(self) -> None:
        """Choose model A."""
        self.controls.focus_target()
