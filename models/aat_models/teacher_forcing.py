"""One step of a decoder: cross-entropy of every output word given the vector and the words before it.

With an adversary, also what it answers where the text was perturbed: its answers on the clean vector, held fixed, are what it
is to give on the moved one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aat_datasets.vocab import PAD
from aat_models.adversaries.base import Batch, Setting
from aat_models.adversaries.vector import Scene, move, relative_shift
from aat_models.embeddings import StepVectors
from aat_models.text_model import TextModel

__all__ = ["adversarial_step", "clean_step", "divergence", "entropy"]


def entropy(logits: Tensor, wanted: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats a word; logits ``(B, T, V)``, ``wanted`` ``(B, T)`` padded with PAD.

    With ``smoothing`` that share of every wanted word is spread over all words (Szegedy et al. 2016).
    """
    return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD, label_smoothing=smoothing)


def divergence(clean: Tensor, moved: Tensor, wanted: Tensor) -> Tensor:
    """``KL(clean ‖ moved)``, the mean over output words; no gradient to ``clean``; logits ``(B, T, V)``."""
    there = wanted != PAD
    one, other = torch.log_softmax(clean.detach()[there], -1), torch.log_softmax(moved[there], -1)
    return F.kl_div(other, one, reduction="batchmean", log_target=True)


def clean_step(
    model: TextModel, batch: Batch, seen: Tensor, wanted: Tensor, *, frozen: bool, smoothing: float = 0.0
) -> dict[str, Tensor]:
    """Adds the gradients of the decoder, and unless ``frozen`` of the encoder; ``seen`` and ``wanted`` ``(B, T)``.

    Returns the loss in nats a word; what is smoothed is only the gradient's.
    """
    decoder = model.decoder
    assert decoder is not None
    with torch.set_grad_enabled(not frozen):
        source = model.read(model.embedding(batch.ids), batch.lengths, model.draw_dropout(len(batch.ids)))
    states, _ = decoder.states(source.vector, seen, decoder.begin(source.vector, source.memory))
    there = wanted != PAD
    logs = torch.log_softmax(decoder.out(states[there]), -1)  # (N, V); padding costs no logits
    loss = F.nll_loss(logs, wanted[there])
    ((1 - smoothing) * loss - smoothing * logs.mean() if smoothing else loss).backward()
    return {"loss_decoder": loss.detach()}


def adversarial_step(
    model: TextModel,
    batch: Batch,
    seen: Tensor,
    wanted: Tensor,
    setting: Setting,
    *,
    frozen: bool,
    smoothing: float = 0.0,
) -> dict[str, Tensor]:
    """The clean step plus ``β · (KL(decoder(z) ‖ decoder(z')) + ‖z' − z‖² / ‖z‖²)``, the last where the encoder trains.

    ``z'`` is where the search of ``aat_models.adversaries.vector`` takes the vector; ``z`` is held fixed in both terms. The
    search asks the encoder alone; a decoder that attends reads the states of the moved text too. Returns the losses in nats
    a word (``loss_adv_decoder``: cross-entropy on ``z'``) and ``vector_shift``, the relative squared distance.
    """
    assert model.decoder is not None
    candidates = setting.surface.of(batch.ids)
    vectors = StepVectors(model.embedding, torch.cat([batch.ids.flatten(), candidates.flatten()]))
    dropout = model.draw_dropout(len(batch.ids))
    with torch.set_grad_enabled(not frozen):
        source = model.read(vectors(batch.ids), batch.lengths, dropout)
    scene = Scene(model, batch, candidates, vectors, source.vector.detach(), dropout)
    embedded = move(scene, setting.config)
    with torch.set_grad_enabled(not frozen):
        moved = model.read(embedded, batch.lengths, dropout)
    clean, perturbed = model.write(source, seen), model.write(moved, seen)
    loss = entropy(clean.detach(), wanted)
    shift = relative_shift(moved.vector, scene.clean)
    total = entropy(clean, wanted, smoothing) + setting.config.beta * divergence(clean, perturbed, wanted)
    (total if frozen else total + setting.config.beta * shift).backward()
    vectors.backward()
    worse = entropy(perturbed.detach(), wanted)
    return {"loss_decoder": loss, "loss_adv_decoder": worse, "vector_shift": shift.detach()}
