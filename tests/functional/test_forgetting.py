"""The steering score against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from expunge.functional.forgetting import forgetting_target, published_forgetting_score


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
