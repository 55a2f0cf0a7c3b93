"""A2T: synonyms tried word by word, in the order of the gradient (Yoo & Qi 2021)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries.base import Batch, Clean, Setting, Stateless, clean_pass
from aat_models.adversaries.surface import SYNONYMS
from aat_models.text_model import TextModel

__all__ = ["AttackingToTrain"]


class AttackingToTrain(Stateless):
    """A fifth of each batch is attacked, and its cross-entropy there joins the clean one with the same weight a text.

    The attack, as published: words in the order of the ℓ1 norm of the loss' gradient by their vectors; at each, all synonyms
    are tried and the one that raises the loss most is kept; it ends where the answer is wrong, or at ``budget`` of the words
    (the paper: 0.10).

    Unlike the paper: texts are attacked anew at every step instead of once an epoch, and from the first epoch on; one whose
    answer holds trains too, at the worst text found; the budget limits the words tried, not only those changed, which bounds
    the cost; synonyms are the surface's, with no check by part of speech or by a sentence encoder.

    ``cost`` is that of a search that never ends early and finds SYNONYMS synonyms at every word it tries, over the lengths of
    the training texts: an upper bound.
    """

    SHARE = 0.2  # of a batch, as published

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.surface = setting.surface
        lengths = (setting.offsets[1:] - setting.offsets[:-1]).tolist()
        tried = SYNONYMS * sum(self.allowed(length) for length in lengths) / max(1, len(lengths))
        self.cost = 3.0 + self.SHARE * (3.0 + tried)

    def allowed(self, length: int) -> int:
        """Words of a text of ``length`` words that may change."""
        return max(1, math.ceil(self.config.budget * length))

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        count = max(1, round(self.SHARE * len(batch.ids)))
        rows = torch.randperm(len(batch.ids), device=batch.ids.device)[:count]
        candidates = self.surface.of(batch.ids[rows])[..., :SYNONYMS]  # (R, T, S)
        clean = clean_pass(model, batch, candidates)
        some = Batch(*(part[rows] for part in batch))
        dropout = clean.dropout and clean.dropout.of(rows)
        clean = clean._replace(logits=clean.logits[rows], gradient=clean.gradient[rows], dropout=dropout)
        ids = self.search(model, some, candidates, clean)
        logits = model.classify(clean.vectors(ids), some.lengths, dropout)
        entropy = F.cross_entropy(logits, some.labels)
        (entropy * count / len(batch.ids)).backward()
        clean.vectors.backward()
        fooled = logits.detach().argmax(-1) != some.labels
        return {"loss": clean.loss, "loss_adv": entropy.detach(), "fooled": fooled.float().mean()}

    @torch.no_grad()
    def search(self, model: TextModel, batch: Batch, candidates: Tensor, clean: Clean) -> Tensor:
        """The worst texts found, ``(B, T)``; ``candidates`` ``(B, T, S)``, 0 where there is none; ``clean`` of these texts."""
        importance = clean.gradient.abs().sum(-1).masked_fill((candidates == 0).all(-1), -1.0)
        order = importance.argsort(dim=1, descending=True)  # (B, T), words without synonyms last
        allowed = torch.tensor([self.allowed(length) for length in batch.lengths.tolist()], device=order.device)
        ids = batch.ids.clone()
        worst = F.cross_entropy(clean.logits, batch.labels, reduction="none")
        holds = clean.logits.argmax(-1) == batch.labels
        for turn in range(min(ids.shape[1], int(allowed.max()))):
            going = ((allowed > turn) & holds).nonzero().squeeze(1)  # (A,)
            place = order[going, turn]
            near = candidates[going, place]  # (A, S)
            asker, column = (near > 0).nonzero(as_tuple=True)  # (Q,)
            if not len(asker):
                continue
            rows = going[asker]
            tried = ids[rows].scatter(1, place[asker, None], near[asker, column, None])
            logits = model.classify(clean.vectors(tried), batch.lengths[rows], clean.dropout and clean.dropout.of(rows))
            losses = F.cross_entropy(logits, batch.labels[rows], reduction="none")
            right = logits.argmax(-1) == batch.labels[rows]
            table = torch.full(near.shape, -torch.inf, device=ids.device).index_put((asker, column), losses)
            best, which = table.max(1)
            won = best > worst[going]
            winners = going[won]
            ids[winners, place[won]] = near[won, which[won]]
            worst[winners] = best[won]
            held = torch.ones(near.shape, dtype=torch.bool, device=ids.device).index_put((asker, column), right)
            holds[winners] = held[won, which[won]]
        return ids
