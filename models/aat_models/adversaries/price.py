"""The price of robustness in clean loss, stated openly: a constraint, held by dual ascent on its multiplier."""

from __future__ import annotations

from aat_models.config import AdversaryConfig

__all__ = ["Price"]


class Price:
    """β = ``adversary.beta`` / (1 + λ), λ ← max(0, λ + ``dual_rate`` · (dev loss − ``reference`` − ``tolerance``)).

    The subgradient step on the Lagrangian of "clean loss on dev at most reference + tolerance" (as in constrained
    learning, Chamon & Ribeiro 2020). Losses in nats a text; without a reference, β stays.
    """

    def __init__(self, config: AdversaryConfig) -> None:
        self.config = config
        self.multiplier = 0.0

    @property
    def beta(self) -> float:
        return self.config.beta / (1 + self.multiplier)

    def pay(self, loss: float) -> None:
        """A new clean loss on dev."""
        if self.config.reference:
            over = loss - self.config.reference - self.config.tolerance
            self.multiplier = max(0.0, self.multiplier + self.config.dual_rate * over)
