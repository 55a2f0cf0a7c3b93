"""Attack recipes: each a short declaration of goal, transform, constraint and search, in a file of its own.

A new recipe is one file here and one line in ``RECIPES``. One of the user's own is named ``py:module:RECIPE``, and by
its own name from then on.
"""

from __future__ import annotations

import re

from aat_datasets.errors import InputError, UnknownNameError
from aat_models.attacks.recipes.a2t import A2T
from aat_models.attacks.recipes.base import Recipe
from aat_models.attacks.recipes.beam import BEAM
from aat_models.attacks.recipes.character_noise import CHARACTER_NOISE
from aat_models.attacks.recipes.checklist import CHECKLIST
from aat_models.attacks.recipes.deepwordbug import DEEPWORDBUG
from aat_models.attacks.recipes.exhaustive import EXHAUSTIVE
from aat_models.attacks.recipes.genetic import GENETIC
from aat_models.attacks.recipes.greedy import GREEDY
from aat_models.attacks.recipes.greedy_importance import GREEDY_DELETE, GREEDY_GRADIENT, GREEDY_UNK, GREEDY_WEIGHTED
from aat_models.attacks.recipes.hotflip import HOTFLIP
from aat_models.attacks.recipes.input_reduction import INPUT_REDUCTION
from aat_models.attacks.recipes.pruthi import PRUTHI, PRUTHI_2
from aat_models.attacks.recipes.pwws import PWWS
from aat_models.attacks.recipes.random_substitution import RANDOM
from aat_models.attacks.recipes.seq2sick import SEQ2SICK
from aat_models.attacks.recipes.surface import SURFACE
from aat_models.attacks.recipes.textbugger import TEXTBUGGER
from aat_models.attacks.recipes.textfooler import TEXTFOOLER, TEXTFOOLER_CF
from aat_models.own_code import imported, is_own

__all__ = ["RECIPES", "Recipe", "find", "register"]

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        GREEDY,
        SURFACE,
        BEAM,
        GENETIC,
        EXHAUSTIVE,
        RANDOM,
        GREEDY_DELETE,
        GREEDY_UNK,
        GREEDY_WEIGHTED,
        GREEDY_GRADIENT,
        HOTFLIP,
        A2T,
        DEEPWORDBUG,
        PRUTHI,
        PRUTHI_2,
        TEXTBUGGER,
        PWWS,
        TEXTFOOLER,
        TEXTFOOLER_CF,
        INPUT_REDUCTION,
        CHECKLIST,
        SEQ2SICK,
        CHARACTER_NOISE,
    )
}


def find(name: str) -> Recipe:
    """The recipe of that name. Raises UnknownNameError with the nearest ones, InputError as ``register``."""
    if is_own(name):
        found = imported(name, "recipe")
        register(found, name)
        return found
    try:
        return RECIPES[name]
    except KeyError:
        raise UnknownNameError("recipe", name, RECIPES) from None


def register(recipe: Recipe, origin: str = "") -> None:
    """Have ``find`` know a recipe by its own name, in this process.

    Raises InputError for what is no recipe, and for a name that cannot be a folder's or is another recipe's: results are
    kept under it.
    """
    if not isinstance(recipe, Recipe):
        raise InputError(f"{origin or type(recipe).__name__} is no recipe", "it must be an aat_models.attacks.Recipe")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", recipe.name):
        raise InputError(f"{recipe.name!r} cannot name a recipe", "small letters, digits and - can")
    if RECIPES.setdefault(recipe.name, recipe) is not recipe:
        raise InputError(f"there is a recipe {recipe.name} already", "give yours another name")
