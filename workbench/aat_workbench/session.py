"""A client of the engine: starts it, asks it, streams from it, and starts it again where it died.

The engine is a process of its own, on this machine or over ssh; what is said is in protocol.py. Nothing here imports
torch.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from aat_datasets import errors
from aat_datasets.errors import AatError, EngineError
from aat_models import events
from aat_models.events import Event
from aat_workbench.protocol import PROTOCOL, Problem, Reply

__all__ = ["Session", "Stream"]

_LINE = 1 << 26  # bytes the longest reply may have
_LOG = 1 << 20  # bytes after which the log begins anew
_HELLO_SECONDS = 60.0
_CLOSE_SECONDS = 2.0


class Stream:
    """Events of one request: ``async for event in stream``; afterwards ``result`` is set. Closing it cancels."""

    def __init__(self, session: Session, method: str, params: dict[str, Any]) -> None:
        self.result: Any = None
        self._session = session
        self._method = method
        self._params = params
        self._id: int | None = None
        self._replies: asyncio.Queue[Reply | AatError] = asyncio.Queue()
        self._ended = False

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self._ended:
            raise StopAsyncIteration
        try:
            if self._id is None:
                self._id = await self._session.submit(self._method, self._params, self._replies.put_nowait)
            reply = await self._replies.get()
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if isinstance(reply, AatError):
            self._ended = True
            raise reply
        if isinstance(reply.event, msgspec.Raw):
            return events.decode(bytes(reply.event))
        self._ended = True
        if reply.error is not None:
            raise _error(reply.error)
        self.result = reply.result
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Ends the work in the engine, unless it has ended."""
        if not self._ended and self._id is not None:
            self._ended = True
            self._session.forget(self._id)
        self._ended = True

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Session:
    """One engine process, started by the first call.

    Args:
        command: the engine's command line; by default this Python's own. ``["ssh", HOST, "aat-workbench", "engine"]``
            is one as well.
        log: the file that takes the engine's stderr; by default ``engine.log`` in the user's state folder.
        runs_root: folder of runs the engine looks in; None: what the environment says.
        on_restart: called when a new engine has taken the place of one that died.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        log: Path | None = None,
        runs_root: Path | None = None,
        on_restart: Callable[[], None] | None = None,
    ) -> None:
        self.on_restart = on_restart
        self.hello: dict[str, Any] = {}
        self.log = log
        self._command = list(command) if command is not None else [sys.executable, "-m", "aat_workbench.engine"]
        self._runs_root = runs_root
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._waiting: dict[int, Callable[[Reply | AatError], None]] = {}
        self._last = 0
        self._died = False
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The engine's process id, None where none runs. For an engine over ssh: ssh's."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def call(self, method: str, **params: Any) -> Any:
        """One request's result; its events, if any, are dropped. Raises AatError.

        A call that is cancelled is cancelled in the engine too.
        """
        stream = self.stream(method, **params)
        async with stream:
            async for _ in stream:
                pass
        return stream.result

    def stream(self, method: str, **params: Any) -> Stream:
        """One request's events as they come; it is sent when the first is asked for."""
        return Stream(self, method, params)

    async def start(self) -> None:
        """Starts the engine unless it runs. Raises EngineError."""
        if self._closed:
            raise EngineError("the session is closed")
        if self.pid is not None:
            return
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._started)
        # Whoever asks may be cancelled, as a keystroke's question is by the next one; the start goes on.
        await asyncio.shield(self._starting)

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting = None
        if task.cancelled() or task.exception() is not None:
            return
        if self._died:
            self._died = False
            if self.on_restart is not None:
                self.on_restart()

    async def close(self) -> None:
        """Ends the engine: asks it, then insists. The session is of no use afterwards."""
        self._closed = True
        if self._starting is not None:
            await asyncio.wait([self._starting])
        process = self._process
        if process is not None and process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()  # the end of its input ends it
            try:
                await asyncio.wait_for(process.wait(), _CLOSE_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._reader is not None:
            await self._reader

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # The process

    async def _start(self) -> None:
        from aat_workbench.jobs import child_environment

        if self._reader is not None:
            await self._reader
        self.log = self.log or _log_path()
        try:
            long = self.log.exists() and self.log.stat().st_size > _LOG
            with self.log.open("wb" if long else "ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    limit=_LINE,
                    env=child_environment(self._runs_root),
                    start_new_session=True,  # Ctrl-C in the terminal is the client's to handle
                )
        except OSError as error:
            raise EngineError(f"the engine cannot be started: {error.strerror}", " ".join(self._command)) from None
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _HELLO_SECONDS)
            self.hello = msgspec.json.decode(line, type=Reply).hello or {}
        except (TimeoutError, msgspec.MsgspecError, ValueError):
            self.hello = {}
        if self.hello.get("protocol") != PROTOCOL:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            what = f"speaks protocol {self.hello['protocol']}, not {PROTOCOL}" if self.hello else "did not start"
            raise EngineError(f"the engine {what}", f"its log: {self.log}")
        self._process = process
        self._reader = asyncio.create_task(self._read(process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hands out replies until the engine goes away; then tells everybody who waits."""
        assert process.stdout is not None
        reason = ""
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than the limit: what follows cannot be told apart
                reason = "it sent a line that is too long"
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                break
            if not line:
                break
            try:
                reply = msgspec.json.decode(line, type=Reply)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # the remains of a line cut off by the engine's death
            take = self._waiting.get(reply.id) if reply.id is not None else None
            if take is not None:
                if reply.event is msgspec.UNSET and reply.id is not None:
                    del self._waiting[reply.id]
                take(reply)
        code = await process.wait()
        self._died = not self._closed
        waiting, self._waiting = self._waiting, {}
        reason = reason or (f"signal {-code}" if code < 0 else f"exit code {code}")
        for take in waiting.values():
            take(EngineError(f"the engine stopped ({reason})", f"it starts again by itself; its log: {self.log}"))

    async def submit(self, method: str, params: dict[str, Any], take: Callable[[Reply | AatError], None]) -> int:
        """Sends a request; its replies go to ``take``. Returns its id. Raises EngineError."""
        await self.start()
        self._last += 1
        number = self._last
        self._waiting[number] = take
        try:
            await self._write({"id": number, "method": method, "params": params})
        except BaseException:
            self.forget(number)
            raise
        return number

    async def _write(self, request: dict[str, Any]) -> None:
        process = self._process
        assert process is not None and process.stdin is not None
        try:
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise EngineError("the engine stopped", f"it starts again by itself; its log: {self.log}") from None

    def forget(self, number: int) -> None:
        """Cancels a request and drops what still comes of it."""
        if self._waiting.pop(number, None) is None or self.pid is None:
            return
        self._last += 1
        process = self._process
        assert process is not None and process.stdin is not None
        request = {"id": self._last, "method": "cancel", "params": {"id": number}}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):  # a dead engine works no more
            process.stdin.write(msgspec.json.encode(request) + b"\n")


def _error(problem: Problem) -> AatError:
    """The error of the tree that the engine named; an EngineError where it is none."""
    found = getattr(errors, problem.kind, None)
    kind = found if isinstance(found, type) and issubclass(found, AatError) else EngineError
    made = kind.__new__(kind)
    AatError.__init__(made, problem.message, problem.hint)  # UnknownNameError's own would make the message again
    return made


def _log_path() -> Path:
    import tempfile

    from platformdirs import user_state_path

    folder = user_state_path("aat-workbench")
    with contextlib.suppress(OSError):  # a home that cannot be written to is no reason to have no engine
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder / "engine.log"
    return Path(tempfile.mkdtemp(prefix="aat-workbench-")) / "engine.log"
