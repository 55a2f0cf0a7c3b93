"""Salience by integrated gradients: each word's part of what the model sees in a text and does not see in nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from aat_models.predictor import Predictor

__all__ = ["integrated_gradients"]


def integrated_gradients(
    predictor: Predictor, text: str, label: int | None = None, steps: int = 64
) -> tuple[list[str], list[float]]:
    """Words and their salience for ``label`` (the predicted class where none is given).

    The gradient of the class's log-probability, integrated from the text with every word vector zero to the text
    itself, times the vectors (Sundararajan et al. 2017; computed by captum). Up to the error of ``steps`` points of
    Gauss-Legendre quadrature the scores add up to the difference of the two log-probabilities.
    """
    from captum.attr import IntegratedGradients

    words = predictor.words(text)
    if not words:
        return [], []
    ids, lengths = predictor.tensors(words)
    model = predictor.model
    embedded = model.embedding(ids).detach()  # (1, T, E)

    def log_probabilities(vectors: Tensor, lengths: Tensor) -> Tensor:  # (S, T, E) → (S, C)
        return torch.log_softmax(model.classify(vectors, lengths), -1)

    wanted = int(log_probabilities(embedded, lengths).argmax()) if label is None else label
    found = IntegratedGradients(log_probabilities, multiply_by_inputs=True).attribute(
        embedded, target=wanted, additional_forward_args=(lengths,), n_steps=steps
    )
    assert isinstance(found, torch.Tensor)
    return words, found.sum(-1)[0].tolist()
