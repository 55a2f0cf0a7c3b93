"""What an attack wants: how near a prediction is to it, and when it is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aat_datasets.errors import InputError, UnknownNameError
from aat_datasets.records import Example
from aat_models.attacks.victim import FloatArray
from aat_models.events import Written

__all__ = ["Aim", "Goal", "InputReduction", "Targeted", "Untargeted", "find_goal"]


class Aim(Protocol):
    """What is wanted of any example; :meth:`about` makes the goal of one."""

    @property
    def name(self) -> str: ...

    def check(self, classes: int) -> None:
        """Raises InputError where a victim of so many classes cannot be attacked with this goal."""
        ...

    def about(self, example: Example, answer: FloatArray) -> Goal:
        """The goal for an example, given the victim's answer (C,) to its unedited text."""
        ...


class Goal(Protocol):
    """The functions take a victim's answers (K, C), probabilities where it classifies, and the true class."""

    def score(self, probabilities: FloatArray, label: int) -> FloatArray:
        """How near each row is to the goal, (K,): larger is nearer."""
        ...

    def reached(self, probabilities: FloatArray, label: int, words: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each row is there, (K,); ``words`` (K,) counts the words left in each text."""
        ...

    def pointless(self, probabilities: FloatArray, label: int) -> bool:
        """Whether the unedited text, of probabilities (C,), is not worth attacking."""
        ...

    def loss(self, label: int) -> tuple[int, float]:
        """A class and a sign: sign × the cross-entropy of that class rises toward the goal."""
        ...

    def told(self, probabilities: FloatArray) -> FloatArray:
        """What is recorded of an answer (C,): class probabilities."""
        ...

    def written(self, before: FloatArray, after: FloatArray) -> Written | None:
        """What is recorded beside of a victim that writes, from its answers (C,); None of one that classifies."""
        ...


class OfClasses:
    """What goals of classification share: they are the same for every example."""

    def told(self, probabilities: FloatArray) -> FloatArray:
        return probabilities

    def written(self, before: FloatArray, after: FloatArray) -> Written | None:
        return None


class Untargeted(OfClasses):
    """Any class but the true one. Nearness is 1 − p(true class)."""

    name = "untargeted"

    def score(self, probabilities: FloatArray, label: int) -> FloatArray:
        return 1.0 - probabilities[:, label]

    def reached(self, probabilities: FloatArray, label: int, words: NDArray[Any]) -> NDArray[np.bool_]:
        return probabilities.argmax(axis=1) != label

    def pointless(self, probabilities: FloatArray, label: int) -> bool:
        return int(probabilities.argmax()) != label

    def loss(self, label: int) -> tuple[int, float]:
        return label, 1.0

    def check(self, classes: int) -> None:
        pass

    def about(self, example: Example, answer: FloatArray) -> Goal:
        return self


@dataclass(frozen=True)
class Targeted(OfClasses):
    """One class. Nearness is its probability; texts of that class, or predicted as it, are skipped."""

    target: int
    name: str = "targeted"

    def score(self, probabilities: FloatArray, label: int) -> FloatArray:
        return probabilities[:, self.target]

    def reached(self, probabilities: FloatArray, label: int, words: NDArray[Any]) -> NDArray[np.bool_]:
        return probabilities.argmax(axis=1) == self.target

    def pointless(self, probabilities: FloatArray, label: int) -> bool:
        return label == self.target or int(probabilities.argmax()) == self.target

    def loss(self, label: int) -> tuple[int, float]:
        return self.target, -1.0

    def check(self, classes: int) -> None:
        if not 0 <= self.target < classes:
            raise InputError(f"goal: the model has no class {self.target}", f"it has {classes}, counted from 0")

    def about(self, example: Example, answer: FloatArray) -> Goal:
        return self


@dataclass(frozen=True)
class InputReduction(OfClasses):
    """The same prediction with as few words as possible, ``words`` of them at the end. Nearness is p(true class)."""

    words: int = 1
    name: str = "input reduction"

    def score(self, probabilities: FloatArray, label: int) -> FloatArray:
        return probabilities[:, label]

    def reached(self, probabilities: FloatArray, label: int, words: NDArray[Any]) -> NDArray[np.bool_]:
        return (words <= self.words) & (probabilities.argmax(axis=1) == label)

    def pointless(self, probabilities: FloatArray, label: int) -> bool:
        return int(probabilities.argmax()) != label

    def loss(self, label: int) -> tuple[int, float]:
        return label, -1.0

    def check(self, classes: int) -> None:
        pass

    def about(self, example: Example, answer: FloatArray) -> Goal:
        return self


def find_goal(name: str, labels: Sequence[str]) -> Untargeted | Targeted:
    """``untargeted`` or ``targeted:LABEL``. Raises UnknownNameError."""
    kind, colon, label = name.partition(":")
    if name == "untargeted":
        return Untargeted()
    if kind == "targeted" and colon:
        if label not in labels:
            raise UnknownNameError("label", label, labels)
        return Targeted(list(labels).index(label))
    raise UnknownNameError("goal", name, ("untargeted", "targeted:LABEL"))
