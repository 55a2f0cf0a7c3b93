"""What is told of runs, as plain records: the commands print them with ``--json``, a host's desk sends them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.errors import AatError
from aat_models.events import ControlApplied, Notice
from aat_workbench import notes, queue
from aat_workbench.runs import RunFolder, find_run, list_runs

__all__ = ["attacks", "brief", "changes", "details", "placed", "queued", "warnings"]


def placed(root: Path) -> list[dict[str, Any]]:
    """What a list shows of all runs, each with its place in the queue; 0: it does not wait."""
    places = queue.places(root)
    return [{**brief(folder), "place": places.get(folder.name, 0)} for folder in list_runs(root)]


def brief(folder: RunFolder) -> dict[str, Any]:
    """What a list shows of a run."""
    status = folder.status()
    written = notes.read(folder.path)
    entry: dict[str, Any] = {
        "run": folder.name,
        "path": str(folder.path),
        "state": status.state,
        "step": status.step,
        "total": status.total,
        "metrics": status.metrics,
        "summary": status.summary or {},
        "error": status.error,
        "started": status.started,
        "heartbeat": status.heartbeat,
        "note": written.text,
        "tags": written.tags,
    }
    try:
        config = folder.config
    except AatError as error:  # an old or hand-edited run must not hide the others
        return {**entry, "error": str(error)}
    return {
        **entry,
        "dataset": config.data.dataset,
        "model": config.model.encoder,
        "adversary": config.adversary.name,
    }


def details(folder: RunFolder) -> dict[str, Any]:
    """Everything about a run but its events."""
    return {
        **brief(folder),
        "config": msgspec.to_builtins(folder.config),
        "checkpoints": [path.name for path in folder.steps()],
        "warnings": warnings(folder),
        "changes": changes(folder),
        "attacks": attacks(folder),
    }


def warnings(folder: RunFolder) -> list[str]:
    """What a run's training warned of, oldest first."""
    return [record.message for record in folder.history() if isinstance(record, Notice) and record.level == "warning"]


def changes(folder: RunFolder) -> list[dict[str, Any]]:
    """The settings changed while the run trained: ``[{step, set, before, by}]``."""
    return [
        {"step": record.step, "set": record.value, "before": record.before, "by": record.by}
        for record in folder.history()
        if isinstance(record, ControlApplied) and record.command == "set"
    ]


def attacks(folder: RunFolder) -> list[dict[str, Any]]:
    """The summaries of a run's finished attacks: ``[{name, summary}]``."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.attacks_path.glob("*/summary.json")):
        try:
            summary = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.MsgspecError):
            continue  # being written, or another version's
        found.append({"name": path.parent.name, "summary": summary})
    return found


def queued(root: Path, parallel: int, start: str) -> dict[str, Any]:
    """Has ``parallel`` trainings at a time (0: as it is), begins the run ``start``; ``{parallel, waiting: [run]}``."""
    if parallel:
        queue.set_parallel(root, parallel)
    if start:
        queue.start_now(find_run(start, root))
    queue.advance(root)
    return {"parallel": queue.parallel(root), "waiting": list(queue.places(root))}
