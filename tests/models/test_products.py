"""Weights laid out for writing give the answers they gave before, and are forgotten when they change."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from aat_datasets.subwords import TextTokenizer
from aat_models import llama_layout
from aat_models.llama import Cache, Llama, Shape
from aat_models.products import Packed, Product

SHAPE = Shape(vocabulary=50, width=32, layers=2, heads=4, key_heads=2, head=8, inner=48, context=64)


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 2, 16])
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_laid_out_answers_as_before(rows: int, tied: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Llama(SHAPE._replace(tied=tied)).eval()
    before = copy.deepcopy(model)
    model.lay_out(rows)
    for batch in (1, rows, 5):
        ids = torch.randint(50, (batch, 9))
        cache = Cache(model.shape, batch, 9)
        parts = [model(ids[:, :7], cache), model(ids[:, 7:8], cache), model(ids[:, 8:], cache)]
        torch.testing.assert_close(torch.cat(parts, 1), before(ids), atol=1e-5, rtol=1e-4)
    # what is kept is the weights, however they lie
    assert all(torch.equal(tensor, before.state_dict()[name]) for name, tensor in model.state_dict().items())
    llama_layout.save(model, TextTokenizer.train("characters", ["ab"]), tmp_path)
    assert torch.equal(llama_layout.load(tmp_path)(ids), before(ids))


@torch.no_grad()
def test_a_weight_that_changed_is_not_taken_for_what_was_packed() -> None:
    torch.manual_seed(0)
    product = Product(8, 5)
    product.weight.normal_()
    product.lay_out(4)
    states = torch.randn(4, 8)
    product.weight.mul_(3)
    torch.testing.assert_close(product(states), F.linear(states, product.weight))
    product.lay_out(4)
    torch.testing.assert_close(product(states), F.linear(states, product.weight))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_types_that_are_not_packed_are_multiplied_as_ever(dtype: torch.dtype) -> None:
    packed, weight, states = Packed(), torch.randn(5, 8, dtype=dtype), torch.randn(4, 8, dtype=dtype)
    packed.prepare(weight, 4)
    assert torch.equal(packed.times(states, weight), F.linear(states, weight))
