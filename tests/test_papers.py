"""docs/papers.md names every adversary and every recipe, and what a recipe says of its paper is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aat_models.attacks import RECIPES
from aat_models.config import ADVERSARIES

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "papers.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*ADVERSARIES, *RECIPES])
def test_every_method_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipes_paper_is_that_of_the_page(name: str) -> None:
    for author, year in re.findall(r"(\w+) (?:et al\.|& \w+) (20\d\d)", RECIPES[name].paper):
        assert re.search(rf"^\| `[\w]+` \| .*\b{author}\b.*{year}", PAGE, re.MULTILINE), (author, year)


def test_keys_are_used_once() -> None:
    keys = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert len(keys) == len(set(keys)) > 25
