"""A client of the engine: starts it, asks it, streams from it, and starts it again where it died.

The engine is a process of its own, on this machine or over ssh (host.py); what is said is in protocol.py. Nothing here
imports torch.
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
from aat_workbench.protocol import PROTOCOL, Reply

__all__ = ["Session", "Stream", "state_folder"]

_LINE = 1 << 26  # bytes the longest reply may have
_LOG = 1 << 20  # bytes after which the log begins anew
_HELLO_SECONDS = 60.0
_NOISE = 200  # lines that a shell may print before the engine's first
_CLOSE_SECONDS = 2.0
_GRACE_SECONDS = 1.0  # for a process that said nothing to end with an exit code of its own


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
            raise errors.named(reply.error.kind, reply.error.message, reply.error.hint)
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
        command: the engine's command line; by default this Python's own. One that runs ssh is one as well; host.py
            makes it.
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
            self._starting.cancel()
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
        from aat_workbench.detached import child_environment

        if self._reader is not None:
            await self._reader
        self.log = self.log or state_folder() / "engine.log"
        try:
            long = self.log.exists() and self.log.stat().st_size > _LOG
            with self.log.open("wb" if long else "ab") as log:
                began = log.tell()
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
            raise self._cannot_run(error) from None
        try:
            self.hello = await asyncio.wait_for(_hello(process), _HELLO_SECONDS)
        except TimeoutError:
            self.hello = {}
        except asyncio.CancelledError:
            await _end(process, 0)
            raise
        if self.hello.get("protocol") != PROTOCOL:
            code = await _end(process)
            raise self._other_version() if self.hello else self._no_start(code, _since(self.log, began))
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
            take(self._stopped(reason))

    # What is said of an engine that does not run; another host has words of its own

    def _cannot_run(self, error: OSError) -> AatError:
        return EngineError(f"the engine cannot be started: {error.strerror}", " ".join(self._command))

    def _no_start(self, code: int, said: str) -> AatError:
        """No hello came; ``code`` is the process's exit code, ``said`` what it printed on stderr."""
        return EngineError("the engine did not start", f"its log: {self.log}")

    def _other_version(self) -> AatError:
        return EngineError(
            f"the engine speaks protocol {self.hello['protocol']}, not {PROTOCOL}", f"its log: {self.log}"
        )

    def _stopped(self, reason: str = "") -> AatError:
        why = f" ({reason})" if reason else ""
        return EngineError(f"the engine stopped{why}", f"it starts again by itself; its log: {self.log}")

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
            raise self._stopped() from None

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


async def _hello(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """The engine's first words, after what a login shell may print before them; empty where none come."""
    assert process.stdout is not None
    for _ in range(_NOISE):
        try:
            line = await process.stdout.readline()
        except ValueError:
            break
        if not line:
            break
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            hello = msgspec.json.decode(line, type=Reply).hello
            if hello is not None and "protocol" in hello:
                return hello
    return {}


async def _end(process: asyncio.subprocess.Process, grace: float = _GRACE_SECONDS) -> int:
    """Ends a process that is of no use, after seconds of ``grace``; its exit code."""
    with contextlib.suppress(TimeoutError):
        return await asyncio.wait_for(process.wait(), grace)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    return await process.wait()


def _since(log: Path, place: int) -> str:
    """What was written to the log from ``place`` on."""
    try:
        with log.open("rb") as file:
            file.seek(place)
            return file.read(1 << 16).decode("utf-8", "replace")
    except OSError:
        return ""


def state_folder() -> Path:
    """A folder for logs: the user's state folder, or a temporary one where that cannot be written to."""
    import tempfile

    from platformdirs import user_state_path

    folder = user_state_path("aat-workbench")
    with contextlib.suppress(OSError):  # a home that cannot be written to is no reason to have no engine
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="aat-workbench-"))
