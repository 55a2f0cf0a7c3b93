"""Ctrl-C and SIGTERM as a wish that is granted at the next good moment."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts"]


class Interrupts:
    """While open: the first signal is noted in ``seen``, the second raises KeyboardInterrupt.

    Until ``wait_for_me`` is set the first one raises too: there is nothing yet that would be worth saving. Outside the
    main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.seen = False
        self.wait_for_me = False
        self._enabled = enabled and threading.current_thread() is threading.main_thread()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if self._enabled:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # closed by the garbage collector of another thread: only the main one may set handlers
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.seen or not self.wait_for_me:
            raise KeyboardInterrupt
        self.seen = True
