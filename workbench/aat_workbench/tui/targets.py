"""What can be attacked, probed and generated from: runs on disk and the shipped victim; and attacks stored already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from aat_datasets.errors import AatError
from aat_models import config as configs
from aat_models.events import AttackResult, Started, decode

__all__ = [
    "FOREIGN",
    "TINY",
    "StoredAttack",
    "Target",
    "labels_of",
    "load_results",
    "run_of",
    "stored_attacks",
    "stored_labels",
    "targets",
]

TINY = "builtin:tiny"
FOREIGN = ("py:", "http:", "https:", "hf:")  # targets that are no run, and come without texts


class Target(NamedTuple):
    """A target by the name the command line takes, a note of a few words, and whether it has a decoder."""

    name: str
    note: str
    writes: bool = False


class StoredAttack(NamedTuple):
    """An attack's folder; ``name`` is like ``greedy-1``."""

    name: str
    path: Path


def targets(root: Path) -> list[Target]:
    """Runs with a checkpoint or with stored attacks, newest first, then the shipped victim.

    A run that is training also offers the checkpoint it wrote last.
    """
    from aat_workbench.runs import list_runs

    found: list[Target] = []
    for run in list_runs(root):
        status = run.status()
        trained = run.latest() is not None
        if not trained and not stored_attacks(root, run.name):
            continue
        try:
            writes = configs.writes(run.config)
        except AatError:
            writes = False  # a config that cannot be read is told of where the run is used
        if status.active and trained:
            found.append(Target(f"{run.name}@latest", f"training now, step {status.step}", writes))
        found.append(Target(run.name, "best checkpoint" if trained else "no checkpoint, stored results", writes))
    found.append(Target(TINY, "shipped, always there"))
    return found


def run_of(target: str) -> str:
    """The run a target's checkpoint belongs to: the target without ``@…``."""
    return target.partition("@")[0]


def stored_attacks(root: Path, target: str) -> list[StoredAttack]:
    """Attacks on the target's run, or on a target that is no run, with at least one result, newest first."""
    dated: list[tuple[float, StoredAttack]] = []
    for path in _kept(root, target):
        try:
            state = path.stat()
        except OSError:
            continue
        if state.st_size:
            dated.append((state.st_mtime, StoredAttack(path.parent.name, path.parent)))
    return [stored for _, stored in sorted(dated, key=lambda pair: (-pair[0], pair[1].name))]


def _kept(root: Path, target: str) -> Iterator[Path]:
    """The results files of a target's attacks."""
    if not target.startswith(FOREIGN):
        yield from (root / run_of(target) / "attacks").glob("*/results.jsonl")
        return
    for path in (root / "_targets").glob("*/attacks/*/results.jsonl"):
        if _settings(path.parent).target == target:
            yield path


def load_results(attack: StoredAttack) -> list[AttackResult]:
    """The stored results; a torn last line and records of other kinds are passed over."""
    results: list[AttackResult] = []
    with (attack.path / "results.jsonl").open("rb") as lines:
        for line in lines:
            try:
                event = decode(line)
            except msgspec.DecodeError:
                continue
            if isinstance(event, AttackResult):
                results.append(event)
    return results


def stored_warnings(attack: StoredAttack) -> list[str]:
    """What was said of a stored attack's figures; nothing where it has not ended."""
    try:
        summary = msgspec.json.decode((attack.path / "summary.json").read_bytes(), type=dict[str, Any])
        return msgspec.convert(summary.get("warnings", []), list[str])
    except (OSError, msgspec.DecodeError):
        return []


def labels_of(root: Path, target: str) -> list[str]:
    """The class names the run's training recorded at its start; empty where it recorded none."""
    try:
        with (root / run_of(target) / "events.jsonl").open("rb") as lines:
            for line, _ in zip(lines, range(20), strict=False):
                try:
                    event = decode(line)
                except msgspec.DecodeError:
                    continue
                if isinstance(event, Started):
                    return event.labels
    except OSError:
        pass  # a target without a run folder of its own has no recorded names
    return []


def stored_labels(attack: StoredAttack) -> list[str]:
    """The class names an attack's settings recorded; empty where they cannot be read."""
    return _settings(attack.path).labels


class _Settings(msgspec.Struct):
    target: str = ""
    labels: list[str] = []


def _settings(folder: Path) -> _Settings:
    try:
        return msgspec.toml.decode((folder / "config.toml").read_bytes(), type=_Settings)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return _Settings()
