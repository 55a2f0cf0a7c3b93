"""IBP: training on the worst case that interval bounds allow (Jia et al. 2019; Huang et al. 2019; Gowal et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from torch import Tensor
from torch.nn import functional as F

from aat_models.adversaries.base import Batch, Setting, Stateless
from aat_models.adversaries.hull import extent
from aat_models.adversaries.surface import SYNONYMS, SurfaceTensor
from aat_models.certification.margins import worst_logits
from aat_models.text_model import TextModel

__all__ = ["IntervalBounds", "boxes"]


def boxes(surface: SurfaceTensor, kinds: Collection[str]) -> Callable[[Tensor], Tensor]:
    """What boxes of ``word`` (synonyms), ``char`` (character variants) or both span: ids ``(…)`` → substitutes ``(…, S)``."""
    words = range(SYNONYMS) if "word" in kinds else ()
    slips = range(SYNONYMS, surface.candidates.shape[1]) if "char" in kinds else ()
    columns = [*words, *slips]
    return lambda ids: surface.of(ids)[..., columns]


class IntervalBounds(Stateless):
    """``(1 − kappa) · CE(x) + kappa · CE(worst logits)``, where every word may be any of its substitutes at once.

    To that comes ``shrink`` times the mean squared distance between the batch's words and what their boxes span, so that
    boxes become small (after the embedding interval bound constraint of Yang et al. 2023,
    "Robustness-Aware Word Embedding Improves Certified Robustness", here without its triplets). Through a recurrent layer
    bounds widen with every word: without this term it learns to answer everything alike.

    Kappa, the boxes' size and that weight grow linearly from nothing over the first ``ramp`` of the stage, then stay: bounds
    through untrained weights are too loose to learn from (Gowal et al.; the shares are those of Jia et al., kappa to 0.8
    over 40 of 60 epochs). The bounds see the word vectors without dropout, and the vector with that of the clean pass.

    Cost: a clean step, 3, and the bounds, whose least and largest ends go forward and back as one pass each, 6.
    """

    cost = 9.0

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.substitutes = boxes(setting.surface, self.config.box)

    def step(self, model: TextModel, batch: Batch, progress: float) -> dict[str, float | Tensor]:
        share = min(1.0, progress / self.config.ramp) if self.config.ramp else 1.0
        kappa = share * self.config.kappa
        vectors = model.step_vectors(batch.ids, self.substitutes(batch.ids))
        dropout = model.draw_dropout(len(batch.ids))
        clean = F.cross_entropy(model.classify(vectors(batch.ids), batch.lengths, dropout), batch.labels)
        latent = None if dropout is None else dropout.latent
        worst = worst_logits(model, vectors, batch.ids, batch.lengths, batch.labels, self.substitutes, share, latent)
        bounded = F.cross_entropy(worst, batch.labels)
        apart = share * self.config.shrink * extent(vectors, batch.ids, self.substitutes)
        ((1 - kappa) * clean + kappa * bounded + apart).backward()
        vectors.backward()
        certified = (worst.detach() <= 0).all(1).float().mean()
        return {"loss": clean.detach(), "loss_adv": bounded.detach(), "certified": certified, "kappa": kappa}
