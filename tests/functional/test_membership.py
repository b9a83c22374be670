"""The membership attack: finds what is there, is at chance where nothing is, gains nothing from unequal sides."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from expunge.functional.membership import attack_hits

RNG = np.random.default_rng(0)


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


def test_the_planted_fault_of_unequal_sides_would_show() -> None:
    """Without balancing, calling everybody a non-member looks like an attack that is right nine times in ten."""
    members, others = RNG.exponential(1, 90), RNG.exponential(1, 810)
    losses, side = np.r_[members, others].reshape(-1, 1), np.r_[np.ones(90), np.zeros(810)]
    assert LogisticRegression().fit(losses, side).score(losses, side) > 0.85


def test_held_out_guesses_agree_with_fitting_each_fold_by_hand() -> None:
    """Two far groups: whatever the folds, the threshold between them separates every held-out picture."""
    right, wrong = attack_hits(np.linspace(0, 1, 20), np.linspace(9, 10, 30))
    assert right.all() and wrong.all()
    assert (len(right), len(wrong)) == (20, 30)
