"""How data scale: ingest against DuckDB's own COPY, windows and filters of a huge table, encoding, and training on more
than fits into memory. The rows are made here; each piece runs in a process of its own, comparisons in turn in one run.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aat_datasets.errors import EngineError, InputError
from aat_workbench.data_bench_side import bench_card

__all__ = ["PARTS", "bench_data"]

PARTS = ("ingest", "windows", "encode", "stream")
_ROOM = 600  # bytes of disk a row takes at most, with all copies


def bench_data(
    rows: int, parts: Sequence[str] = PARTS, *, rounds: int = 3, folder: str = ""
) -> Iterator[str | dict[str, Any]]:
    """Lines of narration, and last the figures: seconds, bytes, milliseconds.

    Raises InputError for an unknown part or where the disk has no room, EngineError where a piece fails.
    """
    if unknown := [part for part in parts if part not in PARTS]:
        raise InputError(f"--parts: there is no part {unknown[0]}", "known: " + ", ".join(PARTS))
    with tempfile.TemporaryDirectory(prefix="aat-bench-", dir=folder or None) as made:
        work = Path(made)
        free = shutil.disk_usage(work).free
        if free < rows * _ROOM:
            raise InputError(f"{work}: {rows * _ROOM >> 20:,} MiB are needed, {free >> 20:,} are free", "--folder")
        figures: dict[str, Any] = {"rows": rows, "cores": os.cpu_count(), "rounds": rounds}
        yield f"making {rows:,} rows"
        figures["csv_bytes"] = _piece(work, "make", path=str(work / "rows.csv"), rows=rows)["bytes"]
        if "ingest" in parts:
            yield from _ingest(work, rows, rounds, figures)
        dataset = str(work / "data" / "bench")
        yield "ingesting"
        _piece(work, "ingest", path=str(work / "rows.csv"), folder=dataset, derive=False)
        if "windows" in parts:
            yield "windows and filters"
            figures["windows"] = _piece(work, "windows", folder=dataset, pages=60)
        if "encode" in parts:
            yield "encoding"
            figures["encode"] = _encode(_piece(work, "encode", folder=dataset, texts=min(rows, 200_000), rounds=rounds))
        if "stream" in parts:
            yield from _stream(work, rows, figures)
        yield figures


def _ingest(work: Path, rows: int, rounds: int, figures: dict[str, Any]) -> Iterator[str]:
    path, small = str(work / "rows.csv"), str(work / "tenth.csv")
    _piece(work, "make", path=small, rows=rows // 10)
    out = str(work / "ingested")
    sides: dict[str, tuple[str, dict[str, Any]]] = {
        "copy": ("copy", {"path": path, "folder": str(work)}),
        "one split": ("ingest", {"path": path, "folder": out, "derive": False}),
        "dev and test drawn": ("ingest", {"path": path, "folder": out, "derive": True}),
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, (piece, arguments) in sides.items():
            yield f"round {number + 1} of {rounds}: {name}"
            found[name].append(_piece(work, piece, **arguments))
    tenth = _piece(work, "ingest", path=small, folder=out, derive=True)
    shutil.rmtree(out)
    Path(small).unlink()
    figures["ingest"] = {
        name: {key: statistics.median(one[key] for one in many) for key in ("wall", "cpu", "peak")}
        for name, many in found.items()
    }
    figures["ingest"]["a tenth of the rows, dev and test drawn"] = {key: tenth[key] for key in ("wall", "cpu", "peak")}
    for name in ("one split", "dev and test drawn"):
        ratios = {
            key: statistics.median(a[key] / b[key] for a, b in zip(found["copy"], found[name], strict=True))
            for key in ("wall", "cpu")
        }
        figures["ingest"][name]["of_copy"] = ratios


def _encode(found: dict[str, Any]) -> dict[str, Any]:
    ours, bare = (found["words"] / statistics.median(found["seconds"][side]) for side in ("ours", "encode_batch"))
    return {"words_per_second": ours, "encode_batch": bare, "ratio": ours / bare}


def _stream(work: Path, rows: int, figures: dict[str, Any]) -> Iterator[str]:
    """A process that may hold half the bytes of the texts, but at least what the program itself needs."""
    card = work / "data" / "cards" / "bench.toml"
    card.parent.mkdir(parents=True, exist_ok=True)
    dataset = work / "data" / "bench"
    _piece(work, "ingest", path=str(work / "rows.csv"), folder=str(dataset), derive=True)
    _write_card(card, dataset)
    yield "encoding and drawing batches with little memory"
    limit = max(figures["csv_bytes"] // 2, 700 << 20)
    figures["stream"] = _piece(work, "stream", folder=str(dataset), cache=str(work / "cache"), limit=limit)


def _write_card(path: Path, dataset: Path) -> None:
    """A card under which the folder is found as it is."""
    from aat_datasets.card import dump
    from aat_datasets.ingest import read_meta

    meta = read_meta(dataset)
    card = bench_card(derive=True)
    if meta is None or meta.recipe != card.recipe():
        raise EngineError(f"{dataset}: not the dataset that was made")
    path.write_text(dump(card), encoding="utf-8")


def _piece(work: Path, name: str, **arguments: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "aat_workbench.data_bench_side", name, json.dumps(arguments)]
    environment = {**os.environ, "AAT_DATA": str(work / "data"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
        raise EngineError(f"{name}: {last[0]}")
    return json.loads(done.stdout)
