"""What the engine answers about runs and data: what there is, what was added to runs' files, and what is to become of them.

A mirror on another host (mirror.py) holds copies of a run's files but for its weights. It asks what has changed, and
for the bytes that follow those it has. Nothing here imports torch.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from aat_datasets.errors import AatError, InputError
from aat_workbench import protocol, queue
from aat_workbench.checkpoints import MARKER
from aat_workbench.protocol import Changed, Piece, Text, tail_of
from aat_workbench.runs import RunFolder, find_run, list_runs, runs_root

__all__ = ["RunDesk"]

_SMALL = 1 << 16  # bytes; what is larger is sent piece by piece
_LARGEST = 32 << 20  # bytes of a report: a client reads lines of 64 MiB
_GROWING = ("events.jsonl", "log.txt", "results.jsonl")  # the others are replaced
_SHARE = 0.1  # of the time may go into looking at folders


class _File(NamedTuple):
    """A file of a run; ``mark`` changes when the file does, ``content`` is what is told in place of the file's own."""

    path: Path
    size: int
    mark: str
    written: int
    content: bytes | None = None

    @property
    def grows(self) -> bool:
        return self.path.name in _GROWING or self.size > _SMALL


class RunDesk:
    """Answers one client, whose last answer it remembers.

    Args:
        root: folder of runs; None: ``AAT_RUNS``, else ``./runs``.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._given = root
        self._token = time.time_ns()  # no other engine's
        self._only: list[str] = []
        self._told: dict[str, str] = {}  # path → mark
        self._folders: dict[str, dict[str, _File]] = {}
        self._active: set[str] = set()
        self._due = 0.0

    @property
    def root(self) -> Path:
        return self._given or runs_root()

    def answer(self, method: str, params: msgspec.Struct) -> Any:
        """The result of one request of ``protocol.DESK``. Raises AatError."""
        match params:
            case protocol.Changes():
                return self._changes(params)
            case protocol.Read():
                return list(self._read(params))
            case protocol.Control():
                find_run(params.run, self.root).send(params.command, params.at)
                return {"run": params.run, "command": params.command}
            case protocol.Start():
                return self._start(params.config, params.queued)
            case protocol.Resume():
                from aat_workbench import jobs

                folder = jobs.resume_training(find_run(params.run, self.root), queued=params.queued)
                place = queue.places(self.root).get(folder.name, 0)
                return {"run": folder.name, "path": str(folder.path), "place": place}
            case protocol.Note():
                from aat_workbench import notes

                folder = find_run(params.run, self.root)
                notes.write(folder.path, notes.Notes(params.text, params.tags))
                written = notes.read(folder.path)
                return {"run": folder.name, "note": written.text, "tags": written.tags}
            case protocol.Queue():
                from aat_workbench.run_records import queued

                return queued(self.root, params.parallel, params.start)
            case protocol.Report():
                return self._report(params)
            case protocol.Rows():
                from aat_workbench.cli.data import rows_of

                return msgspec.to_builtins(rows_of(**msgspec.structs.asdict(params)))
            case protocol.OfRun():
                return self._of_run(method, find_run(params.run, self.root))
            case _:
                return self._at_large(method)

    def _of_run(self, method: str, folder: RunFolder) -> Any:
        if method == "remove":
            folder.remove()
        else:
            from aat_workbench.run_records import details

            return details(folder)
        return {"run": folder.name, "path": str(folder.path)}

    def _at_large(self, method: str) -> Any:
        if method == "runs":
            from aat_workbench.run_records import placed

            return placed(self.root)
        if method == "demo":
            from aat_workbench import jobs

            return {"log": str(jobs.start_demo(self.root))}
        from aat_datasets import catalog

        return catalog.names() if method == "datasets" else msgspec.to_builtins(catalog.listing())

    def _report(self, params: protocol.Report) -> dict[str, Any]:
        from aat_workbench.report import collect, write

        with tempfile.TemporaryDirectory(prefix="aat-report-") as folder:
            path = write(
                collect(params.names, self.root), params.form, Path(folder) / "report", examples=params.examples
            )
            if path.stat().st_size > _LARGEST:
                raise InputError(f"the report has {path.stat().st_size >> 20} MiB", "write it there, and copy it")
            return {"content": path.read_bytes()}

    def _start(self, text: str, queued: bool) -> dict[str, Any]:
        from aat_models import config as configs
        from aat_workbench import jobs

        folder = jobs.start_training(configs.from_toml(text), runs_root=self.root, queued=queued)
        place = queue.places(self.root).get(folder.name, 0)
        return {"run": folder.name, "path": str(folder.path), "log": str(folder.log_path), "place": place}

    # What a mirror asks

    def _changes(self, params: protocol.Changes) -> Changed:
        whole = params.token != self._token or params.only != self._only
        if whole:
            self._due = 0.0
        self._only = params.only
        self._look()
        files = {path: file for folder in self._folders.values() for path, file in folder.items()}
        before = {} if whole else self._told
        texts: dict[str, Text] = {}
        sizes: dict[str, tuple[int, str]] = {}
        for path, file in files.items():
            if before.get(path) == file.mark:
                continue
            if file.grows:
                sizes[path] = (file.size, file.mark)
                continue
            try:
                content = file.path.read_bytes() if file.content is None else file.content
            except OSError:
                content = b""  # gone since: the next look says so
            texts[path] = Text(content, file.written)
        self._told = {path: file.mark for path, file in files.items()}
        self._token += 1
        return Changed(self._token, whole, texts, sizes, [path for path in before if path not in files])

    def _look(self) -> None:
        """See what there is; between two looks at everything, at the runs at work only."""
        root, began = self.root, time.monotonic()
        with contextlib.suppress(AatError):
            queue.advance(root)
        if began < self._due:
            for name in self._active & self._folders.keys():
                self._folders[name] = dict(self._files(RunFolder(root / name)))
            return
        self._folders, self._active = {}, set()
        for folder in list_runs(root):
            if not self._only or folder.name in self._only:
                self._folders[folder.name] = dict(self._files(folder))
        if not self._only:
            for path in _inside(root / "_targets"):
                self._folders[f"_targets/{path.name}"] = dict(_attacks(root, path / "attacks"))
        now = time.monotonic()
        self._due = now + (now - began) / _SHARE

    def _files(self, folder: RunFolder) -> Iterator[tuple[str, _File]]:
        """The files of a run. Its status comes first: what it speaks of is in the files by then."""
        root = folder.path.parent
        status = folder.status()
        if status.active:
            self._active.add(folder.name)
        seen = _file(folder.status_path)
        if seen is not None:
            told = msgspec.json.encode(status)
            mark = f"{seen.mark}-{status.state}"
            yield _name(root, folder.status_path), seen._replace(mark=mark, content=told, size=len(told))
        for path in _inside(folder.path):
            if path != folder.status_path and (found := _file(path)):
                yield _name(root, path), found
        kept = [folder.checkpoints_path / name for name in ("latest", "best")]
        for path in [*kept, *(step / MARKER for step in folder.steps())]:
            if found := _file(path):
                yield _name(root, path), found
        yield from _attacks(root, folder.attacks_path)

    def _read(self, params: protocol.Read) -> Iterator[Piece]:
        root, left = self.root, params.limit
        for place in params.places:
            if left <= 0:
                return
            if place.path not in self._told:
                raise InputError(f"{place.path}: no file of a run", "only what changes told can be read")
            try:
                with (root / place.path).open("rb") as file:
                    state = os.fstat(file.fileno())
                    offset = _agreed(file, state.st_size, place)
                    file.seek(offset)
                    content = file.read(min(left, state.st_size - offset))
            except OSError:
                continue  # gone since: the next changes say so
            left -= len(content)
            yield Piece(place.path, offset, content, state.st_mtime_ns)


def _agreed(file: BinaryIO, size: int, place: protocol.Place) -> int:
    """Up to where a mirror's file is the one that is here."""
    for offset, tail in ((place.size, place.tail), (place.line, place.line_tail)):
        if 0 <= offset <= size and tail_of(file, offset) == tail:
            return offset
    return 0


def _attacks(root: Path, folder: Path) -> Iterator[tuple[str, _File]]:
    for attack in _inside(folder):
        for name in ("config.toml", "summary.json", "results.jsonl"):
            if found := _file(attack / name):
                yield _name(root, attack / name), found


def _inside(folder: Path) -> list[Path]:
    """What is in a folder, but for what is hidden, or of a name that is no text."""
    try:
        return sorted(path for path in folder.iterdir() if path.name[0] != "." and _is_text(path.name))
    except OSError:
        return []


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def _file(path: Path) -> _File | None:
    try:
        state = path.stat()
    except OSError:
        return None
    if not path.is_file():
        return None
    mark = f"{state.st_ino:x}-{state.st_mtime_ns:x}-{state.st_size:x}"
    return _File(path, state.st_size, mark, state.st_mtime_ns)


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
