"""A terminal workbench for adaptive adversarial training of text models.

The same verbs as the command's, typed; importing this loads no torch until a verb needs it::

    import aat_workbench as aat

    for event in aat.train(aat.configure({"run": "mine", "adversary.name": "aat"})):
        ...
    model = aat.load("mine")
    for result in aat.attack(model, aat.load_dataset("support").examples("test", limit=100)):
        ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aat_workbench.api import (
        Config,
        attack,
        attribute,
        configure,
        evaluate,
        generate,
        load,
        load_dataset,
        load_language_model,
        surface_of,
        train,
    )

__version__ = "0.1.0"

__all__ = [
    "Config",
    "attack",
    "attribute",
    "configure",
    "evaluate",
    "generate",
    "load",
    "load_dataset",
    "load_language_model",
    "surface_of",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from aat_workbench import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
