"""A program run in a pseudo-terminal, with every byte it writes and when: what a person in front of it would see.

The bytes are read with their times first and given to a terminal emulator (pyte) afterwards, so that the emulator, which
is slow, does not delay what it measures. For POSIX systems.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from aat_datasets.errors import InputError

__all__ = ["PseudoTerminal"]

_CHUNK = 1 << 16


class PseudoTerminal:
    """``with PseudoTerminal(command) as terminal``: runs until the block ends.

    Args:
        command: the command line.
        size: columns and lines.
        environment: variables on top of this process's own.

    Raises InputError where pyte is not installed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: tuple[int, int] = (120, 40),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if importlib.util.find_spec("pyte") is None:
            raise InputError("this needs the terminal emulator pyte", "pip install pyte")
        import pyte

        self.columns, self.lines = size
        self.screen: Any = pyte.Screen(self.columns, self.lines)
        self._emulator: Any = pyte.ByteStream(self.screen)
        self._command = list(command)
        given = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})}
        # The size is the terminal's own, whatever the variables say of another one.
        self._environment = {name: value for name, value in given.items() if name not in ("COLUMNS", "LINES")}
        self._process: subprocess.Popen[bytes] | None = None
        self._master = -1
        self.started = 0.0
        self.bytes = 0

    def __enter__(self) -> PseudoTerminal:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", self.lines, self.columns, 0, 0))
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            self._command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=self._environment,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        if process.poll() is None:
            process.terminate()
            deadline = time.monotonic() + 3
            while process.poll() is None and time.monotonic() < deadline:
                self._read(0.05)  # a program that cannot write cannot leave
            if process.poll() is None:
                process.kill()
        process.wait()
        os.close(self._master)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def text(self) -> str:
        """The screen, a line each."""
        return "\n".join(self.screen.display)

    def looks(self, first: int, last: int) -> tuple[Any, ...]:
        """Characters and colours of the lines from ``first`` to before ``last``: equal where they look the same."""
        buffer = self.screen.buffer
        return tuple(tuple(buffer[y][x] for x in range(self.columns)) for y in range(first, last))

    def press(self, keys: bytes) -> float:
        """Send ``keys``; returns when, on the clock of ``time.perf_counter``."""
        now = time.perf_counter()
        os.write(self._master, keys)
        return now

    def _read(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self._master], [], [], max(seconds, 0))
        if not ready:
            return b""
        with contextlib.suppress(OSError):  # EIO: the program has ended
            return os.read(self._master, _CHUNK)
        return b""

    def drain(self, quiet: float, limit: float) -> list[tuple[float, bytes]]:
        """What is written until nothing came for ``quiet`` seconds, with times; at most for ``limit`` seconds."""
        chunks: list[tuple[float, bytes]] = []
        deadline = time.perf_counter() + limit
        while (left := deadline - time.perf_counter()) > 0:
            data = self._read(min(quiet, left))
            if not data:
                break
            chunks.append((time.perf_counter(), data))
        return chunks

    def feed(self, chunks: Sequence[tuple[float, bytes]], seen: Callable[[], bool]) -> float | None:
        """Draw ``chunks``; when ``seen`` first held after one, else ``None``. All are drawn."""
        found: float | None = None
        for when, data in chunks:
            self.bytes += len(data)
            self._emulator.feed(data)
            if found is None and seen():
                found = when
        return found

    def wait(self, seen: Callable[[], bool], limit: float = 30.0) -> float:
        """When ``seen`` first held, on the clock of ``time.perf_counter``. Raises TimeoutError."""
        if seen():  # it came with what was read before
            return time.perf_counter()
        deadline = time.perf_counter() + limit
        while time.perf_counter() < deadline:
            found = self.feed(self.drain(0.1, deadline - time.perf_counter()), seen)
            if found is not None:
                return found
            if not self.running:
                raise TimeoutError(f"the program ended:\n{self.text().strip()[-2000:]}")
        raise TimeoutError(f"it did not appear within {limit:g} s:\n{self.text()}")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


def _take_terminal() -> None:
    """In the child: the pseudo-terminal becomes its controlling terminal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
