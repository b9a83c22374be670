"""Differences from retraining: what the interval and the p-value promise, by simulation with a known truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind

from expunge.functional.equivalence import Compared, compare

Array = np.ndarray[Any, np.dtype[Any]]
TRIALS = 1500


def trials(
    *, shift: float = 0.0, people: int = 100, references: int = 1, training: float, floor: float
) -> list[Compared]:
    """Models and references that vary by `training` as such and by .01 from person to person; the model is off by
    `shift` beyond its own luck."""
    rng = np.random.default_rng(0)
    each = 0.01 * np.sqrt(people)  # deviation of one person's share in a model's value
    found = []
    for _ in range(TRIALS):
        models = training * rng.normal(size=1 + references)[:, None] + each * rng.normal(size=(1 + references, people))
        apart = models[0] - models[1:].mean(0)
        error = float(apart.std()) / np.sqrt(people)  # what a bootstrap over people comes to
        values = models[1:].mean(1).tolist()
        found.append(compare(float(apart.mean()) + shift, error, people, references=values, floor=floor))
    return found


def share(found: list[Compared], level: float = 0.05) -> float:
    return float(np.mean([one.p <= level for one in found]))


@pytest.mark.parametrize("references", [1, 3])
def test_retrained_models_are_rarely_called_different(references: int) -> None:
    found = trials(references=references, training=0.01, floor=0.01)
    assert share(found) < 0.05


def test_without_the_randomness_of_training_they_would_be_called_different_often() -> None:
    found = trials(training=0.02, floor=1e-6)
    assert share(found) > 0.3


def test_references_that_vary_more_than_the_floor_are_believed() -> None:
    one, many = (share(trials(references=k, training=0.03, floor=0.01)) for k in (1, 8))
    assert many < 0.08 < one


def test_a_planted_difference_is_found_as_often_as_the_power_says() -> None:
    detectable = float(np.mean([one.detectable() for one in trials(training=0.01, floor=0.01)]))
    assert 0.7 < share(trials(shift=detectable, training=0.01, floor=0.01)) < 0.95


def test_one_direction_needs_less_and_a_least_gap_more() -> None:
    found = compare(0.0, 0.01, 100, references=[0.5, 0.5], floor=0.01)
    assert found.detectable(sides=1) < found.detectable() < found.detectable(least=0.1)
    assert found.detectable(least=0.1) > 0.1  # at 0.1 itself every second gap is less


def test_it_is_known_whether_people_or_references_limit() -> None:
    few, alike = (compare(0.0, error, 100, references=[0.5], floor=0.01).of_people for error in (0.1, 0.001))
    assert alike < 0.05 < 0.95 < few


def passed(*, references: int, training: float, floor: float = 0.01, error: float = 0.002) -> float:
    """How often a gap as large as the margin is called smaller; it is this model's own, so that its luck is in it."""
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(TRIALS):
        beside = training * rng.normal(size=references)
        seen = error * float(np.sqrt(rng.chisquare(99) / 99))
        gap = 0.05 - float(beside.mean()) + error * rng.normal()
        wrong += compare(gap, seen, 100, references=beside.tolist(), floor=floor).high < 0.05
    return wrong / TRIALS


@pytest.mark.parametrize("error", [0.002, 0.01])
@pytest.mark.parametrize("references", [1, 2, 3, 8])
def test_a_gap_as_large_as_the_margin_is_rarely_called_smaller(references: int, error: float) -> None:
    assert 0.005 < passed(references=references, training=0.01, error=error) <= 0.06


def test_a_floor_that_is_half_of_the_truth_lets_gaps_pass_and_references_mend_it() -> None:
    one, three, eight = (passed(references=k, training=0.02) for k in (1, 3, 8))
    assert one > 0.12 > three > eight and eight < 0.08


def test_with_many_people_and_references_it_is_a_t_test_between_them() -> None:
    rng = np.random.default_rng(2)
    references, value = rng.normal(size=200), 1.7
    found = compare(value - references.mean(), 1e-9, 10_000, references=references.tolist(), floor=1e-9)
    expected = ttest_ind([value], references).pvalue
    assert found.p == pytest.approx(expected, rel=0.02)


def test_few_people_widen_the_interval() -> None:
    few, many = (compare(0.0, 0.02, people, references=[0.5], floor=0.001) for people in (5, 100))
    assert few.high > 1.2 * many.high


@pytest.mark.parametrize(("people", "references", "floor"), [(1, [0.5], 0.1), (5, [], 0.1), (5, [0.5], 0.0)])
def test_what_cannot_be_judged_is_refused(people: int, references: list[float], floor: float) -> None:
    with pytest.raises(ValueError, match="at the least"):
        compare(0.1, 0.1, people, references=references, floor=floor)
