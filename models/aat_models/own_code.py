"""Code of the user's own by name: ``py:module:name``, looked for in the current folder too.

Where an adversary, an encoder or a recipe is named, such a name stands for one that is not part of the package.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Any

from aat_datasets.errors import InputError, UnknownNameError

__all__ = ["imported", "is_own"]

_FORM = re.compile(r"py:[^\W\d][\w.]*:[^\W\d]\w*")


def is_own(name: str) -> bool:
    """Whether a name is one of the user's own code."""
    return _FORM.fullmatch(name) is not None


def imported(name: str, kind: str, fails: type[InputError] = InputError) -> Any:
    """What ``py:module:name`` names; ``kind`` is what it should be, in a word, for the errors.

    Raises UnknownNameError for a name the module has not, and ``fails`` for a name of another form or a module that cannot
    be imported.
    """
    if not is_own(name):
        raise fails(f"{name}: expected py:module:name", f"for example py:my_{kind.replace(' ', '_')}:mine")
    _, module_name, attribute = name.split(":")
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if here not in sys.path:
        sys.path.insert(0, here)  # a console script, unlike `python -m`, does not look in the current folder
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # importing runs the user's code
        raise fails(
            f"cannot import {module_name}: {type(error).__name__}: {error}", "run from the folder that holds it"
        ) from error
    if not hasattr(module, attribute):
        raise UnknownNameError(f"{kind} in {module_name}", attribute, [n for n in dir(module) if n[0] != "_"])
    return getattr(module, attribute)
