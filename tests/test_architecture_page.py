"""docs/architecture.md speaks of what is there: every name on it can be imported, every path exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PAGE = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(aat_(?:datasets|models|workbench)(?:\.\w+)+)`", PAGE)))
PATHS = sorted(set(re.findall(r"`(aat_(?:datasets|models|workbench)/[\w/.]+)`", PAGE)))
PACKAGES = {"aat_datasets": "datasets", "aat_models": "models", "aat_workbench": "workbench"}


def resolved(name: str) -> object:
    """The module, class, method or function of a dotted name."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            if not name.startswith(error.name or " "):
                raise
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_imported(name: str) -> None:
    assert resolved(name) is not None


def test_every_path_exists() -> None:
    assert PATHS
    assert [path for path in PATHS if not (TOP / PACKAGES[path.split("/")[0]] / path).exists()] == []


def test_the_worked_path_names_functions_of_all_three_packages_and_of_every_step() -> None:
    steps = re.split(r"\n\d+\. ", PAGE.partition("## A line of a CSV file")[2].partition("## Errors")[0])[1:]
    assert len(steps) == 14
    named = [re.findall(r"`(aat_[\w.]+)`", step) for step in steps]
    assert all(any(callable(resolved(name)) for name in names) for names in named)
    assert {name.split(".")[0] for names in named for name in names} == set(PACKAGES)
