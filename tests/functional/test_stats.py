"""Estimates against independent implementations, brute force and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import roc_auc_score

from expunge.functional.membership import attack_hits
from expunge.functional.stats import (
    bootstrap_weights,
    interval,
    js_divergence,
    weighted_auroc,
    weighted_ece,
    weighted_mean,
    weighted_tpr,
)

RNG = np.random.default_rng(0)


def test_auroc_with_ties_and_weights_agrees_with_sklearn() -> None:
    members, others = RNG.integers(0, 6, 40).astype(float), RNG.integers(0, 5, 30).astype(float)
    a, b = RNG.integers(0, 4, (5, 40)).astype(float), RNG.integers(0, 4, (5, 30)).astype(float)
    side = np.r_[np.ones(40), np.zeros(30)]
    expected = [
        roc_auc_score(side, np.r_[members, others], sample_weight=np.r_[x, y]) for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(weighted_auroc(members, others, a, b), expected, atol=1e-12)


def test_divergence_agrees_with_scipy_and_is_not_the_kullback_leibler_one() -> None:
    p, q = (RNG.dirichlet(np.ones(5), 20) for _ in range(2))
    p[0] = [1, 0, 0, 0, 0]
    np.testing.assert_allclose(js_divergence(p, q), jensenshannon(p, q, axis=1, base=2) ** 2, atol=1e-12)
    np.testing.assert_allclose(js_divergence(p, q), js_divergence(q, p))
    assert js_divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) == pytest.approx(1.0)
    kl = (q * np.log2(q / np.maximum(p, 1e-12))).sum(1)
    assert np.abs(js_divergence(p, q) - kl).max() > 0.1


def test_calibration_error_agrees_with_a_loop_over_bins() -> None:
    confidence, hit = RNG.random(100), RNG.integers(0, 2, 100).astype(float)
    order, total = np.argsort(confidence), 0.0
    for start in range(0, 100, 10):
        part = order[start : start + 10]
        total += 10 / 100 * abs(confidence[part].mean() - hit[part].mean())
    assert weighted_ece(confidence, hit, np.ones((1, 100)), bins=10)[0] == pytest.approx(total)


def test_tpr_at_a_low_fpr_agrees_with_counting() -> None:
    members, others = RNG.normal(1, 1, 500), RNG.normal(0, 1, 1000)
    threshold = np.sort(others)[-11]  # ten of a thousand are above
    expected = (members > threshold).mean()
    found = weighted_tpr(members, others, np.ones((1, 500)), np.ones((1, 1000)), fpr=0.01)
    assert found[0] == pytest.approx(expected)


def test_weights_repeat_the_sample_first_and_draw_whole_subjects() -> None:
    subjects = np.array(["a", "a", "b", "c", "c", "c"])
    weights = bootstrap_weights(subjects, 6, draws=50, seed=0)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert set(weights[1:, [0, 2, 3]].sum(1)) == {3.0}


def coverage(by_subject: bool) -> float:
    """Share of 95 % intervals that hold the true mean 0, where pictures of a subject are alike."""
    rng, hits = np.random.default_rng(1), 0
    for trial in range(200):
        values = np.repeat(rng.normal(0, 1, 40), 10) + rng.normal(0, 0.3, 400)
        subjects = np.repeat(np.arange(40), 10) if by_subject else None
        weights = bootstrap_weights(subjects, 400, draws=200, seed=trial)
        low, high = interval(weighted_mean(values, weights)[1:])
        hits += low <= 0 <= high
    return hits / 200


def test_intervals_over_subjects_cover_and_intervals_over_pictures_do_not() -> None:
    assert coverage(by_subject=True) > 0.88
    assert coverage(by_subject=False) < 0.6


def test_the_attack_finds_members_and_is_at_chance_on_twins() -> None:
    members, others = RNG.exponential(0.1, 300), RNG.exponential(1.5, 900)
    found = [side.mean() for side in attack_hits(members, others)]
    assert np.mean(found) > 0.8
    twins = [side.mean() for side in attack_hits(RNG.exponential(1, 300), RNG.exponential(1, 900))]
    assert np.mean(twins) == pytest.approx(0.5, abs=0.06)


def test_the_attack_gains_nothing_from_guessing_the_larger_side() -> None:
    """The planted fault: unbalanced, the larger side alone gives .9."""
    members, others = RNG.exponential(1, 90), RNG.exponential(1, 810)
    right, wrong = attack_hits(members, others)
    assert np.r_[right, wrong].mean() < 0.8
    assert (right.mean() + wrong.mean()) / 2 == pytest.approx(0.5, abs=0.1)


def test_the_attack_needs_two_pictures_a_side() -> None:
    with pytest.raises(ValueError, match="two pictures"):
        attack_hits(np.zeros(1), np.zeros(5))
