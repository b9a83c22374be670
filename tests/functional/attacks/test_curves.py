"""Rates of scores against scikit-learn, closed forms and counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from expunge.errors import Unavailable
from expunge.functional.attacks.curves import auroc, tpr_at_fpr, why_no_tpr

RNG = np.random.default_rng(0)


def test_rates_agree_with_scikit_learn_under_ties() -> None:
    members, others = RNG.integers(0, 9, 60).astype(float), RNG.integers(0, 7, 1000).astype(float)
    side, scores = np.r_[np.ones(60), np.zeros(1000)], np.r_[members, others]
    assert auroc(members, others) == pytest.approx(roc_auc_score(side, scores))
    fpr, tpr, _ = roc_curve(side, scores, drop_intermediate=False)
    for allowed in (0.01, 0.1, 0.3, 0.5, 0.99, 1.0):
        assert tpr_at_fpr(members, others, fpr=allowed) == pytest.approx(tpr[fpr <= allowed + 1e-12].max())


def test_rates_of_gaussians_reach_their_closed_forms() -> None:
    members, others = RNG.normal(1.5, 1, 20_000), RNG.normal(0, 1, 20_000)
    assert auroc(members, others) == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=0.01)
    assert tpr_at_fpr(members, others, fpr=0.01) == pytest.approx(norm.sf(norm.isf(0.01) - 1.5), abs=0.02)


def test_a_rate_is_given_from_ten_expected_false_positives_on() -> None:
    scores = RNG.normal(0, 1, 1000)
    assert 0 <= tpr_at_fpr(scores, scores, fpr=0.01) <= 0.01
    with pytest.raises(Unavailable, match="n = 999: needs at least 1,000"):
        tpr_at_fpr(scores, scores[1:], fpr=0.01)
    assert why_no_tpr(9_999, 0.001) and not why_no_tpr(10_000, 0.001)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(2, 40), st.integers(2, 40))
def test_a_constant_signal_says_nothing(value: float, n: int, m: int) -> None:
    assert auroc(np.full(n, value), np.full(m, value)) == 0.5


@given(st.integers(0, 2**32 - 1))
def test_only_the_order_of_scores_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    members, others = rng.normal(1, 1, 20), rng.normal(0, 1, 30)
    assert auroc(np.exp(members), np.exp(others)) == auroc(members, others)
    assert auroc(others, members) == pytest.approx(1 - auroc(members, others))
