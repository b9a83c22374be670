"""Intervals and tests against scipy, worked examples and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from expunge.functional.significance import holm, paired_p, t_interval


def test_the_t_interval_is_scipys() -> None:
    values = [0.2, 0.5, 0.4, 0.9]
    expected = stats.t.interval(0.9, 3, loc=np.mean(values), scale=stats.sem(values))
    assert t_interval(values, level=0.9) == pytest.approx(expected)


def test_one_value_has_no_t_interval() -> None:
    with pytest.raises(ValueError, match="at least two values, came 1"):
        t_interval([0.5])


def test_holm_by_hand() -> None:
    # sorted .005 * 4, .01 * 3, .03 * 2, .04 * 1, and none below the one before it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_paired_p_counts_the_rarer_side() -> None:
    assert paired_p(np.array([-1.0] * 3 + [1.0] * 96)) == pytest.approx(2 * 4 / 100)
    assert paired_p(np.array([1.0] * 3 + [-1.0] * 96)) == pytest.approx(2 * 4 / 100), "two-sided"
    assert paired_p(np.array([np.nan, 1.0])) == 1.0


def test_paired_p_is_rarely_small_without_a_difference() -> None:
    rng = np.random.default_rng(0)
    found = [paired_p(rng.choice(rng.normal(size=40), (400, 40)).mean(1)) for _ in range(400)]
    assert 0.02 < np.mean(np.array(found) <= 0.05) < 0.1
