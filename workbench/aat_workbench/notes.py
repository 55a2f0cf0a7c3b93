"""What people write about a run: a note and tags, in ``notes.toml`` of its folder."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import tomli_w

from aat_datasets.errors import ConfigError, InputError
from aat_workbench import durable
from aat_workbench.runs import elsewhere

__all__ = ["Notes", "read", "tagged", "write"]

_TAG = re.compile(r"[^\s,#+-][^\s,#]{0,39}")


class Notes(msgspec.Struct, frozen=True):
    """``text`` may have lines; ``tags`` are sorted words."""

    text: str = ""
    tags: list[str] = []


def read(folder: Path) -> Notes:
    """The notes of the run in ``folder``; empty where there are none, or none that can be read."""
    try:
        return msgspec.convert(tomllib.loads((folder / "notes.toml").read_text(encoding="utf-8")), Notes)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError):
        return Notes()


def write(folder: Path, notes: Notes) -> None:
    """Keep ``notes``; empty ones take the file away.

    Raises ConfigError naming an unfit tag, InputError where it cannot be written.
    """
    for tag in notes.tags:
        if not _TAG.fullmatch(tag):
            raise ConfigError(f"tag {tag!r} is unfit", "a word of at most 40 characters without , and #")
    kept = Notes(notes.text.strip(), sorted(set(notes.tags)))
    if host := elsewhere(folder.parent):
        host.note(folder.name, kept.text, kept.tags)
        return
    path = folder / "notes.toml"
    try:
        if kept == Notes():
            path.unlink(missing_ok=True)
        else:
            durable.replace(path, tomli_w.dumps(msgspec.to_builtins(kept), multiline_strings=True).encode())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def tagged(notes: Notes, changes: Iterable[str]) -> Notes:
    """``notes`` with tags added (``+good`` or ``good``) and taken away (``-bad``)."""
    tags = set(notes.tags)
    for change in changes:
        if change.startswith("-"):
            tags.discard(change[1:])
        else:
            tags.add(change.removeprefix("+"))
    return msgspec.structs.replace(notes, tags=sorted(tags))
