"""The challenge's epsilon on thresholds counted by hand, against brute force over its attacks, and its floor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from expunge.errors import Unavailable
from expunge.functional.attacks.epsilon import (
    CAP,
    DELTA,
    SLACK,
    epsilons,
    forgetting_quality,
    points,
)

RNG = np.random.default_rng(0)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)[:, None]


def of_errors(missed: float, taken: float) -> float:
    return max(np.log((1 - DELTA - taken) / missed), np.log((1 - DELTA - missed) / taken))


def test_one_threshold_counted_by_hand() -> None:
    """From 3 on, one of four low ones is taken and one of four high ones missed; no other cut errs less."""
    low, high = column(0, 10, 20, 40), column(30, 50, 60, 70)
    assert epsilons(low, high)[0] == pytest.approx(of_errors(0.25, 0.25))
    assert epsilons(high, low)[0] == pytest.approx(of_errors(0.25, 0.25))


def test_two_thresholds_counted_by_hand() -> None:
    """Unlearned models between two groups of retrained ones: no single threshold tells them, an interval does."""
    retrained = column(-40, -39, -38, -0.6, 38, 39, 40, 41)
    unlearned = column(-1.4, -1.2, -1, -0.5, 0.5, 1, 1.2, 38.5)
    # [-1.4, 1.2] is too narrow beside a range of 40; moved models make the interval possible
    assert epsilons(unlearned, retrained)[0] < of_errors(1 / 8, 1 / 8)
    unlearned[-1] = -2.5
    # [-1.4, 1.2]: misses -2.5 and takes -.6
    assert epsilons(unlearned, retrained)[0] == pytest.approx(of_errors(1 / 8, 1 / 8))


def brute_force(unlearned: np.ndarray, retrained: np.ndarray, grid: np.ndarray) -> float:
    """Every threshold and every allowed interval on a grid, as the definition says it."""
    models = len(unlearned)
    high, low = (retrained, unlearned) if np.median(retrained) > np.median(unlearned) else (unlearned, retrained)
    inner, outer = (low, high) if np.ptp(high) >= np.ptp(low) else (high, low)
    attacks = [((high < t).mean(), (low >= t).mean()) for t in grid]
    for right in grid[np.abs(grid - inner.max()) <= SLACK]:
        for left in grid[np.abs(right - np.ptp(inner) - grid) <= SLACK]:
            missed = 1 - ((inner >= left) & (inner <= right)).mean()
            attacks.append((missed, ((outer >= left) & (outer <= right)).mean()))
    kept = [(m, t) for m, t in attacks if round(m * models) > 0 and round(t * models) > 0]
    if any(m == 0 and t == 0 for m, t in attacks) or not kept:
        return CAP
    with np.errstate(divide="ignore", invalid="ignore"):
        found = [np.fmax(np.log(1 - DELTA - t) - np.log(m), np.log(1 - DELTA - m) - np.log(t)) for m, t in kept]
    return float(np.clip(np.nanmax(found), 0, CAP))


@given(st.integers(0, 2**32 - 1))
def test_it_agrees_with_brute_force_over_a_fine_grid(seed: int) -> None:
    """Values in quarters on a grid of eighths, which then stands for every attack; both ends of a rule are met."""
    rng = np.random.default_rng(seed)
    one, other = (rng.integers(-12, 12, 12) / 4 + rng.integers(0, 2) for _ in range(2))
    grid = np.arange(-10, 10, 0.125)
    assert epsilons(one[:, None], other[:, None])[0] == pytest.approx(brute_force(one, other, grid))


def test_two_gaussians_show_at_least_the_epsilon_of_the_cut_between_them() -> None:
    models = 200
    one, other = RNG.normal(0, 1, (2, models, 20))
    apart, near = (epsilons(one, other + moved).mean() for moved in (1.0, 0.2))
    middle = norm.cdf(-0.5)  # either error of the cut halfway between them
    assert of_errors(middle, middle) < apart < np.log(models)
    assert near < apart - 1


@pytest.mark.parametrize("shift", [0.3, 1.0, 2.0])
def test_two_gaussians_have_the_epsilon_that_their_distribution_functions_give(shift: float) -> None:
    """Sides that are quantiles of N(shift, 1) and N(0, 1): how many lie beyond a cut follows from the functions."""
    models = 512
    middles = (np.arange(models) + 0.5) / models
    sides = (norm.ppf(middles) + shift)[:, None], norm.ppf(middles)[:, None]
    counts = np.arange(1, models)  # below the cut at the next value of either side
    of_low = np.ceil(models * norm.cdf(norm.ppf(middles[counts]) + shift) - 0.5)
    of_high = np.ceil(models * norm.cdf(norm.ppf(middles[counts]) - shift) - 0.5)
    missed, taken = np.r_[counts, of_high] / models, 1 - np.r_[of_low, counts] / models
    both = (missed > 0) & (taken > 0)
    expected = max(of_errors(m, t) for m, t in zip(missed[both], taken[both], strict=True))
    assert epsilons(*sides)[0] == pytest.approx(expected, abs=1e-9)


def test_sides_that_are_apart_or_peaked_earn_the_cap_and_equal_ones_nothing() -> None:
    low, high = column(0, 1, 2, 3), column(4, 5, 6, 7)
    assert epsilons(low, high)[0] == epsilons(high, low)[0] == CAP
    assert epsilons(column(5.5, 5.5, 5.5, 5.5), high)[0] == CAP  # a hundredth of the range, in its midst
    assert epsilons(column(0, 1, 2, 3), column(3, 4, 5, 9000))[0] == CAP
    assert epsilons(low, low)[0] == 0
    assert epsilons(np.ones((4, 1)), np.ones((4, 1)))[0] == 0
    assert epsilons(np.ones((4, 1)), np.zeros((4, 1)))[0] == CAP


@given(st.integers(0, 2**32 - 1), st.integers(-100, 100))
def test_it_sees_neither_the_order_of_models_nor_a_shift(seed: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.normal(0, 2, (10, 3)), rng.normal(1, 2, (10, 3))
    first = epsilons(one, other)
    assert ((first >= 0) & (first <= CAP)).all()
    np.testing.assert_array_equal(epsilons(rng.permutation(one), rng.permutation(other)), first)
    np.testing.assert_allclose(epsilons(one + shift, other + shift), first)
    np.testing.assert_allclose(epsilons(other, one), first)


def test_points_halve_with_every_half_epsilon_and_end_where_the_models_end() -> None:
    assert points(np.array([0.0, 0.49, 0.5, 0.99, 1.0, 6.99, 7.0, CAP]), 512).tolist() == [
        *(1, 1, 0.5, 0.5, 0.25, 0.5**13, 0, 0)
    ]
    assert points(np.array([2.9, 3.0]), 16).tolist() == [0.5**5, 0]


def test_perfect_unlearning_is_far_below_1_and_shows_beside_its_floor() -> None:
    """Three groups of equal models: the score itself would call this failure."""
    found = forgetting_quality(*RNG.normal(0, 2, (3, 64, 200)))
    assert found.models == 64
    assert found.value.shape == found.floor.shape == (200,)
    assert found.floor.mean() < 0.5
    assert found.value.mean() == pytest.approx(found.floor.mean(), abs=0.04)
    shifted = RNG.normal(0, 2, (3, 64, 200)) + np.array([3.0, 0, 0])[:, None, None]
    apart = forgetting_quality(*shifted)
    assert apart.value.mean() < apart.floor.mean() / 3


def test_what_cannot_be_estimated_is_refused_with_a_reason() -> None:
    with pytest.raises(Unavailable, match="not estimable with 2 models a side"):
        epsilons(np.zeros((2, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="as many models"):
        epsilons(np.zeros((4, 1)), np.ones((5, 1)))
    with pytest.raises(ValueError, match="as many models"):
        forgetting_quality(np.zeros((4, 1)), np.ones((4, 1)), np.ones((5, 1)))
