"""Attacks on the fixed-length vector, for models that answer with a text.

What a decoder writes depends on the text through the vector alone, so the search needs no decoder: it ascends the cosine
distance ``1 − cos(z', z)`` through the encoder. At the text itself that distance is flat, so every search starts beside it:
on words at a random change of the text, in a ball at a random point, as VAT does (Miyato et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries import threat
from aat_models.adversaries.base import Batch
from aat_models.adversaries.proposals import gains, positions, propose
from aat_models.config import AdversaryConfig
from aat_models.embeddings import StepVectors
from aat_models.text_model import Dropout, TextModel

__all__ = ["Scene", "move", "relative_shift", "worst_words"]


class Scene(NamedTuple):
    """What a search is given.

    ``candidates`` ``(B, T, S)`` are the substitutes of the batch's words, 0 where there is none; ``vectors`` hold both;
    ``clean`` ``(B, Z)`` is the vector of the unchanged texts under the draw ``dropout``; random numbers come from
    ``generator``, or from torch's own where it is None.
    """

    model: TextModel
    batch: Batch
    candidates: Tensor
    vectors: StepVectors
    clean: Tensor
    dropout: Dropout | None
    generator: torch.Generator | None = None


def relative_shift(moved: Tensor, clean: Tensor) -> Tensor:
    """``‖z' − z‖² / ‖z‖²``, the mean over texts; vectors ``(B, Z)``."""
    return ((moved - clean).square().sum(-1) / clean.square().sum(-1).clamp_min(1e-12)).mean()


def climbed(scene: Scene, embedded: Tensor) -> Tensor:
    """The gradient of each text's cosine distance by its word vectors, at ``embedded``: both ``(B, T, E)``."""
    here = embedded.detach().requires_grad_()
    vector = scene.model.encode(here, scene.batch.lengths, scene.dropout)
    distance = (1 - F.cosine_similarity(vector, scene.clean, dim=-1)).sum()
    return torch.autograd.grad(distance, here)[0]


# on words: ids (B, T), at most ``budget`` of each text's words changed ---------------------------------------------


def random_words(scene: Scene, budget: float) -> Tensor:
    """Random substitutes at random places: the control, and where the search starts."""
    drawn = torch.rand(scene.candidates.shape, generator=scene.generator, device="cpu").to(scene.candidates.device)
    scores = drawn.masked_fill(scene.candidates == 0, -torch.inf)
    return _propose(scene, scores, budget)


def worst_words(scene: Scene, budget: float) -> Tensor:
    """The substitutes whose first-order gain in distance is largest, ranked at a random change of the text."""
    gradient = climbed(scene, scene.vectors(random_words(scene, budget)))
    return _propose(scene, gains(scene.vectors, scene.batch.ids, scene.candidates, gradient), budget)


def _propose(scene: Scene, scores: Tensor, budget: float) -> Tensor:
    rho = torch.full((len(scene.clean),), budget, device=scores.device)
    return propose(scene.candidates, scene.batch.ids, scores, positions(scores, scene.batch.lengths, rho))


# in a ball: shifts of the word vectors (B, T, E), of length ``epsilon`` times the text's norm at most --------------


def noise(scene: Scene, epsilon: float) -> Tensor:
    """A random direction, at full length."""
    still = scene.vectors(scene.batch.ids).detach()
    there = (scene.batch.ids > 0)[..., None]
    return threat.ascend(torch.randn_like(still) * there, epsilon * threat.norm(still))


def ball(scene: Scene, epsilon: float, steps: int) -> Tensor:
    """Projected ascent in ``steps`` steps of 1.5 times the radius over their number."""
    still = scene.vectors(scene.batch.ids).detach()
    radius = epsilon * threat.norm(still)
    shift = threat.random_start(still, radius)
    for _ in range(steps):
        shift = threat.project(shift + threat.ascend(climbed(scene, still + shift), 1.5 * radius / steps), radius)
    return shift


# by the method's name ----------------------------------------------------------------------------------------------


def on(words: Callable[[Scene, float], Tensor]) -> Callable[[Scene, AdversaryConfig], Tensor]:
    return lambda scene, config: scene.vectors(words(scene, config.budget))


def within(shift: Callable[[Scene, AdversaryConfig], Tensor]) -> Callable[[Scene, AdversaryConfig], Tensor]:
    return lambda scene, config: scene.vectors(scene.batch.ids) + shift(scene, config)


_one_step = within(lambda scene, config: ball(scene, config.epsilon, 1))
_steps = within(lambda scene, config: ball(scene, config.epsilon, config.steps))

# Whatever is not named here is a method on words.
_MOVES: dict[str, Callable[[Scene, AdversaryConfig], Tensor]] = {
    "random": on(random_words),
    "noise": within(lambda scene, config: noise(scene, config.epsilon)),
    "fgm": _one_step,
    "vat": _one_step,
    "free": _one_step,
    "pgd": _steps,
    "freelb": _steps,
    "smart": _steps,
    "trades": _steps,
}


def move(scene: Scene, config: AdversaryConfig) -> Tensor:
    """The perturbed word vectors ``(B, T, E)`` the method named in the config trains a decoder on; gradients reach the words."""
    return _MOVES.get(config.name, on(worst_words))(scene, config)
