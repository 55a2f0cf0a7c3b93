"""The average of a model's weights over its steps, which is what is evaluated and kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """An exponential moving average of weights, after Polyak and Juditsky 1992.

    Its decay grows with the steps as that of TensorFlow's ``ExponentialMovingAverage`` with ``num_updates`` does.

    Args:
        model: whose weights it begins with.
        decay: in [0, 1), what is left of the average at a step; 0: the weights themselves.

    Attributes:
        weights: by name, as in the model's ``state_dict``.
        followed: steps since :meth:`begin`.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        self.decay = decay
        self.followed = 0

    def begin(self) -> None:
        """Forget fast again, as at the beginning of a training."""
        self.followed = 0

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Takes in the weights after a step; early on it forgets faster, so that it never holds the random start for long."""
        if not self.decay:
            self.weights = model.state_dict()
            return
        decay = min(self.decay, (1 + self.followed) / (10 + self.followed))
        self.followed += 1
        for name, tensor in model.state_dict().items():
            self.weights[name].lerp_(tensor, 1 - decay)

    @contextlib.contextmanager
    def used(self, model: nn.Module) -> Iterator[None]:
        """Within it the model has the averaged weights and is in evaluation mode; afterwards its own weights again."""
        own = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(self.weights)
        model.eval()
        try:
            yield
        finally:
            model.load_state_dict(own)
