"""What a pane is to the app: a widget that is mounted when it is first shown, and takes messages from other panes."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, cast, runtime_checkable

from textual.containers import Vertical
from textual.widget import Widget

from .messages import PaneMessage

if TYPE_CHECKING:
    from aat_models.events import Event

    from .app import WorkbenchApp

__all__ = ["HasProcess", "Pane", "PaneCommand", "SessionLike", "StreamLike"]


class StreamLike(Protocol):
    """A request that answers in many events; ``result`` is there once it has ended."""

    result: Any

    def __aiter__(self) -> AsyncIterator[Event]: ...

    async def aclose(self) -> None: ...


class SessionLike(Protocol):
    """What the app needs of an engine session; ``aat_workbench.session.Session``, or a test's fake."""

    async def call(self, method: str, **params: Any) -> Any: ...

    def stream(self, method: str, **params: Any) -> StreamLike: ...

    async def close(self) -> None: ...


@runtime_checkable
class HasProcess(Protocol):
    """A session that knows its engine's process: ``None`` while none runs."""

    @property
    def pid(self) -> int | None: ...


class PaneCommand(NamedTuple):
    """A line in the command palette while its pane is shown."""

    title: str
    help: str
    run: Callable[[], Any]


class Pane(Vertical, can_focus=False):
    """Base of the four panes.

    ``ABOUT`` is what the ``?`` overlay says above the keys; the keys are the pane's ``BINDINGS``. A pane finds the
    engine as ``self.workbench.session`` and the runs folder as ``self.workbench.runs_root``.
    """

    ABOUT: ClassVar[str] = ""

    DEFAULT_CSS = """
    Pane { width: 1fr; height: 1fr; }
    """

    @property
    def workbench(self) -> WorkbenchApp:
        return cast("WorkbenchApp", self.app)

    def shown(self) -> None:
        """The pane has come into view: focus what the user will want first."""
        self.focus_first()

    def hidden(self) -> None:
        """The pane has gone out of view: stop timers that only draw."""

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda theme: self.recoloured())

    def recoloured(self) -> None:
        """The theme is another: draw anew what holds colours of the one before."""

    def receive(self, message: PaneMessage) -> None:
        """Take a message another pane posted for this one. Called after ``shown``."""

    def commands(self) -> Iterable[PaneCommand]:
        """What the command palette offers while this pane is shown."""
        return ()

    def focus_first(self) -> None:
        """Focus the first widget of the pane that can take keys, so that the pane's own keys work."""
        focused = self.screen.focused
        if focused is not None and self in focused.ancestors_with_self:
            return
        for widget in self.query("*"):
            if widget.focusable:
                self.focus_on(widget)
                return

    def focus_on(self, widget: Widget) -> None:
        """Focus ``widget`` of this pane now, so that the next key reaches it; nothing while another pane is in view."""
        if self.display:
            self.screen.set_focus(widget, scroll_visible=False)
