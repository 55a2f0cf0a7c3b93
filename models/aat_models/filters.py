"""What is left to draw a token from: each rule of ``aat_models.sampling`` as a function of logits ``(B, V)``.

A token that is left out gets −inf. Every rule leaves at least one, looks at a row by itself, and keeps equals together where
its definition does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aat_models.sampling import Sampling

__all__ = ["filtered", "min_p", "penalised", "top_k", "top_p", "typical"]


def penalised(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Tokens that are ``seen`` ``(B, V)`` less likely, for a penalty above 1 (Keskar et al. 2019)."""
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def top_k(logits: Tensor, k: int) -> Tensor:
    """The ``k`` likeliest, and what equals the last of them (Fan et al. 2018)."""
    least = logits.topk(min(k, logits.shape[-1])).values[:, -1:]
    return logits.masked_fill(logits < least, -torch.inf)


def top_p(logits: Tensor, share: float) -> Tensor:
    """The fewest likeliest that together have ``share`` of the probability (Holtzman et al. 2020)."""
    ranked, order = logits.sort(descending=True, stable=True)
    probabilities = torch.softmax(ranked, -1)
    out = probabilities.cumsum(-1) - probabilities >= share
    out[:, 0] = False
    return logits.masked_fill(torch.zeros_like(out).scatter_(1, order, out), -torch.inf)


def min_p(logits: Tensor, share: float) -> Tensor:
    """Those at least ``share`` times as likely as the likeliest (Nguyen et al. 2024)."""
    probabilities = torch.softmax(logits, -1)
    return logits.masked_fill(probabilities < share * probabilities.amax(-1, keepdim=True), -torch.inf)


def typical(logits: Tensor, share: float) -> Tensor:
    """The fewest whose surprise is nearest to the expected one that together have ``share`` (Meister et al. 2023)."""
    logs = torch.log_softmax(logits, -1)
    probabilities = logs.exp()
    expected = -(probabilities * logs.masked_fill(probabilities == 0, 0.0)).sum(-1, keepdim=True)
    distance = (-logs - expected).abs().nan_to_num(posinf=torch.inf)
    order = distance.argsort(dim=-1, stable=True)
    ranked = probabilities.gather(1, order)
    out = ranked.cumsum(-1) - ranked >= share
    out[:, 0] = False
    return logits.masked_fill(torch.zeros_like(out).scatter_(1, order, out), -torch.inf)


def filtered(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits, divided by the temperature already, after the rules a sampling asks for, in its order."""
    if sampling.top_k:
        logits = top_k(logits, sampling.top_k)
    if sampling.top_p < 1:
        logits = top_p(logits, sampling.top_p)
    if sampling.min_p > 0:
        logits = min_p(logits, sampling.min_p)
    if sampling.typical < 1:
        logits = typical(logits, sampling.typical)
    return logits
