"""Estimates against independent implementations, brute force and simulation."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import roc_auc_score

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


def test_everybody_is_called_a_member_where_every_false_positive_is_allowed() -> None:
    """A member below all non-members counts too; where no non-member was drawn there is no rate to hold."""
    members, others = np.array([-5.0, 1.0, 2.0]), np.array([0.0, 1.5])
    one = np.ones((1, 3))
    for fpr, expected in ((1.0, 1.0), (0.99, 2 / 3), (0.5, 2 / 3), (0.0, 1 / 3)):
        assert weighted_tpr(members, others, one, np.ones((1, 2)), fpr=fpr)[0] == pytest.approx(expected), fpr
    drawn = weighted_tpr(members, others, np.ones((3, 3)), np.array([[0.0, 3.0], [3.0, 0.0], [0.0, 0.0]]), fpr=1.0)
    assert drawn[:2].tolist() == [1, 1] and np.isnan(drawn[2])


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


def test_weights_in_blocks_give_what_weights_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    members, others = RNG.normal(1, 1, 30), RNG.normal(0, 1, 50)
    a, b = bootstrap_weights(None, 30, draws=25, seed=0), bootstrap_weights(None, 50, draws=25, seed=1)

    def everything() -> list[np.ndarray]:
        return [
            weighted_mean(members, a),
            weighted_ece(np.clip(members, 0, 1), np.zeros(30), a),
            weighted_auroc(members, others, a, b),
            weighted_tpr(members, others, a, b, fpr=0.1),
        ]

    whole = everything()
    monkeypatch.setattr("expunge.functional.stats.BLOCK", 120)
    for at_once, in_blocks in zip(whole, everything(), strict=True):
        np.testing.assert_allclose(in_blocks, at_once, rtol=1e-12)


def test_calibration_error_under_weights_agrees_with_repeating_pictures_in_the_same_bins() -> None:
    confidence, hit = np.sort(RNG.random(30)), RNG.integers(0, 2, 30).astype(float)
    weights = bootstrap_weights(None, 30, draws=3, seed=0)
    for row, found in zip(weights, weighted_ece(confidence, hit, weights, bins=5), strict=True):
        bins = [(np.repeat((confidence - hit)[i : i + 6], row[i : i + 6])) for i in range(0, 30, 6)]
        assert found == pytest.approx(sum(abs(part.sum()) for part in bins) / row.sum())


def test_a_whole_number_of_false_positives_is_not_lost_to_rounding() -> None:
    """.29 * 100 is 28.999999999999996 in binary: 29 false positives are allowed, not 28."""
    others = np.arange(100.0)
    found = weighted_tpr(np.array([70.5]), others, np.ones((1, 1)), np.ones((1, 100)), fpr=0.29)
    assert found[0] == 1


def test_weights_of_many_pictures_stay_small() -> None:
    weights = bootstrap_weights(None, 20_000, draws=50, seed=0)
    assert weights.nbytes == 51 * 20_000
    assert (weights.sum(1, dtype=np.int64) == 20_000).all()


def test_a_thousand_draws_of_two_thousand_pictures_take_well_under_a_second() -> None:
    members, others = RNG.normal(1, 1, 1000), RNG.normal(0, 1, 1000)
    a, b = (bootstrap_weights(None, 1000, draws=1000, seed=seed) for seed in range(2))
    start = time.process_time()
    weighted_auroc(members, others, a, b)
    assert time.process_time() - start < 1
