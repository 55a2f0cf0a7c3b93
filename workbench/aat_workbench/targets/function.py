"""``py:module:function``: a function of the user's own as a victim."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from aat_datasets.errors import AatError, InputError, UnknownNameError, VictimError
from aat_models.attacks import TextVictim, Victim
from aat_models.attacks.victim import checked
from aat_models.own_code import imported

__all__ = ["function_victim", "guarded", "import_function"]


def function_victim(name: str) -> Victim:
    """The victim behind ``py:module:function``; the number of classes is what the function answers for one text."""
    _, _, rest = name.partition(":")
    module_name, _, function_name = rest.partition(":")
    if not module_name or not function_name:
        raise InputError(f"{name}: expected py:module:function", "for example py:my_model:predict")
    call = guarded(name, import_function(module_name, function_name))
    classes = checked(call(["text"]), 1, 0).shape[1]
    return TextVictim([str(number) for number in range(classes)], call)


def guarded(name: str, function: Callable[[list[str]], Any]) -> Callable[[list[str]], Any]:
    """A user's function that raises VictimError, with what it was, for whatever it raises that is not ours."""

    def call(texts: list[str]) -> Any:
        try:
            return function(texts)
        except AatError:
            raise
        except Exception as error:  # a user's function may raise anything; what it was is what they need to know
            raise VictimError(f"{name} raised {type(error).__name__}: {error}") from error

    return call


def import_function(module_name: str, function_name: str) -> Callable[[list[str]], Any]:
    """A user's function, looked for in the current folder too. Raises VictimError, UnknownNameError."""
    function = imported(f"py:{module_name}:{function_name}", "function", VictimError)
    if not callable(function):
        functions = [name for name, value in vars(sys.modules[module_name]).items() if callable(value)]
        raise UnknownNameError(f"function in {module_name}", function_name, functions)
    return function
