"""A radius for each training example: the share of its words an adversary may change, tracking where attacks succeed.

Robbins-Monro (1951) steps on the rate of success, under a floor that rises to the evaluation's budget: early stopping
alone (Zhang et al. 2020, friendly adversarial training) lets off the examples the adversary always wins.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aat_models.config import AdversaryConfig

__all__ = ["Radii"]


class Radii:
    """``rho`` ``(N,)``, one of every training example; ``adversary.adaptive = false`` holds them all at the budget."""

    def __init__(self, config: AdversaryConfig, examples: int, device: torch.device | None = None) -> None:
        self.config = config
        self.rho = torch.full((examples,), config.rho_start, device=device)

    def floor(self, progress: float) -> float:
        """The smallest radius: none at first, the budget at the end."""
        return min(self.config.budget * progress, self.config.rho_max) if self.config.rho_floor else 0.0

    def of(self, rows: Tensor, progress: float) -> Tensor:
        """The share of words that may change of the examples ``rows`` ``(B,)`` → ``(B,)``."""
        if not self.config.adaptive:
            return torch.full((len(rows),), self.config.budget, device=rows.device)
        return self.rho[rows].clamp(self.floor(progress), self.config.rho_max)

    def track(self, rows: Tensor, fooled: Tensor, progress: float) -> None:
        """Smaller where the attack succeeded, larger where it failed, so that it succeeds at the rate ``success``."""
        config = self.config
        moved = self.rho[rows] + config.eta * (config.success - fooled.float())
        self.rho[rows] = moved.clamp(self.floor(progress), config.rho_max)

    def curves(self) -> dict[str, Tensor]:
        """Mean, 10 % and 90 % quantile; nothing where all are the budget."""
        if not self.config.adaptive:
            return {}
        sample = self.rho[:: max(1, len(self.rho) // 4096)]
        low, high = torch.quantile(sample, torch.tensor([0.1, 0.9], device=sample.device))
        return {"rho_mean": self.rho.mean(), "rho_p10": low, "rho_p90": high}
