"""Successful adversarial examples as a dataset of their own, with their true labels, to train or test on.

The raw file, Parquet with all that is known of each example, lies under ``$AAT_DATA/raw``; the dataset is ingested from
it as every other: its texts are what fooled the model, ``text_b`` the texts they were made from.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from aat_datasets.errors import DataError, InputError
from aat_models.events import AttackResult
from aat_workbench.outcome import written

if TYPE_CHECKING:
    from aat_workbench.attacking import AttackRun

__all__ = ["Saved", "check_recipe", "check_target", "save"]


class Saved(msgspec.Struct, kw_only=True):
    """What was made: the dataset's name, its rows (each text once), its card and the raw file."""

    name: str
    rows: int
    card: str
    file: str


def check_target(name: str, *, replace: bool = False) -> None:
    """Raises DataError where no dataset may be made under that name."""
    from aat_datasets import shelf
    from aat_datasets.card import check_name

    check_name(name)
    if name in shelf.shipped():
        raise DataError(f"{name!r} is a dataset of the package", "choose another name")
    if name in shelf.names() and not replace:
        raise DataError(f"there is a dataset {name!r} already", "--replace makes it anew")


def check_recipe(name: str) -> None:
    """Raises InputError for a recipe whose successes are not texts with a wrong answer."""
    from aat_models.attacks import find

    goal = find(name).goal.name
    if goal not in ("untargeted", "targeted"):
        raise InputError(
            f"{name} has the goal {goal}: what it finds has no true label", "save what an untargeted recipe finds"
        )


def save(name: str, runs: Sequence[AttackRun], *, replace: bool = False) -> Saved | None:
    """Make the dataset ``name`` from attacks of one dataset; None, and nothing made, where no text was broken.

    Raises DataError for a name that cannot be, or where it cannot be written.
    """
    check_target(name, replace=replace)
    rows = _rows(runs)
    if not rows:
        return None
    path = _write(name, rows)
    card = _card(name, runs, path)
    from aat_datasets import ingest, shelf
    from aat_datasets.sources import data_root

    source = card.sources[0]
    meta, _ = ingest.ingest(card, [(source.files[0], path)], source.reader, data_root() / name)
    card.splits = meta.splits
    return Saved(name=name, rows=sum(meta.splits.values()), card=str(shelf.write_card(card)), file=str(path))


def _rows(runs: Sequence[AttackRun]) -> list[dict[str, Any]]:
    """The successes of all attacks, by id, each adversarial text once."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        recipe = run.summary["recipe"]
        for result in sorted(run.results, key=lambda result: result.id):
            row = _row(result, recipe, run)
            if result.status == "success" and row["text"] != row["original"]:
                found.setdefault(row["text"], row)
    return list(found.values())


def _row(result: AttackResult, recipe: str, run: AttackRun) -> dict[str, Any]:
    original, adversarial = written(result)
    return {
        "text": adversarial,
        "label": run.labels[result.label],
        "original": original,
        "id": result.id,
        "recipe": recipe,
        "target": run.target.name,
        "prediction": run.labels[result.adversarial_prediction],
        "edits": len(result.edits),
        "queries": result.queries,
    }


def _write(name: str, rows: list[dict[str, Any]]) -> Path:
    """The raw file, under its checksum so that a later dataset of the name does not change this one's source."""
    import duckdb

    from aat_datasets.readers import literal
    from aat_datasets.sources import data_root, sha256_of

    types = {"id": "BIGINT", "edits": "INTEGER", "queries": "BIGINT"}
    columns = list(rows[0])
    raw = data_root() / "raw"
    partial = raw / f".{name}-{os.getpid()}-{secrets.token_hex(4)}.parquet"
    try:
        raw.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as con:
            declared = ", ".join(f"{column} {types.get(column, 'VARCHAR')}" for column in columns)
            con.execute(f"CREATE TABLE found ({declared})")
            cells = [[row[column] for row in rows] for column in columns]
            con.execute(f"INSERT INTO found SELECT {', '.join(['unnest(?)'] * len(columns))}", cells)
            con.execute(f"COPY found TO {literal(str(partial))} (FORMAT parquet)")
        path = raw / sha256_of(partial)[:16] / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        partial.replace(path)
    except (OSError, duckdb.IOException) as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"{raw}: {str(error).splitlines()[0]}", "nothing was kept") from None
    return path


def _card(name: str, runs: Sequence[AttackRun], path: Path) -> Any:
    from aat_datasets.card import Card, Columns, File, Reader, Source
    from aat_datasets.sources import sha256_of

    first = runs[0].summary
    origin, language, licence = _origin(first)
    recipes = ", ".join(dict.fromkeys(run.summary["recipe"] for run in runs))
    of = origin.replace(":", ", split ") or "given texts"
    file = File(split="train", path=str(path.absolute()), sha256=sha256_of(path), size=path.stat().st_size)
    return Card(
        name=name,
        title=f"Adversarial examples: {recipes} on {first['target']}",
        task="classification",
        language=language,
        columns=Columns(text=["text"], label="label", text_b="original"),
        sources=[Source(kind="mirror", reader=Reader(format="parquet"), files=[file])],
        licence=licence,
        labels=list(runs[0].labels),
        note=f"made by attack from {of}; labels are the true ones, text_b the text before the edits",
        origin=origin,
    )


def _origin(summary: dict[str, Any]) -> tuple[str, str, str]:
    """``(DATASET:SPLIT, language, licence)`` of what was attacked; the first empty where that is no dataset."""
    from aat_datasets import shelf

    dataset = summary["dataset"]
    if not dataset:
        return "", "en", "not stated"
    card = shelf.card(dataset)
    # What was made from edited texts of a split is still made from that split.
    return shelf.origin(dataset, summary["split"]), card.language, f"that of {dataset}: {card.licence}"
