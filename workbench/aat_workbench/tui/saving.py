"""Typed texts kept as a dataset of one's own, to test models on."""

from __future__ import annotations

import json
from pathlib import Path

from aat_datasets.errors import DataError, InputError

from ..durable import replace

__all__ = ["DATASET", "names", "save_probe"]

DATASET = "probes"


def _file(name: str) -> Path:
    from aat_datasets.sources import data_root

    return data_root() / "_probes" / f"{name}.jsonl"


def names() -> list[str]:
    """The test sets there are."""
    return sorted(path.stem for path in _file(DATASET).parent.glob("*.jsonl"))


def save_probe(name: str, text: str, label: str) -> int:
    """Put ``text`` with its true ``label`` into the test set ``name``; returns how many texts it has.

    A text that is there already gets the new label. Reads the whole set again: it is made by hand, and small.
    Raises DataError where the name is another dataset's, or the text cannot be one of a dataset.
    """
    from aat_datasets import adding
    from aat_datasets.card import check_name
    from aat_datasets.shelf import names as known

    path = _file(check_name(name))
    there = path.is_file()
    if not there and name in known():
        raise DataError(f"{name!r} is a dataset that was not made here", "choose another name")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if there else []
    before = path.read_bytes() if there else None
    rows = [row for row in rows if row["text"] != text] + [{"text": text, "label": label}]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
        problem = ""
        try:
            report = adding.add(
                name, [], splits={"test": path}, text="text", label="label", target="", replace=True,
                title="Texts typed in the probe",
            )  # fmt: skip
            problem = report.rejected[0].reason if report.rejected else ""
        except DataError as error:
            problem = error.message
        if problem:
            _restore(path, before, name)
            raise DataError(f"the text cannot be kept: {problem}", "the set is as it was")
    except OSError as error:
        raise InputError(f"{error.filename or path}: {error.strerror}") from None
    return len(rows)


def _restore(path: Path, before: bytes | None, name: str) -> None:
    from aat_datasets import adding

    if before is None:
        path.unlink()
        return
    replace(path, before)
    adding.add(name, [], splits={"test": path}, text="text", label="label", target="", replace=True)
