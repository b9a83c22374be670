"""The steering score against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from expunge.functional.forgetting import (
    Answers,
    forgetting_target,
    gaps_by_chance,
    nearness,
    published_forgetting_score,
    retraining_gaps,
)

LABELS, EASE = 4, np.array([1.2, 0.5, -0.4, -1.0])  # how easily pictures of a label are answered


def test_a_forget_set_of_easier_labels_moves_the_target_and_not_only_the_score() -> None:
    rng = np.random.default_rng(0)
    tuning_labels = rng.integers(0, 2, (4000, 1))
    forget_labels = (rng.random((4000, 1)) < 0.2).astype(int)  # mostly label 0, the easy one

    def losses(labels: np.ndarray) -> np.ndarray:
        return rng.exponential(0.5 + labels[:, 0])

    auroc, target = forgetting_target(losses(forget_labels), losses(tuning_labels), forget_labels, tuning_labels)
    assert target > 0.53 and auroc == pytest.approx(target, abs=0.02)


def test_memory_shows_as_a_gap_to_the_target() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((500, 1), int)
    auroc, target = forgetting_target(rng.exponential(0.2, 500), rng.exponential(1.0, 500), labels, labels)
    assert target == 0.5 and auroc > 0.7


def test_labels_that_nobody_else_has_leave_the_target_at_one_half() -> None:
    auroc, target = forgetting_target(np.zeros(3), np.ones(3), np.ones((3, 1), int), np.zeros((3, 1), int))
    assert (auroc, target) == (1.0, 0.5)


def test_published_score_is_high_for_members_that_stand_out_and_low_for_twins() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.normal(0, 1, 300), rng.normal(8, 1, 300)
    assert published_forgetting_score(low, high) > 0.45
    assert published_forgetting_score(low, rng.permutation(low)) < 0.1


def people(rng: np.random.Generator, count: int, each: int, *, name: str, remembered: float = 0.0) -> Answers:
    """Answers to pictures of people who differ in how easily they are answered, mostly of one label each."""
    owner = np.repeat(np.arange(count), each)
    kept, own = rng.random(len(owner)) < 0.7, rng.integers(LABELS, size=count)[owner]
    labels = np.where(kept, own, rng.integers(LABELS, size=len(owner)))
    margins = EASE[labels] + rng.normal(0, 0.6, count)[owner] + rng.logistic(size=len(owner)) + remembered
    names = np.array([f"{name}{number}" for number in owner])
    return Answers(np.logaddexp(0, -2 * margins), (margins > 0).astype(float), labels[:, None], names)


def beyond_chance(seed: int, count: int, each: int, *, remembered: float = 0.0) -> bool:
    """Whether a forget set of so many people and pictures looks other than unseen, beyond a tolerance of .03."""
    rng = np.random.default_rng(seed)
    tuning, forget = people(rng, 30, 10, name="t"), people(rng, count, each, name="f", remembered=remembered)
    gone = np.zeros(count * each, bool)
    gaps, ends = retraining_gaps(forget, tuning, gone), gaps_by_chance(forget, tuning, gone, seed=seed, draws=120)
    return any(not ends[name][0] - 0.03 <= gap <= ends[name][1] + 0.03 for name, gap in gaps.items())


@pytest.mark.parametrize(("count", "each"), [(1, 1), (1, 5), (1, 10), (1, 40), (3, 10), (25, 10)])
def test_people_whom_a_model_never_saw_are_within_chance(count: int, each: int) -> None:
    assert sum(beyond_chance(seed, count, each) for seed in range(40)) <= 4


def test_people_whom_a_model_remembers_are_beyond_it() -> None:
    assert all(beyond_chance(seed, 25, 10, remembered=2.5) for seed in range(10))
    assert sum(beyond_chance(seed, 10, 10, remembered=2.5) for seed in range(10)) >= 9


def all_or_nothing(count: int, each: int, *, alike: bool) -> Answers:
    """Half the answers are right: half the people's, or half of every person's."""
    right = np.arange(count * each) // each % 2 if alike else np.arange(count * each) % 2
    owners = np.repeat(np.arange(count), each)
    return Answers(1.0 - right, right.astype(float), np.zeros((count * each, 1), int), owners)


def test_chance_counts_people_where_their_pictures_are_alike_and_pictures_where_not() -> None:
    nothing_gone = np.zeros(200, bool)
    ends = [
        gaps_by_chance(given, given, nothing_gone, seed=0, draws=2000)["forget"]
        for given in (all_or_nothing(20, 10, alike=alike) for alike in (True, False))
    ]
    for (low, high), independent in zip(ends, (20, 200), strict=True):
        expected = 1.96 * 0.5 * np.sqrt(1 / independent + (1 / independent if independent == 20 else 0))
        assert high == pytest.approx(expected, rel=0.15) and low == pytest.approx(-expected, rel=0.15)


def test_one_picture_may_be_answered_right_or_wrong() -> None:
    ends = gaps_by_chance(
        all_or_nothing(1, 1, alike=True), all_or_nothing(20, 10, alike=False), np.zeros(1, bool), seed=0
    )
    assert ends["forget"][0] == pytest.approx(-0.5, abs=0.1) and ends["forget"][1] == pytest.approx(0.5, abs=0.1)
    assert ends["auroc"][1] > 0.2


def test_where_nobody_has_two_pictures_those_of_one_person_count_as_one() -> None:
    single, one = all_or_nothing(200, 1, alike=True), all_or_nothing(1, 40, alike=False)
    known = all_or_nothing(20, 10, alike=False)
    unknown, alike = (gaps_by_chance(one, other, np.zeros(40, bool), seed=0) for other in (single, known))
    assert unknown["forget"][1] > 0.45 and alike["forget"][1] < 0.2


def test_pictures_of_a_class_that_is_gone_have_no_chance_to_be_answered() -> None:
    given = all_or_nothing(20, 10, alike=False)
    assert gaps_by_chance(given, given, np.ones(200, bool), seed=0)["forget"] == (0, 0)


def test_gaps_that_chance_explains_come_before_all_others() -> None:
    chance = {"forget": (-0.5, 0.5)}
    by_luck, near, ruined = (
        nearness(gaps, chance, 0.03)
        for gaps in ({"forget": 0.5, "retain": 0.0}, {"forget": 0.1, "retain": 0.03}, {"forget": 0.0, "retain": -0.04})
    )
    assert near > by_luck > -1 > ruined
    assert nearness({"forget": -0.9}, chance, 0.03) == pytest.approx(-1.37)
