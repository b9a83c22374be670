"""What a formula calls detectable is detected about four times in five, by simulation; counts of people are reduced."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, rankdata
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from expunge.functional.power import (
    FITTED,
    auroc_error,
    detectable_auroc,
    detectable_shift,
    detectable_tpr,
    effective_size,
)
from expunge.functional.probes import held_out_scores
from expunge.functional.stats import weighted_tpr


def scores(made: np.random.Generator, counts: list[int], alike: float, shift: float) -> np.ndarray:
    """Scores of pictures, of which those of one person correlate by `alike`."""
    person = np.repeat(np.arange(len(counts)), counts)
    own = made.normal(size=len(counts))[person] * alike**0.5
    return own + made.normal(size=len(person)) * (1 - alike) ** 0.5 + shift


def auroc(members: np.ndarray, others: np.ndarray) -> float:
    n, m = len(members), len(others)
    return float((rankdata(np.r_[members, others])[:n].sum() - n * (n + 1) / 2) / (n * m))


def estimates(ours: list[int], theirs: list[int], alike: float, true: float, repeats: int = 600) -> np.ndarray:
    """Estimated AUROCs of simulated attacks whose true AUROC is `true`."""
    made = np.random.default_rng(0)
    shift = 2**0.5 * norm.ppf(true)
    return np.array([auroc(scores(made, ours, alike, shift), scores(made, theirs, alike, 0)) for _ in range(repeats)])


CASES = {
    "pictures alone": ([1] * 60, [1] * 60, 0.0),
    "few against many": ([1] * 20, [1] * 400, 0.0),
    "people of ten": ([10] * 15, [10] * 15, 0.1),
    "people of all sizes": ([1, 2, 5, 40, 12] * 4, [3, 8, 20] * 6, 0.1),
    "people who look alike": ([8] * 12, [8] * 24, 0.4),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_called_detectable_is_detected_four_times_in_five(case: str) -> None:
    ours, theirs, alike = CASES[case]
    n, m = effective_size(ours, alike=alike), effective_size(theirs, alike=alike)
    least = detectable_auroc(n, m)
    assert least is not None
    bar = norm.ppf(0.975) * auroc_error(0.5, n, m)
    found = (np.abs(estimates(ours, theirs, alike, least) - 0.5) > bar).mean()
    alarms = (np.abs(estimates(ours, theirs, alike, 0.5) - 0.5) > bar).mean()
    assert 0.76 < found < 0.92, found  # 600 repeats: a standard error of .016; the formula errs on the safe side
    assert 0.02 < alarms < 0.08, alarms


def test_taking_people_for_strangers_would_promise_too_much() -> None:
    """The planted fault: without the design effect, what is called detectable is not."""
    ours = theirs = [20] * 10
    n = m = effective_size(ours, alike=0.3)
    naive = detectable_auroc(200, 200)
    assert naive is not None
    bar = norm.ppf(0.975) * auroc_error(0.5, n, m)
    assert (np.abs(estimates(ours, theirs, 0.3, naive) - 0.5) > bar).mean() < 0.5


def test_a_difference_from_a_reference_above_one_half() -> None:
    at_half, above = detectable_auroc(100, 100), detectable_auroc(100, 100, null=0.6)
    assert at_half is not None and above is not None and 0.6 < above < 0.6 + (at_half - 0.5)


def test_a_share_that_is_detectable_is_detected() -> None:
    made = np.random.default_rng(0)
    share = 0.5 + detectable_shift(200)
    found = np.abs(made.binomial(200, share, 2000) / 200 - 0.5) > norm.ppf(0.975) * 0.5 / 200**0.5
    assert 0.76 < found.mean() < 0.84


def guessed(apart: float, n: int = 60, repeats: int = 80) -> np.ndarray:
    """AUROCs of held-out guesses about pictures whose first of four signals lies that far apart."""
    made, side, owners = np.random.default_rng(0), np.arange(2 * n) < n, np.arange(2 * n)
    found = []
    for seed in range(repeats):
        inputs = made.normal(size=(2 * n, 4)) + apart * np.outer(side, np.eye(4)[0])
        scores = held_out_scores(LinearDiscriminantAnalysis(), inputs, side, owners, seed=seed)
        found.append(auroc(scores[:n], scores[n:]))
    return np.array(found)


def test_held_out_guesses_about_nothing_vary_more_than_a_fixed_score() -> None:
    varies = guessed(0.0).var() / auroc_error(0.5, 60, 60) ** 2
    assert 0.65 * FITTED < varies < 1.5 * FITTED  # 80 repeats: a standard error of a sixth


def test_held_out_guesses_that_are_detectable_are_detected() -> None:
    least, found = detectable_auroc(60 / FITTED, 60 / FITTED), guessed(0.8)
    assert found.mean() == pytest.approx(least, abs=0.015)
    bar = norm.ppf(0.975) * auroc_error(0.5, 60 / FITTED, 60 / FITTED)
    assert 0.7 < (found - 0.5 > bar).mean() < 0.95


@pytest.mark.parametrize(("n", "m"), [(100, 1000), (200, 1500), (1000, 1000)])
def test_a_true_positive_rate_that_is_detectable_is_detected(n: int, m: int) -> None:
    made, fpr = np.random.default_rng(0), 0.01
    least = detectable_tpr(n, m, fpr=fpr)
    assert least is not None

    def rates(true: float) -> np.ndarray:
        apart = norm.ppf(true) - norm.ppf(fpr)
        sides = ((made.normal(size=n) + apart, made.normal(size=m)) for _ in range(1000))
        return np.array([weighted_tpr(a, b, np.ones((1, n)), np.ones((1, m)), fpr=fpr)[0] for a, b in sides])

    bar = np.quantile(rates(fpr), 0.975)
    assert 0.76 < (rates(least) > bar).mean() < 0.9
    naive = fpr + detectable_shift(n, deviation=(fpr * (1 - fpr)) ** 0.5)
    assert (rates(naive) > bar).mean() < 0.6, "as if the threshold were known and rates near 0 were normal"


def test_sizes_are_reduced_to_independent_pictures() -> None:
    assert effective_size([1] * 30) == 30
    assert effective_size([30], alike=1.0) == pytest.approx(1)
    assert effective_size([5] * 6, alike=0.0) == 30
    assert effective_size([1, 29], alike=0.1) < effective_size([15, 15], alike=0.1)
    assert effective_size([]) == 0


@pytest.mark.parametrize("sizes", [(1, 1000), (0, 50), (2, 2)])
def test_too_few_pictures_show_nothing(sizes: tuple[float, float]) -> None:
    assert detectable_auroc(*sizes) is None


def test_the_error_is_symmetric() -> None:
    assert auroc_error(0.3, 10, 50) == pytest.approx(auroc_error(0.7, 50, 10))
