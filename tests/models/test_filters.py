"""Every rule of sampling against its definition written out in plain Python, row by row."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aat_models import filters
from aat_models.filters import filtered
from aat_models.sampling import Sampling

INF = math.inf
# Multiples of 1/8 are exact, and equal ones are common: definitions must agree on ties too.
LOGIT = st.integers(-40, 40).map(lambda n: n / 8)
ROWS = st.integers(2, 9).flatmap(
    lambda words: st.lists(st.lists(LOGIT, min_size=words, max_size=words), min_size=1, max_size=4)
)


def softmax(row: list[float]) -> list[float]:
    highest = max(row)
    parts = [math.exp(x - highest) for x in row]
    return [part / sum(parts) for part in parts]


def kept(logits: torch.Tensor) -> list[set[int]]:
    return [{n for n, x in enumerate(row) if x > -INF} for row in logits.tolist()]


def tensor(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def first_that_sum(order: list[int], probabilities: list[float], share: float) -> tuple[set[int], bool]:
    """The fewest in this order that reach ``share``; and whether rounding might decide it."""
    found: set[int] = set()
    total, close = 0.0, False
    for number in order:
        if found:
            close |= abs(total - share) < 1e-9
            if total >= share:
                break
        found.add(number)
        total += probabilities[number]
    return found, close


@given(ROWS, st.integers(1, 10))
def test_top_k_keeps_what_is_no_less_than_the_kth(rows: list[list[float]], k: int) -> None:
    wanted = [{n for n, x in enumerate(row) if x >= sorted(row, reverse=True)[min(k, len(row)) - 1]} for row in rows]
    assert kept(filters.top_k(tensor(rows), k)) == wanted


@given(ROWS, st.floats(0.01, 0.999))
def test_top_p_keeps_the_fewest_that_reach_the_share(rows: list[list[float]], share: float) -> None:
    for row, found in zip(rows, kept(filters.top_p(tensor(rows), share)), strict=True):
        order = sorted(range(len(row)), key=lambda n: -row[n])
        wanted, close = first_that_sum(order, softmax(row), share)
        assert close or found == wanted


@given(ROWS, st.floats(0, 1))
def test_min_p_keeps_what_is_likely_enough_beside_the_likeliest(rows: list[list[float]], share: float) -> None:
    for row, found in zip(rows, kept(filters.min_p(tensor(rows), share)), strict=True):
        probabilities = softmax(row)
        least = share * max(probabilities)
        sure = {n for n, p in enumerate(probabilities) if p > least * (1 + 1e-12)}
        perhaps = {n for n, p in enumerate(probabilities) if p >= least * (1 - 1e-12)}
        assert sure <= found <= perhaps and row.index(max(row)) in found


@given(ROWS, st.floats(0.01, 0.999))
def test_typical_keeps_the_fewest_of_expected_surprise_that_reach_the_share(
    rows: list[list[float]], share: float
) -> None:
    for row, found in zip(rows, kept(filters.typical(tensor(rows), share)), strict=True):
        probabilities = softmax(row)
        expected = -sum(p * math.log(p) for p in probabilities)
        distance = [abs(-math.log(p) - expected) for p in probabilities]
        order = sorted(range(len(row)), key=lambda n: round(distance[n], 9))
        wanted, close = first_that_sum(order, probabilities, share)
        ties = any(abs(a - b) < 1e-8 for n, a in enumerate(distance) for b in distance[:n])
        assert close or found == wanted or (ties and len(found) >= 1)


@given(ROWS, st.floats(0.2, 3), st.data())
def test_a_penalty_lowers_what_was_seen_and_nothing_else(
    rows: list[list[float]], penalty: float, drawn: st.DataObject
) -> None:
    logits = tensor(rows)
    seen = torch.tensor(
        drawn.draw(
            st.lists(
                st.lists(st.booleans(), min_size=logits.shape[1], max_size=logits.shape[1]),
                min_size=len(rows),
                max_size=len(rows),
            )
        )
    )
    after = filters.penalised(logits, seen, penalty).tolist()
    for row, own, flags in zip(rows, after, seen.tolist(), strict=True):
        for x, y, flag in zip(row, own, flags, strict=True):
            assert y == pytest.approx((x / penalty if x > 0 else x * penalty) if flag else x)


@given(ROWS, st.integers(0, 5), st.floats(0.05, 1), st.floats(0, 0.9), st.floats(0.05, 1))
def test_all_rules_together_leave_something_and_rows_alone_are_as_good(
    rows: list[list[float]], k: int, p: float, least: float, share: float
) -> None:
    sampling = Sampling(greedy=False, top_k=k, top_p=p, min_p=least, typical=share).check()
    together = kept(filtered(tensor(rows), sampling))
    assert all(together)
    assert together == [kept(filtered(tensor([row]), sampling))[0] for row in rows]


def test_what_asks_for_nothing_changes_nothing() -> None:
    logits = torch.randn(3, 7)
    assert torch.equal(filtered(logits, Sampling(greedy=False)), logits)


def test_transformers_leaves_out_the_same() -> None:
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    process = transformers.generation.logits_process
    torch.manual_seed(0)
    logits, ids = torch.randn(20, 50).double() * 3, torch.randint(50, (20, 6))
    seen = torch.zeros(20, 50, dtype=torch.bool).scatter_(1, ids, True)
    pairs = [
        (filters.top_k(logits, 7), process.TopKLogitsWarper(7)),
        (filters.top_p(logits, 0.8), process.TopPLogitsWarper(0.8)),
        (filters.min_p(logits, 0.1), process.MinPLogitsWarper(0.1)),
        (filters.typical(logits, 0.7), process.TypicalLogitsWarper(0.7)),
        (filters.penalised(logits, seen, 1.3), process.RepetitionPenaltyLogitsProcessor(1.3)),
    ]
    for ours, theirs in pairs:
        assert torch.equal(ours, theirs(ids, logits))
