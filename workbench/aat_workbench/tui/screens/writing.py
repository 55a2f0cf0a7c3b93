"""The Generate pane's conversation with the engine: replies that stream in, one or two at once, and how each ends."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aat_datasets.errors import AatError
from aat_models.events import Event, Notice, Token

from ..asking import told
from ..widgets.replies import Reply

if TYPE_CHECKING:
    from ..asking_pane import AskingPane

__all__ = ["Writing"]

REDRAW = 0.1  # seconds between redraws while tokens stream


class Writing:
    """Streams replies for the pane that owns it; ``live`` are those on their way.

    Args:
        owner: the pane whose workers and timer these are.
        drawn: called with a reply that has grown or ended, a few times a second.
    """

    def __init__(self, owner: AskingPane, drawn: Callable[[Reply], None]) -> None:
        self._owner = owner
        self._drawn = drawn
        self.live: list[Reply] = []
        self._grown: list[Reply] = []
        self._redraw = owner.set_interval(REDRAW, self._flush, pause=True)

    def begin(
        self, replies: Sequence[Reply], params: dict[str, Any], histories: Mapping[str, list[str]], system: str
    ) -> None:
        """Ask for these replies, each side with what was said on it before."""
        self.live = list(replies)
        self._redraw.resume()
        for reply in replies:
            self._owner.run_worker(self._write(reply, params, histories[reply.side], system), group="generate")

    def stop(self) -> None:
        """End the replies on their way; what was written stays."""
        if not self.live:
            return
        for reply in list(self.live):  # on the screen first: what the engine does meanwhile is nothing to wait for
            reply.state = "stopped"
            self._ended(reply)
        self._owner.workers.cancel_group(self._owner, "generate")

    async def _write(self, reply: Reply, params: dict[str, Any], history: list[str], system: str) -> None:
        ended = "stopped"
        try:
            loaded = await self._owner.asking.load(reply.target)
            if history and not loaded.get("remembers"):
                history = []
                reply.settings += ", reads this turn alone"
            if system and loaded.get("instructed"):
                params = {**params, "system": system}
            elif system:
                reply.settings += ", takes no system text"
            if not loaded.get("has_decoder"):
                reply.problem = (
                    f"{reply.target} has no decoder: it was trained to classify, so it cannot write. "
                    "Choose a model trained on texts with replies (data list shows which datasets have them)."
                )
                ended = "no decoder"
                return
            await self._stream(reply, params, history)
            ended = "done"
        except AatError as error:
            reply.problem = told(error)
            ended = "failed"
        finally:
            if reply in self.live:
                reply.state = ended
                self._ended(reply)

    async def _stream(self, reply: Reply, params: dict[str, Any], history: list[str]) -> None:
        stream = self._owner.stream("generate", target=reply.target, prompt=reply.prompt, history=history, **params)
        try:
            async for event in stream:
                self._take(reply, event)
            reply.summary = dict(stream.result or {})
        finally:
            await stream.aclose()

    def _take(self, reply: Reply, event: Event) -> None:
        if isinstance(event, Notice):
            reply.notices.append(event.message)
        elif isinstance(event, Token):
            reply.take(event)
        self._grown.append(reply)
        if len(reply.tokens) == 1:
            self._flush()  # the first token at once, the others a few times a second

    def _ended(self, reply: Reply) -> None:
        self.live.remove(reply)
        if not self._owner.is_attached:
            return
        self._grown.append(reply)
        self._flush()
        if not self.live:
            self._redraw.pause()

    def _flush(self) -> None:
        grown, self._grown = self._grown, []
        for reply in dict.fromkeys(grown):
            self._drawn(reply)
