"""``hf:ORG/NAME@REVISION`` and ``nltk:CORPUS`` → a card of the user's own, downloaded and ingested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets import corpora, hub, shelf, sources
from aat_datasets.adding import guess, split_of
from aat_datasets.card import Card, Columns, Derive, File, Reader, Source, check_name
from aat_datasets.errors import DataError
from aat_datasets.readers import path_literal
from aat_datasets.records import Task
from aat_datasets.sources import Progress

__all__ = ["fetched"]


def fetched(
    name: str,
    origin: str,
    *,
    text: str | None = None,
    label: str | None = None,
    target: str | None = None,
    seed: int = 0,
    replace: bool = False,
    progress: Progress | None = None,
) -> Card:
    """Download what ``origin`` names and write its card; ingest is the next step.

    Args:
        name: what the dataset will be called.
        origin: ``hf:ORG/NAME[@REVISION][#FOLDER]`` or ``nltk:CORPUS``.
        text, label, target: columns; guessed where None.
        seed: of the splits that are derived where the origin has none.

    Raises DataError for a name that is taken, an origin that is not there, or columns that cannot be guessed.
    """
    check_name(name)
    if name in shelf.shipped():
        raise DataError(f"{name!r} is a dataset of the package", "choose another name")
    if name in shelf.names() and not replace:
        raise DataError(f"there is a dataset {name!r} already", "--replace fetches it anew")
    kind, colon, rest = origin.partition(":")
    if not colon or not rest or kind not in ("hf", "nltk"):
        raise DataError(f"unknown origin {origin!r}", "hf:ORG/NAME, hf:ORG/NAME@REVISION#FOLDER or nltk:CORPUS")
    if kind == "hf":
        card = _from_hub(name, hub.parse(rest), {"text": text, "label": label, "target": target}, seed, progress)
    else:
        card = _from_nltk(name, rest, seed, progress)
    shelf.write_card(card)
    return card


def _from_hub(name: str, place: hub.Place, chosen: dict[str, str | None], seed: int, progress: Progress | None) -> Card:
    found = hub.find(place)
    files = [
        File(split=split, path=path, size=size, sha256=sha256)
        for path, size, sha256 in found.files
        if (split := split_of(Path(path)) or ("train" if len(found.files) == 1 else None))
    ]
    if not files:
        raise DataError(f"{place.repo}: no file's name says train, dev or test", found.files[0][0])
    source = Source(kind="hf", repo=place.repo, revision=found.revision, reader=Reader(format="parquet"), files=files)
    card = Card(
        name=name,
        title=f"{place.repo} of the Hugging Face hub",
        task="classification",
        language="en",
        columns=Columns(text=["text"]),
        sources=[source],
        licence="see huggingface.co/datasets/" + place.repo,
        derive=_derive({file.split for file in files}, seed),
    )
    sources.download(card, progress)
    first = next((file for file in files if file.split == "train"), files[0])
    path = sources.raw_path(source, first)
    found_in = guess(path, text=chosen["text"], label=chosen["label"], target=chosen["target"])
    card.columns, card.language = found_in.columns, found_in.language
    card.task = _task(card.columns)
    card.labels, card.label_values = _class_names(path, card.columns.label)
    return card


def _from_nltk(name: str, corpus: str, seed: int, progress: Progress | None) -> Card:
    if not corpora.present(corpus, sources.roots()):
        corpora.fetch(corpus, sources.data_root() / "nltk_data", progress)
    _, label = next(corpora.rows(corpus, sources.roots()), ("", None))
    columns = Columns(text=["text"], label="label" if label is not None else "")
    return Card(
        name=name,
        title=f"{corpus} of NLTK",
        task=_task(columns),
        language="en",
        columns=columns,
        sources=[Source(kind="nltk", repo=corpus)],
        licence=f"see the readme of NLTK's corpus {corpus}",
        derive=_derive({"train"}, seed),
    )


def _derive(given: set[str], seed: int) -> Derive | None:
    dev, test = (0.0 if split in given else 0.1 for split in ("dev", "test"))
    return Derive(dev=dev, test=test, seed=seed) if "train" in given and (dev or test) else None


def _task(columns: Columns) -> Task:
    return "classification" if columns.label else "seq2seq" if columns.target else "language-model"


def _class_names(path: Path, column: str) -> tuple[list[str], list[str]]:
    """Label names and the numbers that stand for them, where the file's own notes name them; else nothing."""
    import duckdb

    if not column:
        return [], []
    with duckdb.connect() as con:
        sql = f"SELECT value FROM parquet_kv_metadata({path_literal(path)}) WHERE key = 'huggingface'::BLOB"
        row = con.execute(sql).fetchone()
    try:
        notes: Any = json.loads(bytes(row[0])) if row else {}
        names = notes["info"]["features"][column]["names"]
        labels = msgspec.convert(names, list[str])
    except (ValueError, KeyError, TypeError, msgspec.ValidationError):
        return [], []
    return labels, [str(number) for number in range(len(labels))]
