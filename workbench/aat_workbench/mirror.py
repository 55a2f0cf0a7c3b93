"""Runs of another host, copied into a folder here as they grow, so that everything that reads runs reads them too.

The copies are what there is of a run but for its weights: config, status, events, log, names of checkpoints, attacks.
A file that grows goes on from the size it has here, whatever was lost on the way; one that is not the file it was is
copied anew, under a new inode, by which readers notice. What is asked of a run goes to the host. Nothing here imports
torch.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

import msgspec

from aat_datasets.errors import AatError, EngineError, HostError, InputError
from aat_models import config as configs
from aat_models.config import Config
from aat_workbench import durable
from aat_workbench.protocol import Changed, Piece, Place, Text, tail_of
from aat_workbench.status import RunStatus

__all__ = ["Mirror"]

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_A_TURN = 0.5  # after which it is asked again what is new, though not everything is here yet
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds before a lost connection is tried again
PLACES = 64  # files asked for at a time
LEAST, MOST = 1 << 14, 1 << 20  # bytes asked for at a time: as many as come in a third of a second
QUICK, SLOW = 0.1, 0.5  # seconds
LINE = 1 << 16  # bytes at a file's end in which the last whole line's end is looked for


T = TypeVar("T")


class _Asked(Protocol):
    async def call(self, method: str, **params: Any) -> Any: ...


class Mirror:
    """Keeps ``root`` a copy of a host's folder of runs.

    Args:
        root: the folder here; nobody else writes to it.
        session: the session with the engine there.
        place: what the host is called in messages.
        only: names of the runs to copy; none: all.

    Attributes:
        trouble: why the last look failed; None while the connection stands.
        on_change: called when ``trouble`` came or went.
        on_error: called with what went wrong with something that was asked of a run.
    """

    def __init__(self, root: Path, session: _Asked, place: str, only: Sequence[str] = ()) -> None:
        self.root = root.absolute()
        self.place = place
        self.trouble: AatError | None = None
        self.on_change: Callable[[], None] = lambda: None
        self.on_error: Callable[[AatError], None] = lambda error: None
        self._session = session
        self._only = list(only)
        self._token = 0
        self._behind: dict[str, int] = {}  # path → bytes there, where they are not all here
        self._active: set[str] = set()
        self._limit = LEAST
        self._wake = asyncio.Event()
        self._asking: set[asyncio.Task[None]] = set()

    # Following

    async def run(self) -> None:
        """Follows for ever; a connection that is lost is tried again."""
        while True:
            if await self._turned_over(self.rest):
                await self.rest(SECONDS_BETWEEN_LOOKS)

    async def until_level(self) -> None:
        """Follows until all that was there when it was last asked is here; a connection that is lost is tried again."""
        while not await self._turned_over(asyncio.sleep):
            pass

    async def _turned_over(self, wait: Callable[[float], Awaitable[object]]) -> bool:
        """``turn``, again and again with longer pauses while the connection is lost; ``wait`` passes the seconds."""
        pause = FIRST_PAUSE
        while True:
            try:
                level = await self.turn()
            except (AatError, OSError) as error:
                self._turned(error)
                await wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._turned(None)
                return level

    async def turn(self) -> bool:
        """Asks once what is new, and fetches for a while; whether all of it is here. Raises AatError or OSError."""
        answer = await self._session.call("changes", token=self._token, only=self._only)
        changed = self._read(answer, Changed)
        self._take(changed)
        self._token = changed.token
        until = time.monotonic() + SECONDS_A_TURN
        while self._behind:
            try:
                await self._fetch()
            except HostError:
                raise
            except InputError:  # another engine has taken the place of the one that told what there is
                return False
            if time.monotonic() > until:
                return not self._behind
        return True

    def _read(self, answer: Any, kind: type[T]) -> T:
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError as error:
            raise EngineError(f"{self.place} answered what is not understood: {error}") from None

    def _turned(self, error: AatError | OSError | None) -> None:
        if isinstance(error, OSError):
            error = EngineError(f"{error.filename or self.root}: {error.strerror}", "the copies here cannot be kept up")
        before, self.trouble = self.trouble, error
        if (before is None) != (error is None):
            self.on_change()

    async def rest(self, seconds: float) -> None:
        """Waits, but not while something that was asked of a run is about to show."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    # Files

    def _take(self, changed: Changed) -> None:
        if changed.whole:
            self._behind = {}
            self._drop_all_but({*changed.texts, *changed.sizes})
        for path in changed.gone:
            self._behind.pop(path, None)
            self._drop(self._here(path))
        # A run is there once its config is: that comes last.
        for path, text in sorted(changed.texts.items(), key=lambda pair: pair[0].endswith("config.toml")):
            self._write(path, text)
        for path, (size, _) in changed.sizes.items():
            self._here(path)
            self._behind[path] = size

    def _write(self, path: str, text: Text) -> None:
        file = self._here(path)
        self._behind.pop(path, None)
        file.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(file, text.content, durable=False)
        os.utime(file, ns=(text.written, text.written))
        if path.endswith("/status.json"):
            run = path.partition("/")[0]
            with contextlib.suppress(msgspec.MsgspecError):
                active = msgspec.json.decode(text.content, type=RunStatus).active
                (self._active.add if active else self._active.discard)(run)

    async def _fetch(self) -> None:
        """The next bytes of the files that are wanted most."""
        wanted = sorted(self._behind, key=self._rank)[:PLACES]
        places = [self._place(path) for path in wanted]
        began = time.monotonic()
        answer = await self._session.call("read", places=msgspec.to_builtins(places), limit=self._limit)
        seconds = time.monotonic() - began
        if seconds > SLOW:
            self._limit = max(LEAST, self._limit // 2)
        elif seconds < QUICK:
            self._limit = min(MOST, self._limit * 2)
        pieces = self._read(answer, list[Piece])
        asked = {place.path: place for place in places}
        for piece in pieces:
            if piece.path in asked:
                self._grow(piece, asked[piece.path])
        if not pieces:  # none of them is there any more: the next changes say so
            for path in wanted:
                self._behind.pop(path, None)

    def _rank(self, path: str) -> tuple[int, str]:
        """Curves of what is at work first, then other curves, logs, and what attacks found."""
        run, _, rest = path.partition("/")
        if "/attacks/" in path:
            return 3, path
        return (rest != "events.jsonl") + (run not in self._active), path

    def _place(self, path: str) -> Place:
        try:
            with self._here(path).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                place = Place(path, size, tail_of(file, size))
                file.seek(max(0, size - LINE))
                torn = file.read(LINE).rpartition(b"\n")
                if torn[1] and torn[2]:
                    place.line = size - len(torn[2])
                    place.line_tail = tail_of(file, place.line)
                return place
        except FileNotFoundError:
            return Place(path, -1, "")

    def _grow(self, piece: Piece, place: Place) -> None:
        file = self._here(piece.path)
        if piece.offset in (place.size, place.line):
            with file.open("r+b") as end:
                end.truncate(piece.offset)  # readers wait for whole lines: none has read further
                end.seek(piece.offset)
                end.write(piece.content)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            durable.replace(file, piece.content, durable=False)
        if piece.offset + len(piece.content) >= self._behind.get(piece.path, 0) or not piece.content:
            self._behind.pop(piece.path, None)
            os.utime(file, ns=(piece.written, piece.written))

    def _here(self, path: str) -> Path:
        """Where a file of the host lies here. Raises EngineError for one that would lie anywhere else."""
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or "\0" in path or any(part.startswith(".") for part in parts):
            raise EngineError(f"{self.place} named a file that is in no run: {path!r}")
        return self.root.joinpath(*parts)

    def _drop_all_but(self, kept: set[str]) -> None:
        for folder in self._own():
            for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
                if path.is_dir():
                    with contextlib.suppress(OSError):  # of those that hold something
                        path.rmdir()
                elif path.relative_to(self.root).as_posix() not in kept:
                    self._drop(path)
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _own(self) -> Iterable[Path]:
        """The folders that this mirror answers for."""
        if self._only:
            return [self.root / name for name in self._only]
        return [path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith(".")]

    def _drop(self, file: Path) -> None:
        """Takes a copy away, and the folders that are empty then."""
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
        for folder in file.parents:
            if folder == self.root:
                return
            try:
                folder.rmdir()
            except OSError:
                return

    # What is asked of runs

    def send(self, run: str, command: str, at: int = 0) -> None:
        """Ask a run there for something; what goes wrong is told to ``on_error``."""
        self._ask("control", run=run, command=command, at=at)

    def resume(self, run: str, queued: bool = False) -> None:
        """Have a training there go on, when its turn comes where ``queued``."""
        self._ask("resume", run=run, queued=queued)

    def note(self, run: str, text: str, tags: list[str]) -> None:
        """Keep what was written about a run there."""
        self._ask("note", run=run, text=text, tags=tags)

    def remove(self, run: str) -> None:
        """Delete a run there; the copy goes when the host says that it is gone."""
        self._ask("remove", run=run)

    async def start(self, config: Config, *, queued: bool = False) -> str:
        """Start a training there; the run's name, once its copy is here. Raises AatError."""
        name: str = (await self._session.call("start", config=configs.dump(config), queued=queued))["run"]
        self._wake.set()
        return name

    async def start_demo(self) -> str:
        """Start the demo there; where its log is. Raises AatError."""
        return f"{self.place}:{(await self._session.call('demo'))['log']}"

    async def dataset_names(self) -> list[str]:
        """The datasets there. Raises AatError."""
        return list(await self._session.call("datasets"))

    def _ask(self, method: str, **params: Any) -> None:
        task = asyncio.ensure_future(self._asked(method, params))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _asked(self, method: str, params: dict[str, Any]) -> None:
        try:
            await self._session.call(method, **params)
        except AatError as error:
            self.on_error(error)
        self._wake.set()
