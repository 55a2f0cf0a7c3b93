"""What a dataset's TOML card holds: sources, reader settings, columns, labels, splits, licence.

The cards that ship lie in ``cards/``; a user's own lie in ``$AAT_DATA/cards``. Both have this one format.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from typing import Any, Literal

import msgspec
import tomli_w

from aat_datasets.errors import DataError
from aat_datasets.records import Task
from aat_datasets.selection import Selection

__all__ = ["Card", "Columns", "Derive", "File", "Format", "Reader", "Source", "View", "check_name", "dump", "parse"]

Format = Literal["csv", "tsv", "jsonl", "json", "parquet", "txt"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# Names that would collide with the folders beside the datasets in AAT_DATA.
_RESERVED = frozenset({"cards", "raw"})


class Reader(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a file becomes columns of text.

    ``csv`` has double quotes (doubled inside a quoted field) and may hold newlines in a field; ``tsv`` has no quoting;
    ``jsonl`` is one JSON object a line, ``json`` an array of objects, or of arrays whose columns ``names`` names;
    ``txt`` is one text a line, its column is called ``text``. ``names`` are the columns of a file without header.

    ``paragraphs``: a text of a ``txt`` file ends at a blank line. ``turns``: each record of a ``jsonl`` file is a
    conversation, a list under this key; every turn but the last is a row, the next one its ``reply``, and of the
    record's other lists of that length the row has the turn's own entry. Beside them, for the columns ``history`` and
    ``dialogue``, ``aat_history`` has the turns before, ``aat_dialogue`` what is the same in all rows of a conversation.
    """

    format: Format
    header: bool = True
    names: list[str] = []
    delimiter: str = ","
    encoding: str = "utf-8"
    paragraphs: bool = False
    turns: str = ""


class Columns(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which columns of the files are what. Several text columns are joined with single spaces.

    ``history`` are the turns before the text, a JSON list, the oldest first. Rows alike in ``dialogue`` are of one
    conversation: none is divided among derived splits. ``meta`` are further columns to keep, under their own names, as text.
    """

    text: list[str]
    label: str = ""
    text_b: str = ""
    target: str = ""
    history: str = ""
    dialogue: str = ""
    meta: list[str] = []


class File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One file of a split.

    ``path`` is where it lies under a mirror, or absolute; ``size`` is in bytes, 0: unknown. ``member`` is the key of
    a JSON document under which the rows are. Files of one split that name a ``column`` are read line by line together,
    each the column of that name.
    """

    split: str
    path: str = ""
    url: str = ""
    sha256: str = ""
    size: int = 0
    member: str = ""
    column: str = ""


class Source(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One place the whole dataset can come from: all its files, or nothing.

    ``url``, ``hf`` and ``nltk`` are downloaded when asked to. ``hf`` is a dataset repository of the Hugging Face hub:
    ``repo`` its id, ``revision`` a commit, each file's ``path`` its path there. ``nltk`` is the NLTK corpus ``repo``.
    ``columns`` and ``label_values`` stand for the card's own where the files of this place are other ones.
    """

    kind: Literal["mirror", "url", "hf", "nltk", "builtin"]
    repo: str = ""
    revision: str = ""
    columns: Columns | None = None
    label_values: list[str] = []
    reader: Reader = msgspec.field(default_factory=lambda: Reader(format="jsonl"))
    files: list[File] = []


class Derive(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Shares of the split ``pool`` that become dev and test where the dataset has none of its own.

    Stratified by label and seeded; equal texts with equal labels always land in the same split. Conversations are drawn
    whole instead, whatever the labels of their turns; equal ones land in the same split. ``tail`` takes the
    last rows of the pool instead, dev before test, as is usual for running text.
    """

    pool: str = "train"
    dev: float = 0.1
    test: float = 0.0
    seed: int = 0
    tail: bool = False


class View(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rows of another dataset.

    ``fingerprint`` is that dataset's when the view was saved: the selection of another content would be another one.
    ``only`` names the splits the selection applies to, the others being taken whole; empty: it applies to all.
    """

    dataset: str
    fingerprint: str
    selection: Selection = msgspec.field(default_factory=Selection)
    only: list[str] = []


class Card(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One dataset.

    ``labels`` are the names in the order of their indices; ``label_values`` the same labels as the files write them
    (empty: the names themselves). ``splits`` are the rows a complete ingest gives, −1 where unknown. ``origin`` is
    ``DATASET:SPLIT`` where the texts were made from those of another dataset. A ``view`` has no sources of its own.
    """

    name: str
    title: str
    task: Task
    language: str
    columns: Columns
    sources: list[Source]
    licence: str
    labels: list[str] = []
    label_values: list[str] = []
    splits: dict[str, int] = {}
    derive: Derive | None = None
    deduplicate: bool = False
    citation: str = ""
    note: str = ""
    origin: str = ""
    view: View | None = None

    @property
    def values(self) -> list[str]:
        """The labels as the files write them."""
        return self.label_values or self.labels

    def seen_from(self, source: Source) -> Card:
        """The card with the columns and label values of one of its sources."""
        columns, values = source.columns or self.columns, source.label_values or self.label_values
        return msgspec.structs.replace(self, columns=columns, label_values=values)

    def recipe(self, content: str = "") -> str:
        """A hash of everything that decides what an ingest gives; ``content`` stands for a built-in corpus."""
        made_from = [
            self.labels,
            self.values,
            self.columns,
            self.derive,
            self.deduplicate,
            [_source_identity(source) for source in self.sources],
            content,
            *([self.view] if self.view else []),
        ]
        return hashlib.sha256(msgspec.json.encode(made_from, order="sorted")).hexdigest()


def _source_identity(source: Source) -> list[Any]:
    """What of a source decides what is read from it."""
    files = [(file.split, file.sha256, file.member, file.column) for file in source.files]
    return [source.kind, source.repo, source.revision, source.columns, source.label_values, source.reader, files]


def check_name(name: str) -> str:
    """``name`` if a dataset may be called so. Raises DataError."""
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise DataError(
            f"a dataset cannot be called {name!r}",
            "use a-z, 0-9, '.', '_', '-', at most 64, and neither 'cards' nor 'raw'",
        )
    return name


def parse(text: str, where: str) -> Card:
    """The card in a TOML text. Raises DataError naming ``where`` and the key."""
    try:
        card = msgspec.convert(tomllib.loads(text), Card)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise DataError(f"{where}: not a dataset card: {error}") from None
    check_name(card.name)
    if card.label_values and len(card.label_values) != len(card.labels):
        raise DataError(f"{where}: label_values has {len(card.label_values)} entries, labels has {len(card.labels)}")
    if not card.columns.text and all(source.kind != "builtin" for source in card.sources):
        raise DataError(f"{where}: columns.text names no column")
    return card


def dump(card: Card) -> str:
    """The card as TOML."""
    tree: dict[str, Any] = msgspec.to_builtins(card)
    return tomli_w.dumps({key: value for key, value in tree.items() if value is not None})
