"""Adversarial training over the whole surface: one shared gradient, and a pull between words and their substitutes.

The clean backward pass yields, for nothing, the gradient by every word vector; it ranks every substitute of every word
to first order, whatever the family. What can adapt besides is off by default, as it did not pay where it was measured: a
radius for each example (``radii``), families that follow Hedge (``mixture``), a weight of the adversarial loss that follows
the price in clean loss (``price``), proposals kept from the last visit.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries import threat
from aat_models.adversaries.base import Batch, Setting, clean_pass, consistencies
from aat_models.adversaries.hull import corners, extent
from aat_models.adversaries.mixture import Mixture
from aat_models.adversaries.price import Price
from aat_models.adversaries.proposals import Vectors, gains, positions, propose
from aat_models.adversaries.radii import Radii
from aat_models.adversaries.surface import SYNONYMS
from aat_models.distributed import Group
from aat_models.embeddings import StepVectors
from aat_models.text_model import TextModel

__all__ = ["AdaptiveAdversary", "Ascent"]


class Ascent(NamedTuple):
    """What a perturbation is made from: a batch, its word vectors, and each text's own gradient by them ``(B, T, E)``."""

    batch: Batch
    vectors: Vectors
    gradient: Tensor
    rho: Tensor

    def of(self, rows: Tensor, gradient: Tensor) -> Ascent:
        """The same of some rows, with a gradient taken elsewhere."""
        return Ascent(Batch(*(part[rows] for part in self.batch)), self.vectors, gradient, self.rho[rows])


class AdaptiveAdversary:
    """See the module.

    Families: ``word`` (synonyms), ``char`` (character variants), ``any`` (both, in one text), ``hull`` (weighted means of
    synonyms), ``ball`` (the worst shift of all word vectors, to first order).
    """

    replays = 1

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.surface = setting.surface
        self.offsets = setting.offsets
        self.slice = setting.probe
        self.radii = Radii(self.config, len(setting.offsets) - 1, setting.offsets.device)
        self.mixture = Mixture(self.config, setting.offsets.device)
        self.price = Price(self.config)
        self.cost = 3.0 + 3.0 * self.mixture.passes
        self.cache = torch.zeros(int(setting.offsets[-1]), dtype=torch.int32, device=setting.offsets.device)
        self.errors = torch.zeros_like(self.mixture.weights)  # robust error of each family, at the last probe
        self.steps = 0

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        config = self.config
        if self.steps and self.steps % Mixture.EVERY == 0:
            self.adapt(model)
        self.steps += 1
        drawn = self.mixture.draw()
        names = [self.mixture.names[which] for which in drawn]
        clean = clean_pass(model, batch, *(self.surface.of(batch.ids)[..., columns(name)] for name in names))
        ascent = Ascent(batch, clean.vectors, clean.gradient, self.radii.of(batch.rows, progress))
        losses: list[Tensor] = []
        entropies: list[Tensor] = []
        fooled: list[Tensor] = []
        passes: list[tuple[str, Tensor]] = []
        for which, name in zip(drawn, names, strict=True):
            embedded = self.perturb(name, ascent, recall=config.cache)
            embedded.retain_grad()
            logits = model.classify(embedded, batch.lengths, clean.dropout)
            if progress >= config.second_step < 1:
                logits = self.again(model, name, ascent, embedded, logits, clean.dropout)
            loss, entropy = consistencies(clean.logits, logits, batch.labels, config.mu)
            losses.append(loss)
            entropies.append(entropy.detach().mean())
            fooled.append(logits.detach().argmax(-1) != batch.labels)
            self.mixture.count(which, fooled[-1])
            passes.append((name, embedded))
        total = self.price.beta * self.mixture.combine(torch.stack(losses))
        if config.gamma:
            total = total + self.gamma(progress) * self.pull(clean.vectors, batch.ids, names)
        total.backward()
        worst = torch.stack(fooled).any(0)
        self.radii.track(batch.rows, worst, progress)
        for name, embedded in passes:
            if config.cache and name in ("word", "char", "any") and embedded.grad is not None:
                self.remember(name, ascent._replace(gradient=embedded.grad))
        clean.vectors.backward()
        figures = {"loss": clean.loss, "loss_adv": torch.stack(entropies).mean(), "fooled": worst.float().mean()}
        return {**figures, **self.curves()}

    # the families -----------------------------------------------------------------------------------------------

    def perturb(self, name: str, ascent: Ascent, recall: bool = False) -> Tensor:
        """Vectors ``(B, T, E)`` of the texts as family ``name`` changes them."""
        batch = ascent.batch
        if name == "ball":
            return self.ball(ascent)
        candidates = self.surface.of(batch.ids)[..., columns(name)]  # (B, T, S)
        gain = self.gains(ascent, candidates)
        chosen = positions(gain, batch.lengths, ascent.rho)
        if name == "hull":
            return self.hull(ascent, candidates, gain, chosen)
        ids = propose(candidates, batch.ids, gain, chosen)
        return ascent.vectors(self.recall(batch, ids, candidates) if recall else ids)

    def gains(self, ascent: Ascent, candidates: Tensor) -> Tensor:
        """What each of ``candidates`` ``(B, T, S)`` gains, or, of the control, a number drawn blindly; −inf where none is."""
        if self.config.ranking == "chance":
            return torch.rand_like(candidates, dtype=ascent.gradient.dtype).masked_fill(candidates == 0, -torch.inf)
        return gains(ascent.vectors, ascent.batch.ids, candidates, ascent.gradient)

    def again(
        self, model: TextModel, name: str, ascent: Ascent, embedded: Tensor, logits: Tensor, dropout: Any
    ) -> Tensor:
        """Logits with a second ascent step where the first did not fool the model; the others stay (friendly stop)."""
        rows = (logits.detach().argmax(-1) == ascent.batch.labels).nonzero().flatten()
        if not len(rows):
            return logits
        entropy = F.cross_entropy(logits[rows], ascent.batch.labels[rows], reduction="sum")
        (gradient,) = torch.autograd.grad(entropy, embedded, retain_graph=True)
        further = ascent.of(rows, gradient[rows])
        moved = model.classify(
            self.perturb(name, further), further.batch.lengths, None if dropout is None else dropout.of(rows)
        )
        return logits.index_copy(0, rows, moved)

    def hull(self, ascent: Ascent, candidates: Tensor, gain: Tensor, chosen: Tensor) -> Tensor:
        """The chosen words moved inside their hulls, toward the corners of largest gain, with Gumbel noise."""
        ids = ascent.batch.ids
        place = chosen.nonzero(as_tuple=True)
        spanned = corners(ids[place], candidates[place])  # (K, 1 + S)
        there = spanned > 0
        staying = torch.zeros_like(gain[place][:, :1])  # gains nothing
        risen = torch.cat([staying, gain[place]], dim=-1)
        spread = risen.masked_fill(~there, 0.0).abs().amax(-1, keepdim=True).clamp_min(1e-12)
        gumbel = -torch.empty_like(risen).exponential_().log()
        logits = risen / spread / self.config.temperature + gumbel
        weights = logits.masked_fill(~there, -torch.inf).softmax(-1)
        mixed = torch.einsum("ks,kse->ke", weights, ascent.vectors(spanned))
        return ascent.vectors(ids).index_put(place, mixed)

    def ball(self, ascent: Ascent) -> Tensor:
        """The whole text moved by ``epsilon`` times its norm along its gradient, no word by over twice the mean."""
        still = ascent.vectors(ascent.batch.ids)
        shift = threat.ascend(ascent.gradient, self.config.epsilon * threat.norm(still.detach()))
        length = shift.norm(dim=-1, keepdim=True)  # (B, T, 1)
        cap = 2 * length.sum(1, keepdim=True) / ascent.batch.lengths[:, None, None]
        return still + shift * (cap / length.clamp_min(1e-12)).clamp_max(1.0)

    def gamma(self, progress: float) -> float:
        """The weight of :meth:`pull`: it grows over the first half, or short trainings only learn that all words are alike."""
        return self.config.gamma * min(1.0, 2 * progress)

    def pull(self, vectors: StepVectors, ids: Tensor, names: Collection[str]) -> Tensor:
        """The mean extent of the hulls of what the families ``names`` put in the words' places."""
        spans = {name: columns(name) for name in names if name != "ball"}
        extents = [extent(vectors, ids, lambda words, c=c: self.surface.of(words)[..., c]) for c in spans.values()]
        return torch.stack(extents).mean() if extents else vectors.leaf.new_zeros(())

    # what adapts between steps ----------------------------------------------------------------------------------

    def adapt(self, model: TextModel) -> None:
        """New weights of the families and a new β, from a slice of held-out texts, or from the steps' own rates."""
        wanted = self.config.probe or self.config.reference > 0
        loss = self.probe(model) if wanted and self.slice is not None else None
        self.mixture.update(self.errors if self.config.probe and loss is not None else self.mixture.rates())
        if loss is not None:
            self.price.pay(loss)

    def probe(self, model: TextModel) -> float:
        """The clean loss on the next slice of held-out texts; sets the one-step robust error of every family there."""
        assert self.slice is not None
        batch = self.slice(self.steps // Mixture.EVERY)
        training = model.training
        model.eval()
        embedded = model.embedding(batch.ids).detach().requires_grad_()
        entropy = F.cross_entropy(model.classify(embedded, batch.lengths), batch.labels, reduction="sum")
        (gradient,) = torch.autograd.grad(entropy, embedded)
        with torch.no_grad():
            rho = torch.full((len(batch.ids),), self.config.budget, device=batch.ids.device)
            ascent = Ascent(batch, model.embedding, gradient, rho)
            for which, name in enumerate(self.mixture.names):
                answers = model.classify(self.perturb(name, ascent), batch.lengths)
                self.errors[which] = (answers.argmax(-1) != batch.labels).float().mean()
        model.train(training)
        return float(entropy.detach()) / len(batch.labels)

    def curves(self) -> dict[str, float | Tensor]:
        figures: dict[str, float | Tensor] = {**self.radii.curves(), **self.mixture.curves()}
        if self.config.reference:
            figures["beta"] = self.price.beta
        if self.config.probe and self.slice is not None:
            figures |= {f"error_{name}": self.errors[k].clone() for k, name in enumerate(self.mixture.names)}
        return figures

    # memory of the last proposal --------------------------------------------------------------------------------

    def recall(self, batch: Batch, ids: Tensor, candidates: Tensor) -> Tensor:
        """Half of the rows take what was proposed for them last time, where that was of the same family."""
        flat, inside = self.flat(batch)
        last = torch.zeros_like(ids)
        last[inside] = self.cache[flat].long()
        fits = ((last == batch.ids) | (last[..., None] == candidates).any(-1)).all(-1) & (last[:, 0] > 0)
        return torch.where((fits & (torch.rand(len(ids), device=ids.device) < 0.5))[:, None], last, ids)

    def remember(self, name: str, ascent: Ascent) -> None:
        """Store what the adversarial pass's own gradient proposes, for the example's next turn."""
        batch = ascent.batch
        candidates = self.surface.of(batch.ids)[..., columns(name)]
        gain = self.gains(ascent, candidates)
        ids = propose(candidates, batch.ids, gain, positions(gain, batch.lengths, ascent.rho))
        flat, inside = self.flat(batch)
        self.cache[flat] = ids[inside].int()

    def flat(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Where the batch's words lie in the flat training array, and which cells of ``(B, T)`` are words."""
        steps = torch.arange(batch.ids.shape[1], device=batch.ids.device)
        inside = steps[None] < batch.lengths[:, None]
        return (self.offsets[batch.rows][:, None] + steps[None])[inside], inside

    # several processes -------------------------------------------------------------------------------------------

    def exchange(self, group: Group, rows: Tensor) -> None:
        """Radii and proposals of the texts the others had, and what all of them counted; the families' weights meet.

        Each process draws families of its own, so that a step may meet several.
        """
        mixture = self.mixture
        if group.size == 1:
            return
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        own = torch.arange(len(rows), device=rows.device) % group.size == group.rank
        starts = self.offsets[rows] - lengths.cumsum(0) + lengths
        words = starts.repeat_interleave(lengths) + torch.arange(int(lengths.sum()), device=rows.device)
        parts = [
            self.radii.rho[rows] * own,
            self.cache[words] * own.repeat_interleave(lengths),
            mixture.fresh.flatten(),
            mixture.weights / group.size,
            self.errors / group.size,
        ]
        together = group.sum(torch.cat([part.double() for part in parts])).split([part.numel() for part in parts])
        self.radii.rho[rows] = together[0].float()
        self.cache[words] = together[1].int()
        mixture.settle(together[2].view_as(mixture.fresh).float())
        mixture.weights, self.errors = together[3].float(), together[4].float()

    # checkpoint -------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = {
            "rho": self.radii.rho,
            "cache": self.cache,
            "weights": self.mixture.weights,
            "tally": self.mixture.counted(),
            "errors": self.errors,
        }
        return tensors, {"steps": self.steps, "multiplier": self.price.multiplier}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        self.radii.rho, self.cache, self.errors = tensors["rho"], tensors["cache"], tensors["errors"]
        self.mixture.weights, self.mixture.tally = tensors["weights"], tensors["tally"]
        self.steps, self.price.multiplier = values["steps"], values["multiplier"]


def columns(family: str) -> slice:
    """The surface's columns a family draws from."""
    return {"char": slice(SYNONYMS, None), "any": slice(None), "ball": slice(0, 0)}.get(family, slice(0, SYNONYMS))
