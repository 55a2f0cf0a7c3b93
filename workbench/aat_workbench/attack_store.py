"""An attack's folder: what it depends on, what it found, how long it took.

::

    runs/RUN/attacks/greedy-1/
      config.toml      complete: target, checkpoint, texts, caps, seed, surface, temperature
      results.jsonl    one AttackResult a line, in order of completion; a torn last line is healed
      results-1.jsonl  what process 1 of several found, until process 0 takes it over
      timing.json      seconds so far, kept across interruptions
      summary.json     written last: the attack is complete
      .lock            held by the process that attacks (locking.py)
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from aat_datasets.errors import InputError
from aat_models.events import AttackResult
from aat_workbench import durable
from aat_workbench.eventlog import RunWriter, history
from aat_workbench.locking import FolderLock
from aat_workbench.summary import Timing

__all__ = ["AttackFolder", "AttackSettings"]


class AttackSettings(msgspec.Struct, kw_only=True):
    """``config.toml`` of an attack: everything its results depend on.

    ``weights``, ``texts`` and ``surface_hash`` are hashes of the model's weights, of the texts, and of the substitutes;
    ``least_edits`` is what every text may have however short it is; ``temperature`` is fitted when the attack begins,
    ``calibrated`` says whether it could be. ``similarity`` and ``fluency`` name what judges the edits, and hashes of their
    weights where they can be seen.
    """

    target: str
    checkpoint: str
    weights: str
    recipe: str
    dataset: str
    split: str
    texts: str
    n: int
    budget: float
    queries_per_word: int
    seed: int
    surface: str
    surface_hash: str
    labels: list[str]
    goal: str = "untargeted"
    least_edits: int = 1
    similarity: str = ""
    similarity_weights: str = ""
    fluency: str = ""
    fluency_weights: str = ""
    temperature: float = 1.0
    calibrated: bool = False

    def differences(self, other: AttackSettings) -> list[str]:
        """The keys in which two attacks differ, but for what is fitted."""
        keys = [key for key in self.__struct_fields__ if key not in ("target", "temperature", "calibrated")]
        return [key for key in keys if getattr(self, key) != getattr(other, key)]


class AttackFolder:
    """One attack on disk; made by ``create`` or ``resume``, which lock it: one process writes to it until ``close``."""

    def __init__(self, path: Path, settings: AttackSettings) -> None:
        self.path = path
        self.settings = settings
        self.results: list[AttackResult] = []
        self.timing = Timing()
        self._lock: FolderLock | None = None

    @classmethod
    def create(cls, attacks: Path, settings: AttackSettings) -> AttackFolder:
        """A new folder RECIPE-K in ``attacks``. Raises InputError where it cannot be written."""
        try:
            attacks.mkdir(parents=True, exist_ok=True)
            number = max((k for k, _ in _numbered(attacks, settings.recipe)), default=0)
            while True:
                number += 1
                path = attacks / f"{settings.recipe}-{number}"
                with contextlib.suppress(FileExistsError):  # another process took the number: the next one
                    path.mkdir()
                    break
            folder = cls(path, settings)
            folder._lock = FolderLock(path, f"attack {path.name}")  # before anyone can find it
            durable.replace(path / "config.toml", tomli_w.dumps(msgspec.to_builtins(settings)).encode())
        except OSError as error:
            raise InputError(f"{error.filename or attacks}: {error.strerror}", "results cannot be kept there") from None
        return folder

    @classmethod
    def resume(cls, attacks: Path, settings: AttackSettings) -> AttackFolder:
        """The newest attack of the same settings, with what it found.

        Raises InputError where there is none, or another process is at it.
        """
        found = cls.newest(attacks, settings)
        if isinstance(found, AttackFolder):
            return found
        raise InputError(f"no {settings.recipe} attack of these settings to go on with in {attacks}", found)

    @classmethod
    def newest(cls, attacks: Path, settings: AttackSettings) -> AttackFolder | str:
        """As ``resume``, but where there is none: why not, in a line. Raises InputError where another is at it."""
        near = ""
        for _, path in sorted(_numbered(attacks, settings.recipe), reverse=True):
            stored = _read(path)
            if stored is None:
                continue
            differing = settings.differences(stored)
            if not differing:
                return cls(path, stored)._claim().take_parts()
            near = near or f"{path.name} differs in: {', '.join(differing)}"
        return near or "without --resume a new attack begins"

    @classmethod
    def open(cls, path: Path) -> AttackFolder:
        """A stored attack, with what it found. Raises InputError where there is none that can be read."""
        stored = _read(path)
        if stored is None:
            raise InputError(f"{path}: not an attack's folder", "it has no config.toml of an attack")
        return cls(path, stored)._load()

    def _claim(self) -> AttackFolder:
        """Locks it, so that what is read then is all there is."""
        try:
            self._lock = FolderLock(self.path, f"attack {self.path.name}")
        except OSError as error:
            raise InputError(
                f"{error.filename or self.path}: {error.strerror}", "results cannot be kept there"
            ) from None
        return self

    def close(self) -> None:
        """Lets other processes go on with it."""
        if self._lock is not None:
            self._lock.release()

    def _load(self) -> AttackFolder:
        kept: dict[int, AttackResult] = {}
        for path in (self.path / "results.jsonl", *self._parts()):
            for record in history(path):
                if isinstance(record, AttackResult):
                    kept.setdefault(record.id, record)
        self.results = list(kept.values())
        with contextlib.suppress(OSError, msgspec.DecodeError):  # the times are lost then, and nothing else
            self.timing = msgspec.json.decode((self.path / "timing.json").read_bytes(), type=Timing)
        return self

    def _parts(self) -> list[Path]:
        return sorted(self.path.glob("results-*.jsonl"))

    def take_parts(self) -> AttackFolder:
        """Itself, with what other processes found, if any were at it, moved into ``results.jsonl``."""
        parts = self._parts()
        if parts:
            found = {record.id for record in history(self.path / "results.jsonl") if isinstance(record, AttackResult)}
            with self.writer() as writer:
                for record in (record for part in parts for record in history(part)):
                    if isinstance(record, AttackResult) and record.id not in found:
                        found.add(record.id)
                        writer.append(record)
            for part in parts:  # after what they hold is on the disk
                part.unlink()
        return self._load()

    def writer(self) -> RunWriter:
        """The appender to ``results.jsonl``."""
        return RunWriter(self.path / "results.jsonl")

    def write_timing(self, timing: Timing, *, lasting: bool) -> None:
        self.timing = timing
        durable.replace(self.path / "timing.json", msgspec.json.encode(timing), durable=lasting)

    def write_summary(self, summary: dict[str, Any]) -> None:
        durable.replace(self.path / "summary.json", msgspec.json.format(msgspec.json.encode(summary)) + b"\n")


def _numbered(attacks: Path, recipe: str) -> list[tuple[int, Path]]:
    pattern = re.compile(re.escape(recipe) + r"-(\d+)")
    try:
        return [(int(match[1]), path) for path in attacks.iterdir() if (match := pattern.fullmatch(path.name))]
    except OSError:
        return []


def _read(path: Path) -> AttackSettings | None:
    """The settings of a stored attack; None where they cannot be read, or another version wrote them."""
    try:
        return msgspec.convert(tomllib.loads((path / "config.toml").read_text(encoding="utf-8")), AttackSettings)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError):
        return None
