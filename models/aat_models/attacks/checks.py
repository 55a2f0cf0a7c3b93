"""What an attack is given to judge its edits by, beside what its recipe brings: a sentence encoder, further constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aat_datasets.errors import InputError, VictimError

if TYPE_CHECKING:
    from aat_models.attacks.constraints import Constraint
    from aat_models.attacks.recipes.base import Recipe

__all__ = ["NO_CHECKS", "Checks", "SentenceEncoder"]


@dataclass(frozen=True)
class SentenceEncoder:
    """How near two texts are in meaning, by a function of texts.

    Attributes:
        encode: texts → vectors (N, E).
        least: the cosine a recipe that checks meaning is to keep; None: the recipe's own.
    """

    encode: Callable[[list[str]], Any]
    least: float | None = None

    def cosines(self, text: str, others: Sequence[str]) -> NDArray[np.float64]:
        """The cosine of the text's vector with each other's, (K,); 0 where a vector is zero. Raises VictimError.

        All are encoded in one call, so that the answer does not depend on which texts were asked about before.
        """
        texts = [text, *others]
        try:
            rows = np.asarray(self.encode(texts), np.float64)
        except (TypeError, ValueError):
            rows = np.zeros(0)
        if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
            raise VictimError(
                f"the sentence encoder answered {len(texts)} texts with an array of shape {rows.shape}",
                "return one vector of finite numbers for each text",
            )
        norms = np.linalg.norm(rows, axis=1)
        scale = norms[1:] * norms[0]
        return np.divide(rows[1:] @ rows[0], scale, out=np.zeros(len(others)), where=scale > 0)


@dataclass(frozen=True)
class Checks:
    """The encoder and the constraints of one attack.

    Attributes:
        encoder: measures every result's similarity; recipes that check meaning use it for that.
        constraints: what substitutes must meet too, each in the original text, whatever else is edited.
    """

    encoder: SentenceEncoder | None = None
    constraints: tuple[Constraint, ...] = ()

    def fit(self, recipe: Recipe) -> None:
        """Raises InputError where the recipe lacks something, or there is nothing for the checks to check."""
        checked = "sentence encoder" in recipe.needs
        if checked and self.encoder is None:
            raise InputError(
                f"the recipe {recipe.name} needs a sentence encoder",
                "name one with --similarity (py:module:function, or st:PATH with pip install "
                '"aat-workbench[similarity]"), or take the recipe without it, ' + recipe.name + "-cf",
            )
        if self.encoder is not None and self.encoder.least is not None:
            if not checked:
                raise InputError(
                    f"the recipe {recipe.name} has no check of similarity that could be set",
                    "without a number, similarity is measured and nothing else",
                )
            if not -1 <= self.encoder.least <= 1:
                raise InputError(f"similarity: expected a cosine from -1 to 1, got {self.encoder.least}")
        if self.constraints and not (recipe.words or "surface" in recipe.needs):
            raise InputError(
                f"the recipe {recipe.name} makes edits of its own: it has no substitutes to check",
                "take one on the surface, such as greedy",
            )


NO_CHECKS = Checks()
