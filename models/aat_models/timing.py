"""How much longer a step takes with an adversary than without, measured side by side."""

from __future__ import annotations

import copy
import statistics
import time

import numpy as np
import torch

from aat_datasets.batching import BucketSampler, EncodedSplit
from aat_models import adversaries, devices, evaluation, optimisers
from aat_models.adversaries import Adversary
from aat_models.adversaries.none import NoAdversary
from aat_models.adversaries.surface import SurfaceTensor
from aat_models.config import Config
from aat_models.text_model import TextModel

__all__ = ["step_time_ratio"]

PAIRS = 24


def step_time_ratio(
    model: TextModel, adversary: Adversary, split: EncodedSplit, surface: SurfaceTensor, config: Config
) -> float:
    """Median time of a whole optimiser step with the adversary over one without, the two in turn on the same batches.

    Works on copies and puts the random state back: a training is the same with or without it.
    """
    random = devices.random_state(model.device)
    model, adversary = copy.deepcopy(model), copy.deepcopy(adversary)
    model.train()
    offsets = torch.from_numpy(np.array(split.offsets)).to(model.device)
    clean = NoAdversary(adversaries.Setting(config.adversary, surface, offsets))
    optimiser = optimisers.build(model.parameters(), 1e-6, config.train)
    batches = iter(BucketSampler(split.lengths, config.train.batch_size, config.seed + 1))
    ratios: list[float] = []
    for _ in range(PAIRS):
        batch = evaluation.batch_of(split, next(batches), model.device)
        spent: list[float] = []
        for method in (adversary, clean):
            devices.wait(model.device)
            start = time.perf_counter()
            optimiser.zero_grad(set_to_none=True)
            method.step(model, batch, 1.0)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            devices.wait(model.device)
            spent.append(time.perf_counter() - start)
        ratios.append(spent[0] / spent[1])
    devices.restore_random_state(model.device, random)
    return statistics.median(ratios[2:])
