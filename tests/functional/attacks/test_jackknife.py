"""The luck of models against closed forms for means, and what a bootstrap over people already holds."""

from __future__ import annotations

import numpy as np
import pytest

from expunge.functional.attacks.jackknife import MOST, left_out, luck
from expunge.functional.stats import bootstrap_weights


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(one.mean(0) - other.mean(0))


@pytest.mark.parametrize("models", [8, 16, 40])
def test_of_a_difference_of_means_it_is_the_standard_error(models: int) -> None:
    """Models differ on all pictures alike: the variance is that of the means of the two groups."""
    drawn = np.random.default_rng(0)
    one, other = (drawn.normal(0, 2, (models, 1)).repeat(30, 1) for _ in range(2))
    without = left_out(apart, one, other)
    assert len(without) == models // -(-models // MOST)
    found = luck(without, models, bootstrap_weights(None, 30, draws=4000, seed=0), seed=1)
    exact = np.sqrt((one[:, 0] - other[:, 0]).var(ddof=1) / models)
    # with blocks of several models it is an estimate from fewer numbers
    assert found[0] == 0 and found[1:].std() == pytest.approx(exact, rel=0.05 if models <= MOST else 0.5)


def test_what_is_each_pictures_own_is_left_to_the_bootstrap_over_people() -> None:
    drawn = np.random.default_rng(1)
    one, other = drawn.normal(0, 2, (2, 16, 400))
    weights = bootstrap_weights(None, 400, draws=500, seed=0)
    own = luck(left_out(apart, one, other), 16, weights, seed=1)
    common = luck(left_out(apart, one + drawn.normal(0, 1, (16, 1)), other), 16, weights, seed=1)
    assert own[1:].std() < 0.1 < 0.18 < common[1:].std()


def test_draws_of_two_measurements_on_the_same_models_belong_together() -> None:
    drawn = np.random.default_rng(2)
    groups = [drawn.normal(0, 1, (8, 1)).repeat(5, 1) for _ in range(2)]
    weights, without = bootstrap_weights(None, 5, draws=50, seed=0), left_out(apart, *groups)
    first, twice = (luck(scale * without, 8, weights, seed=3) for scale in (1, 2))
    np.testing.assert_allclose(twice, 2 * first)
    assert not np.allclose(first, luck(without, 8, weights, seed=4))


def test_models_that_agree_have_no_luck_and_too_few_are_refused() -> None:
    same = np.ones((6, 3))
    assert (luck(left_out(apart, same, same), 6, bootstrap_weights(None, 3, draws=9, seed=0), seed=0) == 0).all()
    for groups in ((same[:3], same[:3]), (same, same[:5])):
        with pytest.raises(ValueError, match="at least 4"):
            left_out(apart, *groups)
