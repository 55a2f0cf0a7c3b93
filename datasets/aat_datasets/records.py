"""The records that pass between data, models and the workbench."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["DatasetInfo", "Example", "Row", "State", "Task"]

Task = Literal["classification", "seq2seq", "dialogue", "language-model"]
State = Literal["builtin", "ready", "mirror", "downloadable", "missing"]


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One text with what is known of it.

    ``label`` is an index into the dataset's label names, ``None`` where the text has none; ``target`` is the output
    text of a generative task; ``history`` are the turns before a text of a conversation, the oldest first.
    """

    row: int
    text: str
    label: int | None = None
    target: str | None = None
    history: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row as it is shown: the label by name."""

    row: int
    text: str
    label: str | None = None
    target: str | None = None


class DatasetInfo(msgspec.Struct, kw_only=True):
    """What a list of datasets shows of one.

    ``state``: ``builtin`` (made by the package), ``ready`` (Parquet is cached), ``mirror`` (raw files found, not yet
    ingested), ``downloadable`` (a URL is known), ``missing`` (no source can be reached). ``splits`` maps a split's
    name to its number of rows, −1 where it is not known before ingest.
    """

    name: str
    title: str
    task: Task
    language: str
    labels: list[str]
    splits: dict[str, int]
    state: State
    licence: str
    note: str = ""
