"""Curves against scikit-learn and closed forms; held-out guesses gain nothing from luck or from unequal sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from expunge.errors import Unavailable
from expunge.functional.attacks.curves import (
    auroc,
    balanced_accuracy,
    roc,
    svc_hits,
    threshold_hits,
    tpr_at_fpr,
    why_no_tpr,
)

RNG = np.random.default_rng(0)


def test_the_curve_agrees_with_counting_and_encloses_the_auroc() -> None:
    members, others = RNG.integers(0, 9, 60).astype(float), RNG.integers(0, 7, 80).astype(float)
    found = roc(members, others)
    counted = [((others >= t).mean(), (members >= t).mean()) for t in found.thresholds]
    np.testing.assert_allclose(np.stack([found.fpr, found.tpr], 1), counted)
    assert (found.fpr[0], found.tpr[0], found.fpr[-1], found.tpr[-1]) == (0, 0, 1, 1)
    expected = roc_auc_score(np.r_[np.ones(60), np.zeros(80)], np.r_[members, others])
    assert auroc(members, others) == pytest.approx(expected)
    assert np.trapezoid(found.tpr, found.fpr) == pytest.approx(expected)


def test_rates_of_gaussians_reach_their_closed_forms() -> None:
    members, others = RNG.normal(1.5, 1, 20_000), RNG.normal(0, 1, 20_000)
    assert auroc(members, others) == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=0.01)
    assert tpr_at_fpr(members, others, fpr=0.01) == pytest.approx(norm.sf(norm.isf(0.01) - 1.5), abs=0.02)
    accuracy = balanced_accuracy(*threshold_hits(members, others))
    assert accuracy == pytest.approx(norm.cdf(0.75), abs=0.01)


def test_a_rate_is_given_from_ten_expected_false_positives_on() -> None:
    scores = RNG.normal(0, 1, 1000)
    assert 0 <= tpr_at_fpr(scores, scores, fpr=0.01) <= 0.01
    with pytest.raises(Unavailable, match="n = 999: needs at least 1,000"):
        tpr_at_fpr(scores, scores[1:], fpr=0.01)
    assert why_no_tpr(9_999, 0.001) and not why_no_tpr(10_000, 0.001)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(2, 40), st.integers(2, 40))
def test_a_constant_signal_says_nothing(value: float, n: int, m: int) -> None:
    members, others = np.full(n, value), np.full(m, value)
    assert auroc(members, others) == 0.5
    assert balanced_accuracy(*threshold_hits(members, others)) == 0.5


@given(st.integers(0, 2**32 - 1))
def test_only_the_order_of_scores_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    members, others = rng.normal(1, 1, 20), rng.normal(0, 1, 30)
    assert auroc(np.exp(members), np.exp(others)) == auroc(members, others)
    assert auroc(others, members) == pytest.approx(1 - auroc(members, others))
    for plain, stretched in zip(
        threshold_hits(members, others), threshold_hits(np.exp(members), np.exp(others)), strict=True
    ):
        np.testing.assert_array_equal(plain, stretched)


def test_a_threshold_is_not_judged_on_what_it_was_chosen_on() -> None:
    """Few twins: the best threshold on everything looks better than chance every time, held out it does not."""
    held_out, flattered = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        members, others = rng.normal(0, 1, 15), rng.normal(0, 1, 15)
        held_out.append(balanced_accuracy(*threshold_hits(members, others, seed=seed)))
        curve = roc(members, others)
        flattered.append((1 + (curve.tpr - curve.fpr).max()) / 2)
    assert np.mean(held_out) == pytest.approx(0.5, abs=0.04)
    assert np.mean(flattered) > 0.6


def test_the_threshold_is_the_best_of_the_other_half() -> None:
    """By brute force over all thresholds, on halves drawn as the attack draws them."""
    members, others = RNG.normal(1, 1, 40), RNG.normal(0, 1, 60)
    scores, side = np.r_[members, others], np.r_[np.ones(40), np.zeros(60)]
    expected = np.zeros(100)
    for ours, theirs in StratifiedKFold(2, shuffle=True, random_state=3).split(scores, side):
        at = max(
            sorted(scores[ours])[::-1], key=lambda t: round(balanced_accuracy_score(side[ours], scores[ours] >= t), 9)
        )
        expected[theirs] = (scores[theirs] >= at) == side[theirs]
    np.testing.assert_array_equal(np.concatenate(threshold_hits(members, others, seed=3)), expected)


@pytest.mark.parametrize("attack", ["threshold", "svc"])
def test_attacks_gain_nothing_from_unequal_sides(attack: str) -> None:
    """The planted fault: unbalanced, calling everybody a non-member is right nine times in ten."""
    members, others = RNG.normal(0, 1, (60, 2)), RNG.normal(0, 1, (540, 2))
    hits = svc_hits(members, others) if attack == "svc" else threshold_hits(members[:, 0], others[:, 0])
    assert balanced_accuracy(*hits) == pytest.approx(0.5, abs=0.08)
    assert np.concatenate(hits).mean() < 0.8
    assert np.concatenate(unbalanced(members, others)).mean() > 0.85


def test_the_machine_finds_the_smaller_side_where_an_unbalanced_one_calls_nobody_a_member() -> None:
    members, others = RNG.normal(1, 1, (40, 2)), RNG.normal(0, 1, (760, 2))
    assert balanced_accuracy(*svc_hits(members, others)) > 0.65
    assert balanced_accuracy(*unbalanced(members, others)) < 0.55


def unbalanced(members: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    both, side = np.r_[members, others], np.r_[np.ones(len(members)), np.zeros(len(others))]
    right = SVC().fit(both, side).predict(both) == side
    return right[: len(members)], right[len(members) :]


def test_several_signals_tell_what_no_single_one_does() -> None:
    """Members on a ring around non-members: every threshold is near chance, the machine is not."""
    angle = RNG.uniform(0, 2 * np.pi, 200)
    members = 4 * np.stack([np.cos(angle), np.sin(angle)], 1) + RNG.normal(0, 0.4, (200, 2))
    others = RNG.normal(0, 0.8, (200, 2))
    assert balanced_accuracy(*svc_hits(members, others)) > 0.95
    assert balanced_accuracy(*threshold_hits(members[:, 0], others[:, 0])) < 0.75


def test_signals_of_any_scale_count_alike() -> None:
    members, others = RNG.normal(1, 1, (80, 2)), RNG.normal(0, 1, (80, 2))
    scale = np.array([1e-6, 1e6])
    for plain, scaled in zip(svc_hits(members, others), svc_hits(members * scale, others * scale), strict=True):
        np.testing.assert_array_equal(plain, scaled)


@pytest.mark.parametrize("attack", [threshold_hits, svc_hits])
def test_two_pictures_a_side_are_needed(attack: object) -> None:
    with pytest.raises(ValueError, match="two pictures a side, came 1 and 5"):
        attack(np.zeros((1, 1)), np.zeros((5, 1)))  # type: ignore[operator]
