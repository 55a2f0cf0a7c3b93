"""Whether a recipe has anything to offer in the language of the texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aat_datasets.chinese import has_han
from aat_datasets.errors import InputError
from aat_models.attacks.recipes.base import Recipe

__all__ = ["check_language"]


def check_language(recipe: Recipe, texts: Iterable[Sequence[str]]) -> list[str]:
    """What a recipe leaves out in Chinese texts, each given as its words; empty for texts in another language.

    Raises InputError where its substitutes are English and it has nothing else: every text would pass for robust.
    """
    words = [word for text in texts for word in text if any(map(str.isalnum, word))]
    chinese = {word for word in words if has_han(word)}
    if recipe.words is None or 2 * sum(word in chinese for word in words) <= len(words):
        return []
    substitutes = recipe.words()
    told: list[str] = []
    if not any(substitutes(word) for word in chinese):
        if not recipe.spells:
            raise InputError(
                f"the recipe {recipe.name} does not apply to Chinese texts: it has no synonym for any of their words",
                "take deepwordbug, pruthi, or one on the surface, such as greedy; pwws needs the Chinese WordNet of AAT_MIRROR",
            )
        told.append(f"{recipe.name}: its synonyms are English; Chinese words have its character edits alone")
    if "parts of speech" in recipe.wants:
        told.append(f"{recipe.name}: parts of speech are not checked in Chinese")
    return told
