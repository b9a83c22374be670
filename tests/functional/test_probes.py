"""Probes hold whole owners out: what only identity tells is not told, and what peeks at its own labels is caught."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from expunge.errors import Unavailable
from expunge.functional.probes import folds, held_out_guesses, held_out_scores, linear_probe

RNG = np.random.default_rng(0)
OWNERS = np.repeat(np.arange(40), 5)
SIDE = OWNERS < 20


def test_a_shift_of_gaussians_is_found_as_well_as_the_best_direction_finds_it() -> None:
    """Closed form: two Gaussians a distance d apart have an AUROC of Phi(d / sqrt 2) in the best direction."""
    owners = np.arange(2000)
    side = owners < 1000
    x = RNG.normal(size=(2000, 4))
    x[side, 2] += 1.5
    found = roc_auc_score(side, held_out_scores(linear_probe(), x, side, owners, seed=0))
    assert found == pytest.approx(0.8556, abs=0.02)


def test_folds_keep_owners_whole_and_split_either_side() -> None:
    fold = folds(SIDE, OWNERS, seed=3)
    assert all(len(set(fold[owner == OWNERS])) == 1 for owner in range(40))
    assert all(set(fold[value == SIDE]) == set(range(5)) for value in (True, False))


def test_a_side_of_one_owner_is_not_estimable() -> None:
    with pytest.raises(Unavailable, match="a side shows 1 subject"):
        folds(OWNERS == 0, OWNERS, seed=0)


def faces(spread: float = 0.05) -> np.ndarray:
    """Features that tell who is on a picture, and nothing else."""
    return RNG.normal(size=(40, 30))[OWNERS] + spread * RNG.normal(size=(200, 30))


def exchanged(seed: int) -> np.ndarray:
    """Sides drawn anew for whole owners: nothing is left to be found."""
    return np.isin(OWNERS, np.random.default_rng(seed).permutation(40)[:20])


def test_an_auditor_that_peeks_at_the_evaluated_labels_is_caught() -> None:
    """Poisoned auditors: one fitted on the labels it is judged by, one that holds out pictures instead of people.

    With exchanged sides an honest auditor is at .5 on average; both of these are far above it.
    """
    nearest = KNeighborsClassifier(1)
    x = faces()
    honest, peeking, by_picture = [], [], []
    for seed in range(30):
        side = exchanged(seed)
        honest.append(roc_auc_score(side, held_out_scores(linear_probe(), x, side, OWNERS, seed=seed)))
        peeking.append(roc_auc_score(side, linear_probe().fit(x, side).decision_function(x)))
        even = np.arange(200) % 2 == 0
        guess = nearest.fit(x[even], side[even]).predict(x[~even])
        by_picture.append((guess == side[~even]).mean())
    assert np.mean(honest) == pytest.approx(0.5, abs=0.08)
    assert np.mean(peeking) > 0.9 and np.mean(by_picture) > 0.9


def test_guesses_are_those_of_a_classifier_that_never_saw_the_owner() -> None:
    labels = (OWNERS % 3).astype(np.int64)
    x = np.eye(3)[labels] + 0.1 * RNG.normal(size=(200, 3))
    assert (held_out_guesses(linear_probe(), x, labels, OWNERS, seed=0) == labels).mean() > 0.95
    identity = held_out_guesses(linear_probe(), faces(), labels, OWNERS, seed=0)
    assert (identity == labels).mean() < 0.6  # one third is guessing
