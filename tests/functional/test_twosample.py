"""The two-sample test: it keeps its level on exchangeable halves, sees a shift, and never mixes up owners."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression

from expunge.functional import twosample
from expunge.functional.twosample import _logistic, _units, two_sample


def people(seed: int, *, owners: int = 24, each: int = 4, width: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of people: features [n, width], alike within a person, and owners [n]."""
    made = np.random.default_rng(seed)
    owner = np.repeat(np.arange(owners), each)
    return made.normal(size=(owners, width))[owner] + made.normal(size=(len(owner), width)), owner


def test_false_alarms_on_exchangeable_halves_keep_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 pairs of halves drawn alike, as many are called different as the level says, and not more."""
    monkeypatch.setattr(twosample, "ENOUGH", 5)
    ps = []
    for seed in range(200):
        x, owner = people(seed)
        ps.append(two_sample(x, owner < 12, owner, draws=19, seed=seed).p)
    for level in (0.05, 0.2):
        alarms = sum(p <= level for p in ps)
        assert binom.sf(alarms - 1, 200, level) > 0.001, (level, alarms)
        assert binom.cdf(alarms, 200, level) > 0.001, (level, alarms)


def test_a_shifted_set_is_found() -> None:
    x, owner = people(0, owners=40)
    side = owner < 20
    found = two_sample(x + 1.5 * side[:, None], side, owner, draws=199)
    assert found.auroc > 0.8 and found.p == 1 / 200 and found.draws == 199


def test_many_pictures_of_few_people_are_no_evidence() -> None:
    """Taken one by one, pictures of two groups of people differ; as people they need not."""
    x, owner = people(1, owners=8, each=30, width=8)
    side = owner < 4
    assert two_sample(x, side, np.arange(len(x)), draws=99).p <= 0.01
    assert two_sample(x, side, owner, draws=99).p > 0.05


def test_a_difference_within_the_same_people_is_found() -> None:
    x, owner = people(2, owners=20, each=6)
    side = np.tile([True, True, True, False, False, False], 20)
    assert two_sample(x, side, owner, draws=99).p > 0.01
    assert two_sample(x + 1.5 * side[:, None], side, owner, draws=99).p == 0.01


@pytest.mark.parametrize("alone", [(2, 2), (1, 5), (0, 7), (3, 2)])
def test_owners_stay_whole_and_every_classifier_sees_both_sides(alone: tuple[int, int]) -> None:
    ours, theirs = alone
    both = 2
    owner = np.r_[np.arange(ours), 100 + np.arange(theirs), 200 + np.repeat(np.arange(both), 2)]
    side = np.r_[np.ones(ours, bool), np.zeros(theirs, bool), np.tile([True, False], both)]
    made = np.random.default_rng(0)
    units, of = _units(side, owner)
    for _ in range(50):
        mixed = units.exchanged(made)
        assert (mixed.side == 1).sum() == side.sum() and (mixed.owner == units.owner).all()
        fold = mixed.folds(made)
        for one in np.unique(mixed.owner):
            assert len(set(fold[mixed.owner == one])) == 1
        for held in np.unique(fold):
            assert set(mixed.side[fold != held]) == {0, 1}
    assert len(of) == len(owner)


def test_the_regression_is_that_of_another_library() -> None:
    x, owner = people(5, width=6)
    side, seen = owner < 9, owner % 5 != 0
    ours = _logistic(x, side, seen[None])[0]
    theirs = LogisticRegression(C=1 / twosample.PENALTY, class_weight="balanced", tol=1e-8).fit(x[seen], side[seen])
    assert np.allclose(ours, theirs.coef_[0], atol=1e-3)


def test_it_stops_where_more_draws_would_change_nothing() -> None:
    x, owner = people(3)
    found = two_sample(x, owner < 12, owner, draws=10_000)
    assert found.draws < 500 and found.p == pytest.approx(twosample.ENOUGH / found.draws)


def test_one_person_a_side_says_nothing() -> None:
    x, owner = people(4, owners=3)
    with pytest.raises(ValueError, match="two owners a side, came 1 and 2"):
        two_sample(x, owner == 0, owner)
