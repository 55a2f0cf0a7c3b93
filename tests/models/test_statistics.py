"""Intervals and tests of a difference, against values worked out by hand."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from aat_models.statistics import holm, mcnemar, paired_bootstrap, wilson


def pairs(both: int, only_first: int, only_other: int, neither: int) -> tuple[list[bool], list[bool]]:
    first = [True] * both + [True] * only_first + [False] * only_other + [False] * neither
    other = [True] * both + [False] * only_first + [True] * only_other + [False] * neither
    order = random.Random(0).sample(range(len(first)), len(first))
    return [first[i] for i in order], [other[i] for i in order]


@pytest.mark.parametrize(
    ("only_first", "only_other", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (0, 5, 2 / 32),  # 2 · C(5,0) / 2^5
        (1, 9, 2 * (1 + 10) / 1024),  # 2 · (C(10,0) + C(10,1)) / 2^10 = 0.0215
        (6, 6, 1.0),
        (4, 8, 2 * (1 + 12 + 66 + 220 + 495) / 4096),  # 0.3877
        (0, 64, 2.0**-63),
    ],
)
def test_mcnemar_is_the_exact_binomial(only_first: int, only_other: int, p: float) -> None:
    found = mcnemar(*pairs(20, only_first, only_other, 7))
    assert (found.only_first, found.only_other) == (only_first, only_other)
    assert found.p == pytest.approx(p, rel=1e-12)
    mirrored = mcnemar(*pairs(3, only_other, only_first, 1))
    assert mirrored.p == found.p  # two-sided, and blind to what does not tell the two apart


def test_mcnemar_stays_exact_with_many_examples() -> None:
    found = mcnemar(*pairs(0, 1000, 1100, 0))
    # The normal approximation with continuity correction: z = (100 − 1) / √2100.
    assert found.p == pytest.approx(math.erfc((100 - 1) / math.sqrt(2100) / math.sqrt(2)), rel=0.01)


def test_the_bootstrap_agrees_with_drawing_examples_one_by_one() -> None:
    first, other = pairs(40, 5, 20, 15)
    found = paired_bootstrap(first, other)
    assert found.difference == pytest.approx(15 / 80)
    rng = np.random.default_rng(1)
    deltas = np.array(other, int) - np.array(first, int)
    means = deltas[rng.integers(0, 80, size=(10_000, 80))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low, abs=0.013), pytest.approx(high, abs=0.013))
    # By hand: σ² = (25/80 − (15/80)²) / 80, so 0.1875 ± 1.96 · 0.0589.
    assert (found.low, found.high) == (pytest.approx(0.072, abs=0.015), pytest.approx(0.303, abs=0.015))
    assert found.excludes_zero


def test_the_bootstrap_of_equal_answers_is_a_point_and_of_few_examples_is_wide() -> None:
    same = [True, False] * 10
    assert paired_bootstrap(same, same) == (0.0, 0.0, 0.0)
    assert not paired_bootstrap(same, same).excludes_zero
    assert not paired_bootstrap(*pairs(4, 2, 3, 1)).excludes_zero
    assert paired_bootstrap([False] * 9, [True] * 9) == (1.0, 1.0, 1.0)


def test_the_bootstrap_is_the_same_each_time_and_turns_with_its_arguments() -> None:
    first, other = pairs(10, 8, 3, 9)
    assert paired_bootstrap(first, other, seed=3) == paired_bootstrap(first, other, seed=3)
    there, back = paired_bootstrap(first, other), paired_bootstrap(other, first)
    assert there.difference == -back.difference
    assert there.low == pytest.approx(-back.high, abs=0.04)


def test_what_is_not_paired_is_refused() -> None:
    for ask in (paired_bootstrap, mcnemar):
        with pytest.raises(ValueError, match="1 and 2"):
            ask([True], [True, False])
    with pytest.raises(ValueError, match="0 and 0"):
        paired_bootstrap([], [])


def test_holm_corrects_step_by_step() -> None:
    # By hand: .01·4, .02·3, then max(.06, .03·2), max(.06, .2·1).
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_wilson_by_hand() -> None:
    # 5 of 10: (0.5 + z²/20 ± z·√(0.025 + z²/400)) / (1 + z²/10) = 0.5 ± 0.2634.
    assert wilson(5, 10) == pytest.approx([0.2366, 0.7634], abs=1e-4)
    assert wilson(0, 0) == [0.0, 1.0]
