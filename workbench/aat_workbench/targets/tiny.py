"""``builtin:tiny``: the shipped deterministic victim, with texts and synonyms of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aat_datasets.errors import UnknownNameError
from aat_datasets.records import Example
from aat_models.attacks import tiny
from aat_workbench.targets.base import Target

__all__ = ["TinyTarget"]


class TinyTarget(Target):
    """The victim of :mod:`aat_models.attacks.tiny`."""

    attributions = ("evidence",)

    def __init__(self, name: str, attacks: Path) -> None:
        self._tiny = tiny.TinyVictim()
        super().__init__(name, name, attacks, self._tiny)

    @property
    def surface_name(self) -> str:
        return "tiny"

    def own_examples(self, split: str, limit: int, seed: int) -> list[Example] | None:
        if split not in ("dev", "test"):
            raise UnknownNameError(f"split of {self.name}", split, ("dev", "test"))
        return tiny.examples(split, limit, seed)

    @property
    def own_synonyms(self) -> tuple[Callable[[str], tuple[str, ...]], str] | None:
        return tiny.synonyms, "tiny"

    def attribute(self, text: str, method: str = "") -> tuple[list[str], list[float]]:
        return self._tiny.attribute(text)
