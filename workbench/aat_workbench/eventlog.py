"""A run's ``events.jsonl``: appended by one writer, read by any number of watchers while it grows."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

import msgspec

from aat_models import events
from aat_models.events import Checkpointed, ControlApplied, Evaluation, Event, Notice, Resumed, Step

__all__ = ["HEAD", "EventTail", "RunWriter", "drop_after", "history"]

HEAD = 128  # bytes by which a file is known again


def drop_after(records: Iterable[Event], step: int) -> list[Event]:
    """``records`` without those of steps after ``step``: what still counts after a resume at ``step``."""
    dated = (Step, Evaluation, Checkpointed, ControlApplied, Notice)
    return [record for record in records if not (isinstance(record, dated) and record.step > step)]


def history(path: Path) -> list[Event]:
    """Every record of a run that still counts, oldest first. ``path``: the run folder or its ``events.jsonl``."""
    tail = EventTail(path, limit=1 << 62)
    return tail.poll()


class RunWriter:
    """Appends records to ``events.jsonl``, one flushed line each, stamped with the time.

    A last line that a killed writer left torn is healed on opening: kept where it is a whole record that lacks only
    its line end, cut off otherwise. Raises OSError where the file cannot be written.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._file = path.open("ab", buffering=0)
        _heal(path)

    def append(self, event: Event) -> Event:
        """Write one record, stamped unless it already is; returns it."""
        if not event.time:
            event.time = self._clock()
        line = memoryview(events.encode(event) + b"\n")
        while line:  # an unbuffered write may take less than all of it
            line = line[self._file.write(line) or 0 :]
        return event

    def sync(self) -> None:
        """Wait until the disk has every record."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sync()
        self._file.close()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _heal(path: Path) -> None:
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        start, torn = size, b""
        while start and b"\n" not in torn:
            step = min(start, 1 << 16)
            start -= step
            file.seek(start)
            torn = file.read(step) + torn
        torn = torn.rpartition(b"\n")[2]
        if not torn:
            return
        try:
            events.decode(torn)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            file.truncate(size - len(torn))
        else:
            file.seek(0, os.SEEK_END)
            file.write(b"\n")


class EventTail:
    """Reads what was appended since the last look, without ever blocking.

    Args:
        path: a run folder or its ``events.jsonl``; it need not exist yet.
        limit: at most this many bytes a look, so that a long history never holds up a screen.

    Attributes:
        resets: how often the file was found anew (deleted, truncated, replaced); what was read before then no longer
            counts, and reading began again at its start.
        skipped: whole lines that are no record this version knows.
        behind: whether the last look stopped at ``limit`` with more to read.
    """

    def __init__(self, path: Path, limit: int = 4 << 20) -> None:
        self.path = path if path.suffix == ".jsonl" else path / "events.jsonl"
        self.resets = 0
        self.skipped = 0
        self.behind = False
        self._limit = limit
        self._offset = 0
        self._head = b""
        self._identity: tuple[int, int] | None = None

    def poll(self) -> list[Event]:
        """The records that came since the last look, oldest first.

        A torn last line waits for its end. Where a ``Resumed`` is among them, the records of later steps before it are
        left out; a watcher that kept some from earlier looks drops those itself when it sees the ``Resumed``.
        """
        records: list[Event] = []
        for line in self._lines():
            try:
                record = events.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.skipped += 1
                continue
            if isinstance(record, Resumed):
                records = drop_after(records, record.step)
            records.append(record)
        return records

    @property
    def offset(self) -> int:
        """How many bytes were read."""
        return self._offset

    def skip_to(self, offset: int, head: bytes) -> None:
        """Go on behind what was read elsewhere: ``offset`` bytes of a file that begins with ``head``."""
        self._offset, self._head = offset, head[:HEAD]

    def _lines(self) -> list[bytes]:
        self.behind = False
        try:
            with self.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                identity = (stat.st_dev, stat.st_ino)
                changed = self._identity not in (None, identity) or stat.st_size < self._offset
                # A new file may get a deleted one's number; the stamped first record tells them apart.
                if changed or file.read(len(self._head)) != self._head:
                    self._restart()
                self._identity = identity
                file.seek(self._offset)
                block = file.read(min(self._limit, stat.st_size - self._offset))
                end = block.rfind(b"\n") + 1
                if not end and len(block) == self._limit:  # one line longer than the limit
                    block += file.readline()
                    end = block.rfind(b"\n") + 1
        except (FileNotFoundError, NotADirectoryError):
            self._restart()
            self._identity = None
            return []
        if self._offset == 0:
            self._head = block[: min(end, HEAD)]
        self._offset += end
        self.behind = self._offset < stat.st_size and end > 0
        return block[:end].splitlines()

    def _restart(self) -> None:
        if self._offset:
            self.resets += 1
        self._offset = 0
        self._head = b""
