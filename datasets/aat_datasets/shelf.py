"""Cards by name: those that ship with the package and the user's own."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from aat_datasets.card import Card, check_name, dump, parse
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.sources import data_root

__all__ = ["card", "names", "origin", "root", "shipped", "write_card"]


def shipped() -> list[str]:
    """The cards that come with the package."""
    folder = resources.files("aat_datasets") / "cards"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def names() -> list[str]:
    """Every dataset: those that ship, then the user's own."""
    own = data_root() / "cards"
    added = sorted(path.stem for path in own.glob("*.toml")) if own.is_dir() else []
    return [*shipped(), *(name for name in added if name not in shipped())]


def card(name: str) -> Card:
    """A dataset's card. Raises UnknownNameError, or DataError for a card that cannot be read."""
    if name in shipped():
        text = (resources.files("aat_datasets") / "cards" / f"{name}.toml").read_text(encoding="utf-8")
        found = parse(text, f"card {name}")
        return _with_builtin_labels(found)
    path = data_root() / "cards" / f"{name}.toml"
    if name not in names():
        raise UnknownNameError("dataset", name, names())
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from None


def root(name: str) -> str:
    """The dataset whose rows these are: of a view the one it was taken from, of any other itself.

    A dataset that is not there any more is its own. Raises DataError for a card that cannot be read, or views that
    are taken from each other.
    """
    passed: list[str] = []
    while name in names() and (view := card(name).view) is not None:
        passed.append(name)
        if view.dataset in passed:
            raise DataError(f"the views {', '.join(passed)} are taken from each other", "make one of them anew")
        name = view.dataset
    return name


def origin(name: str, split: str) -> str:
    """``DATASET:SPLIT`` that the texts of a dataset's split were made from, which may be the split itself."""
    return card(name).origin or f"{root(name)}:{split}"


def write_card(card: Card) -> Path:
    """Save a user's card. Raises DataError for a bad name or where it cannot be written."""
    folder = data_root() / "cards"
    path = folder / f"{check_name(card.name)}.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{card.name}.toml.partial"
        partial.write_text(dump(card), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    return path


def _with_builtin_labels(found: Card) -> Card:
    """The card of a built-in corpus does not repeat its labels: the corpus knows them."""
    if found.labels or all(source.kind != "builtin" for source in found.sources):
        return found
    from aat_datasets import builtin

    found.labels = list(builtin.labels(found.name))
    return found
