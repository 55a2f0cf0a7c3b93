"""One long piece of work on datasets, done by a process of its own, with progress, and cancelled at any moment."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from aat_datasets.errors import DataError, named

from ..data_work import Answer, Request

__all__ = ["DataJob"]

PATIENCE = 5.0  # seconds a process that is asked to stop may take before it is killed
LONGEST_LINE = 1 << 24


class DataJob:
    """``await DataJob(…).run(progress)``: the result, or an error as the work raised it.

    Args:
        work, name, arguments: see ``aat_workbench.data_work.Request``.

    Cancelling the task that waits, or ``cancel``, ends the work; nothing of it is left then.
    """

    def __init__(self, work: str, name: str, **arguments: Any) -> None:
        self._request = Request(work=work, name=name, arguments=arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._began = time.monotonic()
        self.name = name
        self.work = work
        self.cancelled = False
        self.progress = Answer(message="starting")

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self._began

    def told(self) -> str:
        """Its progress in a line: what, how far, how long."""
        now = self.progress
        share = f" {min(now.done / now.total, 1):.0%}" if now.total > 0 else ""
        return f"{self.name}: {now.message}{share} · {self.seconds:.0f} s"

    async def run(self, progress: Callable[[], None] = lambda: None) -> Any:
        """Do the work. Raises AatError as the work did, and DataError where it was cancelled."""
        from ..detached import child_environment  # not before it is needed: the first paint does not wait for it

        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "aat_workbench.data_work",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=child_environment(),
            start_new_session=True,
            limit=LONGEST_LINE,
        )
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        said = asyncio.create_task(process.stderr.read())  # a full pipe would stop it
        end: Answer | None = None
        try:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(msgspec.json.encode(self._request) + b"\n")
                await process.stdin.drain()
            async for line in process.stdout:
                answer = msgspec.json.decode(line, type=Answer)
                if answer.message:
                    self.progress = answer
                    progress()
                else:
                    end = answer
            await process.wait()
        finally:
            await asyncio.shield(self._end(process))
            said.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self.cancelled:
            raise DataError(f"{self.name}: cancelled", "nothing was kept")
        if end is None:
            last = (await said).decode(errors="replace").strip().splitlines()[-1:]
            raise DataError(f"{self.name}: the work ended without an answer", " ".join(last)[:300])
        if end.error:
            raise named(end.kind, end.error, end.hint)
        return end.result

    def cancel(self) -> None:
        """Ask the process to stop; ``run`` ends when it has gone."""
        self.cancelled = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def part(self, seconds: float = 2.0) -> None:
        """Cancel, and wait until the process has gone, but not for longer than that: it goes by itself."""
        self.cancel()
        if self._process is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """See the process off, and what it could not clear away itself."""
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            try:
                await asyncio.wait_for(process.wait(), PATIENCE)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        await asyncio.to_thread(_sweep, process.pid)


def _sweep(pid: int) -> None:
    """Remove the folders that a process of this number left half done; it wrote its number into their names."""
    from aat_datasets.sources import data_root

    for left in data_root().glob(f".tmp-*-{pid}-*"):
        shutil.rmtree(left, ignore_errors=True)
