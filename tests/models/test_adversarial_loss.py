"""The case the adversarial loss must get right: of five samples, the one the adversary broke is the one that is mended."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F
from toy import config, data

from aat_models.adversaries.base import consistency
from aat_models.evaluation import batch_of
from aat_models.text_model import TextModel


def test_of_five_samples_the_failing_one_has_the_largest_share_and_training_drives_it_to_one() -> None:
    """A model that gives p = .9 .8 .7 .6 and, to an adversarial fifth text, .1 (cross-entropy ``−Σ log p(y_i | x_i')``)."""
    torch.manual_seed(0)
    toy = data()
    model = TextModel(config(model__encoder="bow").model, toy.table, 2).eval()
    batch = batch_of(toy.splits["train"], np.arange(5))
    wanted = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.1])

    def answers() -> torch.Tensor:
        return model(batch.ids, batch.lengths)

    def probability() -> torch.Tensor:
        return torch.softmax(answers(), -1).gather(1, batch.labels[:, None]).squeeze(1)

    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(300):
        optimiser.zero_grad()
        F.binary_cross_entropy(probability(), wanted).backward()
        optimiser.step()
    torch.testing.assert_close(probability(), wanted, atol=0.02, rtol=0)

    losses = F.cross_entropy(answers(), batch.labels, reduction="none")
    assert losses[4] > losses[:4].sum()
    norms = torch.stack(
        [
            torch.cat(
                [g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)]
            ).norm()
            for loss in losses
        ]
    )
    assert norms.argmax() == 4 and norms[4] > 0.4 * norms.sum()

    before = probability().detach()
    clean = answers().detach()
    for _ in range(300):
        optimiser.zero_grad()
        consistency(clean, answers(), batch.labels, 1.0)[1].backward()
        optimiser.step()
    after = probability().detach()
    assert (after > 0.95).all() and (after - before).argmax() == 4
