"""A long ``events.jsonl`` in few lines: ``curves.jsonl`` beside it, which a watcher reads in its place.

Its first line is a ``Head``; the others are records of the run, word for word, in their order: of steps and evaluations
those at which some curve has an extreme (each of ``BUCKETS`` stretches keeps the lowest and the highest of every
metric), of everything else the last ``OTHERS``. A watcher goes on behind ``Head.offset``. The file may be deleted at
any time; it is made anew, by a process of its own, when a watcher finds more than ``LONG`` bytes it has not read.

``python -m aat_workbench.curve_digest RUN_FOLDER`` makes it.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from aat_models import events
from aat_models.events import Event
from aat_workbench import durable
from aat_workbench.eventlog import HEAD

__all__ = ["LONG", "Digest", "Maker", "load", "make"]

LONG = 8 << 20  # bytes that a screen would read too slowly by itself
BUCKETS = 1024
OTHERS = 500
_NAME = "curves.jsonl"
_BLOCK = 4 << 20
_FIRST = 1.0  # seconds until what is there so far is written; each time twice as many


class Head(msgspec.Struct):
    """``offset`` bytes of an ``events.jsonl`` that begins with ``head`` are told in this file; ``skipped`` lines were none."""

    offset: int
    head: str
    skipped: int = 0
    version: int = 1


class Digest(msgspec.Struct):
    """What ``load`` gives: the records that count, oldest first."""

    offset: int
    head: bytes
    skipped: int
    records: list[Event]


def load(folder: Path, beyond: int = 0) -> Digest | None:
    """The digest of the run in ``folder``; ``None`` where there is none that fits its events and tells of more bytes
    than ``beyond``."""
    try:
        with (folder / _NAME).open("rb") as file:
            head = msgspec.json.decode(file.readline(), type=Head)
            if head.version != 1 or head.offset <= beyond:
                return None
            start = head.head.encode("latin-1")
            with (folder / "events.jsonl").open("rb") as told:
                if told.read(len(start)) != start or os.fstat(told.fileno()).st_size < head.offset:
                    return None
            records = [events.decode(line) for line in file.read().splitlines()]
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None
    return Digest(head.offset, start, head.skipped, records)


class Maker:
    """Has digests made, one process at a time; whoever still waits asks again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def ask(self, folder: Path) -> bool:
        """Whether the digest of the run in ``folder`` is being made or will be: not where that was tried just now."""
        if self._process is not None and self._process.poll() is None:
            return True
        if self._folder == folder:
            self._folder = None
            return False
        self._folder, self._process = folder, _start(folder)
        return self._process is not None


def _start(folder: Path) -> subprocess.Popen[bytes] | None:
    if not os.access(folder, os.W_OK):
        return None
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "aat_workbench.curve_digest", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # Ctrl-C in the terminal is the app's
        )
    except OSError:
        return None


def make(folder: Path) -> None:
    """Write ``curves.jsonl`` of the run in ``folder``; what was read by then is written now and then on the way.

    Raises OSError.
    """
    lines = _Lines()
    began, pause = time.monotonic(), _FIRST
    with (folder / "events.jsonl").open("rb") as file:
        head = b""
        for block in _blocks(file.fileno()):
            head = head or block[:HEAD]
            lines.take(block)
            if time.monotonic() - began > pause:
                pause *= 2
                _write(folder, lines, head)
    _write(folder, lines, head)


def _write(folder: Path, lines: _Lines, head: bytes) -> None:
    first = msgspec.json.encode(Head(lines.offset, head.decode("latin-1"), lines.skipped))
    content = b"\n".join([first, *lines.kept()]) + b"\n"
    durable.replace(folder / _NAME, content, durable=False)


def _blocks(descriptor: int) -> Iterator[bytes]:
    """Whole lines, some millions of bytes at a time, until the end as it is now."""
    rest = b""
    while block := os.read(descriptor, _BLOCK):
        block = rest + block
        end = block.rfind(b"\n") + 1
        rest = block[end:]
        if end:
            yield block[:end]


class _Line(msgspec.Struct, gc=False):
    """As much of a record as its place in the digest needs."""

    type: str
    step: int = 0
    metrics: dict[str, float] | None = None


_CURVES = {"step", "evaluation"}
_decoder = msgspec.json.Decoder(_Line)
_lines_decoder = msgspec.json.Decoder(list[_Line])


class _Lines:
    """The lines that matter of what was taken so far: ``(place, line)``, rising; at most a few per bucket and metric."""

    ROOM = 1 << 16  # curve lines held before they are thinned

    def __init__(self) -> None:
        self.offset = 0
        self.skipped = 0
        self._number = 0
        self._others: list[tuple[int, bytes]] = []
        self._curves: list[tuple[int, bytes, str, int, dict[str, float]]] = []  # place, line, type, step, metrics

    def take(self, block: bytes) -> None:
        lines = block.splitlines()
        records = self._decode(lines)
        if {record and record.type for record in records} <= _CURVES:  # nearly always: in one go
            self._curves += [
                (number, line, record.type, record.step, record.metrics or {})
                for number, (line, record) in enumerate(zip(lines, records, strict=True), self._number + 1)
                if record is not None
            ]
            self._number += len(lines)
        else:
            self._sort(lines, records)
        self.offset += len(block)
        if len(self._curves) > self.ROOM:
            self._thin()
        if len(self._others) > 4 * OTHERS:
            self._forget()

    def _sort(self, lines: list[bytes], records: Sequence[_Line | None]) -> None:
        for line, record in zip(lines, records, strict=True):
            self._number += 1
            if record is None:
                self.skipped += 1
            elif record.type in _CURVES:
                self._curves.append((self._number, line, record.type, record.step, record.metrics or {}))
            else:
                if record.type == "resumed":
                    self._back_to(record.step)
                self._others.append((self._number, line))

    def _decode(self, lines: list[bytes]) -> Sequence[_Line | None]:
        try:
            return _lines_decoder.decode(b"[" + b",".join(lines) + b"]")
        except (msgspec.MsgspecError, UnicodeError):
            return [_decoded(line) for line in lines]

    def _back_to(self, step: int) -> None:
        """What was recorded after ``step`` no longer counts."""
        self._curves = [line for line in self._curves if line[3] <= step]
        self._others = [line for line in self._others if _step(line[1]) <= step]

    def _forget(self) -> None:
        """Of what is no curve the first, which says how the run began, and the last."""
        self._others = self._others[:1] + self._others[1:][-OTHERS:]

    def _thin(self) -> None:
        """Of each stretch of steps the lines with an extreme of some metric, and the ends of the whole."""
        if len(self._curves) <= 4 * BUCKETS:
            return
        size = len(self._curves)
        low, high = self._curves[0][3], max(line[3] for line in self._curves[-20:])
        edges = [low + (high + 1 - low) * bucket / BUCKETS for bucket in range(1, BUCKETS)]
        wanted = {0, *range(max(0, size - 20), size)}  # the pace is that of the last records
        for kind in _CURVES:
            places = [place for place, line in enumerate(self._curves) if line[2] == kind]
            names = dict.fromkeys(name for place in places for name in self._curves[place][4])
            for name in names:
                there = [place for place in places if name in self._curves[place][4]]
                steps = [self._curves[place][3] for place in there]
                values = [self._curves[place][4][name] for place in there]
                wanted.add(there[-1])
                wanted.update(there[place] for place in _extremes(steps, values, edges))
        self._curves = [self._curves[place] for place in sorted(wanted)]

    def kept(self) -> list[bytes]:
        """The digest's lines, in the order of the file."""
        self._thin()
        self._forget()
        pairs = [*self._others, *((number, line) for number, line, *_ in self._curves)]
        return [line for _, line in sorted(pairs)]


def _extremes(steps: list[int], values: list[float], edges: list[float]) -> Iterator[int]:
    """Of each stretch between edges the places of the lowest and the highest value. ``steps`` do not fall."""
    start = 0
    for edge in [*edges, steps[-1] + 1]:
        stop = bisect_left(steps, edge, start)
        if stop > start:
            part = values[start:stop]
            yield start + part.index(min(part))
            yield start + part.index(max(part))
        start = stop


def _decoded(line: bytes) -> _Line | None:
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeError):
        return None


def _step(line: bytes) -> int:
    """The step a record belongs to; 0 where it belongs to none, or stays whatever is taken back."""
    try:
        record = events.decode(line)
    except (msgspec.MsgspecError, UnicodeError):
        return 0
    dated = (events.Checkpointed, events.ControlApplied, events.Notice)
    return record.step if isinstance(record, dated) else 0


if __name__ == "__main__":
    os.nice(5)
    gc.disable()  # millions of small objects, none in a circle
    make(Path(sys.argv[1]))
