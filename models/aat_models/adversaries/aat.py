"""Hedged-hull adaptive adversarial training: one shared gradient, three families, a radius per example.

The clean backward pass yields, for nothing, the gradient by every word vector; it ranks every substitute of every word
to first order, whatever the family. Each training example carries its own radius ``rho``: the share of its words the
adversary may change. The radius tracks, by Robbins-Monro steps, the size at which attacks succeed with rate ``q``, under a
floor that rises to the budget, so that easy examples are not let off. Which family a step draws follows Hedge (Freund &
Schapire 1997): the more often a family fools the model, the more often it is drawn.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aat_models.adversaries.base import Batch, Clean, Setting, clean_pass, consistency
from aat_models.adversaries.hull import corners
from aat_models.adversaries.proposals import gains, positions, propose
from aat_models.adversaries.surface import SYNONYMS
from aat_models.embeddings import StepVectors
from aat_models.text_model import TextModel

__all__ = ["AdaptiveAdversary"]


class AdaptiveAdversary:
    """See the module. Families: ``word`` (synonyms), ``char`` (character variants), ``hull`` (weighted means of synonyms)."""

    cost = 6.0
    replays = 1
    EVERY = 50  # steps between two updates of the families' weights
    RATE = 2.0  # of those updates
    UNIFORM = 0.1  # share of the draws that stay uniform, so that no family is forgotten

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.surface = setting.surface
        self.offsets = setting.offsets
        self.rho = torch.full((len(setting.offsets) - 1,), self.config.rho_start)
        self.cache = torch.zeros(int(setting.offsets[-1]), dtype=torch.int32)
        families = len(self.config.families)
        self.weights = torch.full((families,), 1 / families)
        self.tally = torch.zeros(2, families)  # fooled, seen: since the last update
        self.steps = 0

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        config = self.config
        which = int(torch.multinomial(self.weights, 1))
        family = config.families[which]
        candidates = self.surface.of(batch.ids)[..., columns(family)]  # (B, T, S)
        clean = clean_pass(model, batch, candidates)
        rho = self.radius(batch.rows, progress)
        gain = gains(clean.vectors, batch.ids, candidates, clean.gradient)
        chosen = positions(gain, batch.lengths, rho)
        if family == "hull":
            embedded = self.hull(batch, clean, candidates, gain, chosen)
        else:
            ids = propose(candidates, batch.ids, gain, chosen)
            embedded = clean.vectors(self.recall(batch, ids, candidates) if config.cache else ids)
        embedded.retain_grad()
        logits = model.classify(embedded, batch.lengths, clean.dropout)
        loss, entropy = consistency(clean.logits, logits, batch.labels, config.mu)
        total = config.beta * loss
        if config.gamma and family != "char":
            total = total + config.gamma * self.pull(clean.vectors, batch.ids)
        total.backward()
        fooled = logits.detach().argmax(-1) != batch.labels
        self.track(batch.rows, fooled, progress)
        self.weigh(which, fooled)
        if config.cache and family != "hull":
            assert embedded.grad is not None
            self.remember(batch, clean.vectors, candidates, embedded.grad, rho)
        clean.vectors.backward()
        return {"loss": clean.loss, "loss_adv": entropy.detach(), "fooled": fooled.float().mean(), **self.curves()}

    # the families -----------------------------------------------------------------------------------------------

    def weigh(self, which: int, fooled: Tensor) -> None:
        """Counts one step of a family; now and then moves the weights toward the families that fool the model."""
        self.tally[:, which] += torch.tensor([float(fooled.sum()), float(len(fooled))])
        self.steps += 1
        if not self.config.hedge or self.steps % self.EVERY:
            return
        rate = self.tally[0] / self.tally[1].clamp_min(1)
        # A family not drawn since the last update is taken to be as strong as the mean of the others.
        rate = torch.where(self.tally[1] > 0, rate, rate[self.tally[1] > 0].mean())
        weights = torch.softmax(self.weights.log() + self.RATE * rate, 0)
        self.weights = (1 - self.UNIFORM) * weights + self.UNIFORM / len(weights)
        self.tally.zero_()

    # the radius -------------------------------------------------------------------------------------------------

    def floor(self, progress: float) -> float:
        """The smallest radius: none at first, the budget at the end."""
        return min(self.config.budget * progress, self.config.rho_max) if self.config.rho_floor else 0.0

    def radius(self, index: Tensor, progress: float) -> Tensor:
        """The share of words that may change, ``(B,)``."""
        if not self.config.adaptive:
            return torch.full((len(index),), self.config.budget)
        return self.rho[index].clamp(self.floor(progress), self.config.rho_max)

    def track(self, index: Tensor, fooled: Tensor, progress: float) -> None:
        """Robbins-Monro on the rate of success: smaller where the attack succeeded, larger where it failed."""
        config = self.config
        moved = self.rho[index] + config.eta * (config.success - fooled.float())
        self.rho[index] = moved.clamp(self.floor(progress), config.rho_max)

    def curves(self) -> dict[str, float | Tensor]:
        low, high = torch.quantile(self.rho[:: max(1, len(self.rho) // 4096)], torch.tensor([0.1, 0.9]))
        weights = {f"weight_{name}": self.weights[k] for k, name in enumerate(self.config.families)}
        return {"rho_mean": self.rho.mean(), "rho_p10": low, "rho_p90": high, **weights}

    # the hull ---------------------------------------------------------------------------------------------------

    def hull(self, batch: Batch, clean: Clean, candidates: Tensor, gain: Tensor, chosen: Tensor) -> Tensor:
        """Vectors ``(B, T, E)`` with the chosen words moved inside their hulls, toward the corners of largest gain."""
        place = chosen.nonzero(as_tuple=True)
        spanned = corners(batch.ids[place], candidates[place])  # (K, 1 + S)
        there = spanned > 0
        risen = torch.cat([torch.zeros(len(spanned), 1), gain[place]], dim=-1)  # staying gains nothing
        spread = risen.masked_fill(~there, 0.0).abs().amax(-1, keepdim=True).clamp_min(1e-12)
        gumbel = -torch.empty_like(risen).exponential_().log()
        logits = risen / spread / self.config.temperature + gumbel
        weights = logits.masked_fill(~there, -torch.inf).softmax(-1)
        mixed = torch.einsum("ks,kse->ke", weights, clean.vectors(spanned))
        return clean.vectors(batch.ids).index_put(place, mixed)

    def pull(self, vectors: StepVectors, ids: Tensor) -> Tensor:
        """Mean squared distance between the batch's words and their synonyms: what shrinks the hulls."""
        words, near = self.surface.pairs(ids)
        if not len(words):
            return torch.zeros(())
        return (vectors(words) - vectors(near)).square().sum(-1).mean()

    # memory of the last proposal --------------------------------------------------------------------------------

    def recall(self, batch: Batch, ids: Tensor, candidates: Tensor) -> Tensor:
        """Half of the rows take what was proposed for them last time, where that was of the same family."""
        flat, inside = self.flat(batch)
        last = torch.zeros_like(ids)
        last[inside] = self.cache[flat].long()
        fits = ((last == batch.ids) | (last[..., None] == candidates).any(-1)).all(-1) & (last[:, 0] > 0)
        return torch.where((fits & (torch.rand(len(ids)) < 0.5))[:, None], last, ids)

    def remember(self, batch: Batch, vectors: StepVectors, candidates: Tensor, gradient: Tensor, rho: Tensor) -> None:
        """Store what the adversarial pass's own gradient proposes, for the example's next turn."""
        gain = gains(vectors, batch.ids, candidates, gradient)
        ids = propose(candidates, batch.ids, gain, positions(gain, batch.lengths, rho))
        flat, inside = self.flat(batch)
        self.cache[flat] = ids[inside].int()

    def flat(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Where the batch's words lie in the flat training array, and which cells of ``(B, T)`` are words."""
        steps = torch.arange(batch.ids.shape[1])
        inside = steps[None] < batch.lengths[:, None]
        return (self.offsets[batch.rows][:, None] + steps[None])[inside], inside

    # checkpoint -------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {"rho": self.rho, "cache": self.cache, "weights": self.weights, "tally": self.tally}, {
            "steps": self.steps
        }

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        self.rho, self.cache = tensors["rho"], tensors["cache"]
        self.weights, self.tally = tensors["weights"], tensors["tally"]
        self.steps = values["steps"]


def columns(family: str) -> slice:
    """The surface's columns a family draws from."""
    return slice(SYNONYMS, None) if family == "char" else slice(0, SYNONYMS)
