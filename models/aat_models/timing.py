"""How long training takes: a step with an adversary beside one without, and an epoch in the fewest lines."""

from __future__ import annotations

import copy
import statistics
import time

import numpy as np
import torch
from torch.nn import functional as F

from aat_datasets.batching import BucketSampler, EncodedSplit
from aat_models import adversaries, checkpoint, devices, evaluation, optimisers
from aat_models.adversaries import Adversary
from aat_models.adversaries.none import NoAdversary
from aat_models.adversaries.surface import SurfaceTensor
from aat_models.config import Config
from aat_models.data import TrainingData
from aat_models.text_model import TextModel

__all__ = ["bare_epoch", "step_time_ratio"]

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


def bare_epoch(config: Config, data: TrainingData) -> dict[str, float]:
    """One epoch of clean training on the batches a training of this config draws first.

    Returns its mean ``loss``, and the seconds of its steps, ``wall`` and of this process, ``cpu``.

    In the fewest lines that train the model: no records, no checks, no average of the weights. What no loop can beat.
    """
    torch.manual_seed(config.seed)
    split = data.splits["train"]
    device = devices.choose(config.train.device)
    model = checkpoint.build_model(config, data.table, None, len(data.labels)).to(device).train()
    model.width = devices.width(config, device)
    optimiser = optimisers.build(model.parameters(), config.train.lr, config.train)
    sampler = BucketSampler(split.lengths, config.train.batch_size, config.seed)
    devices.wait(device)
    total, wall, cpu = 0.0, time.perf_counter(), time.process_time()
    for index in sampler.order(0):
        batch = evaluation.batch_of(split, index, device)
        optimiser.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(batch.ids, batch.lengths), batch.labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.train.clip)
        optimiser.step()
        total += loss.item()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"loss": total / len(sampler), "wall": wall, "cpu": cpu}
