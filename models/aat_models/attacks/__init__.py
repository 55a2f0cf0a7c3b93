"""Attacks that search for a model's failures: goal, transform, constraint, search, put together in recipes.

A victim is anything that gives class probabilities (``victim``), or writes (``aat_models.writing_victim``). Nothing here
knows encoders, training or torch.

>>> from aat_models.attacks import attack, find, tiny
>>> results = attack(tiny.TinyVictim(), tiny.examples(limit=5), find("greedy"), surface=tiny.synonyms)
>>> sorted(result.status for result in results)
['skipped', 'success', 'success', 'success', 'success']
"""

from __future__ import annotations

from aat_models.attacks import tiny
from aat_models.attacks.calibration import calibrate
from aat_models.attacks.checks import Checks, SentenceEncoder
from aat_models.attacks.goals import Aim, Goal, InputReduction, Targeted, Untargeted, find_goal
from aat_models.attacks.languages import check_language
from aat_models.attacks.recipes import RECIPES, Recipe, find, register
from aat_models.attacks.scheduler import Attack, Statistics, attack
from aat_models.attacks.transforms import Surface, combine
from aat_models.attacks.victim import TextVictim, Victim, WhiteBox

__all__ = [
    "RECIPES",
    "Aim",
    "Attack",
    "Checks",
    "Goal",
    "InputReduction",
    "Recipe",
    "SentenceEncoder",
    "Statistics",
    "Surface",
    "Targeted",
    "TextVictim",
    "Untargeted",
    "Victim",
    "WhiteBox",
    "attack",
    "calibrate",
    "check_language",
    "combine",
    "find",
    "find_goal",
    "register",
    "tiny",
]
