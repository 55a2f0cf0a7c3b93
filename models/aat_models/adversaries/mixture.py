"""Which adversary family a step meets: drawn by Hedge or evenly, or all of them at once."""

from __future__ import annotations

import torch
from torch import Tensor

from aat_models.config import AdversaryConfig

__all__ = ["Mixture"]


class Mixture:
    """Weights ``(F,)`` over the families, by ``adversary.mixing``.

    ``hedge`` (Freund & Schapire 1997) draws one family a step, those oftener that fool the model oftener; ``uniform`` draws
    one evenly; ``average`` and ``max`` (Tramèr & Boneh 2019) meet all of them in every step and train on the mean loss, or
    on each example's largest.
    """

    EVERY = 50  # steps between two updates of the weights
    RATE = 2.0  # of those updates
    UNIFORM = 0.1  # share of the draws that stay uniform, so that no family is forgotten

    def __init__(self, config: AdversaryConfig, device: torch.device | None = None) -> None:
        self.names: list[str] = list(config.families)
        self.mixing = config.mixing
        count = len(self.names)
        self.weights = torch.full((count,), 1 / count, device=device)
        self.tally = torch.zeros(2, count, device=device)  # fooled, seen: since the last update
        self.fresh = torch.zeros_like(self.tally)  # this process's own part of it, not yet told to others

    @property
    def passes(self) -> int:
        """Perturbed passes a step makes."""
        return len(self.names) if self.mixing in ("average", "max") else 1

    def draw(self) -> list[int]:
        """The families of the next step."""
        if self.passes > 1:
            return list(range(len(self.names)))
        return [int(torch.multinomial(self.weights, 1))]

    def combine(self, losses: Tensor) -> Tensor:
        """Losses ``(families drawn, B)`` → the one to train on."""
        return losses.amax(0).mean() if self.mixing == "max" else losses.mean()

    def count(self, which: int, fooled: Tensor) -> None:
        """One step of a family: how many of the batch it fooled."""
        self.fresh[0, which] += fooled.sum()
        self.fresh[1, which] += len(fooled)

    def counted(self) -> Tensor:
        """What the families fooled, and met, since the last update, ``(2, F)``."""
        return self.tally + self.fresh

    def settle(self, fresh: Tensor) -> None:
        """Takes into the tally what all processes counted, ``(2, F)``."""
        self.tally += fresh
        self.fresh.zero_()

    def rates(self) -> Tensor:
        """Rates of success in training since the last update ``(F,)``.

        A family not drawn since is taken to be as strong as the mean of the others.
        """
        fooled, met = self.counted()
        seen = met > 0
        rate = fooled / met.clamp_min(1)
        return torch.where(seen, rate, rate[seen].mean())

    def update(self, rates: Tensor) -> None:
        """Moves the weights toward the families of high rates ``(F,)``, and forgets the tally."""
        if self.mixing == "hedge":
            weights = torch.softmax(self.weights.log() + self.RATE * rates, 0)
            self.weights = (1 - self.UNIFORM) * weights + self.UNIFORM / len(weights)
        self.tally.zero_()
        self.fresh.zero_()

    def curves(self) -> dict[str, Tensor]:
        return {f"weight_{name}": self.weights[k] for k, name in enumerate(self.names)}
