"""Certified accuracy beside accuracy under attack, and the order the two must stand in.

A certificate says that no combination of a closed surface's substitutes, of any number of words, changes a right answer.
So no attack on that surface breaks a certified text, whatever its caps. Where one does, a bound is wrong or the attack
left its surface: no figure of that evaluation can be trusted, and none is given.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aat_datasets.errors import CertificateError
from aat_models.events import AttackResult
from aat_models.statistics import wilson

if TYPE_CHECKING:
    from aat_workbench.attack_texts import AttackTexts, Substitutes
    from aat_workbench.targets import Target

__all__ = ["CERTIFIED", "Certificates", "bracketed", "certificates", "on_the_surface"]

CERTIFIED = ("certified_accuracy", "certified_accuracy_interval")
"""What a row holds of it; None where nothing is certified."""

_BUG = "a wrong bound or an attack that left its surface: please report it; the attacks' results are kept"


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """Which of a target's examples are certified, by row; and the seconds that took."""

    target: str
    certified: Mapping[int, bool]
    seconds: float

    def columns(self) -> dict[str, Any]:
        """What joins the row of each attack on the surface."""
        held, total = sum(self.certified.values()), len(self.certified)
        return dict(zip(CERTIFIED, (round(held / total, 4) if total else 0.0, wilson(held, total)), strict=True))

    def check(self, recipe: str, results: Iterable[AttackResult]) -> None:
        """Raises CertificateError naming the first example that is certified and yet was broken, or wrong to begin with."""
        for result in results:
            if self.certified.get(result.id, False) and result.status in ("success", "skipped"):
                what = "broke" if result.status == "success" else "found wrong"
                changed = ", ".join(f"{edit.source} → {edit.target}" for edit in result.edits) or "no edit"
                raise CertificateError(
                    f"{self.target}: {recipe} {what} example {result.id}, which is certified ({changed}): {result.text[:200]}",
                    _BUG,
                )


def on_the_surface(recipe: str) -> bool:
    """Whether a recipe takes its substitutes from the evaluation's surface and from nowhere else."""
    from aat_models.attacks import find

    found = find(recipe)
    return "surface" in found.needs and found.words is None


def certificates(target: Target, texts: AttackTexts, surface: Substitutes) -> Certificates | None:
    """Bounds every example of a target on the whole surface; None where the target cannot be bounded."""
    began = time.monotonic()
    words = [target.words(example.text) for example in texts.examples]
    labels = [example.label or 0 for example in texts.examples]
    held = target.certify(words, labels, surface)
    if held is None:
        return None
    rows = [example.row for example in texts.examples]
    return Certificates(
        target=target.name, certified=dict(zip(rows, held, strict=True)), seconds=time.monotonic() - began
    )


def bracketed(rows: Iterable[Mapping[str, Any]]) -> None:
    """Raises CertificateError where a row of an evaluation has more certified than under attack."""
    for row in rows:
        certified = row.get("certified_accuracy")
        if certified is not None and certified > row["accuracy_under_attack"]:
            raise CertificateError(
                f"{row['target']}, {row['recipe']}: certified accuracy {certified:.4f} is above accuracy under attack "
                f"{row['accuracy_under_attack']:.4f}",
                _BUG,
            )
