"""Gradients of the last layer equal those of torch, and distances those to the centres by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from expunge.errors import Unavailable
from expunge.functional.attacks.geometry import centre_distance, gradient_norm
from expunge.functional.losses import per_example_loss

RNG = np.random.default_rng(0)
SIZES = (4, 2)
LABELS = np.stack([RNG.integers(0, size, 12) for size in SIZES], 1)
FEATURES = RNG.normal(size=(12, 5))
WEIGHT = RNG.normal(size=(6, 5))


def test_the_norm_is_that_of_a_backward_pass() -> None:
    weight = torch.tensor(WEIGHT, requires_grad=True)
    expected = []
    for x, y in zip(torch.tensor(FEATURES), torch.tensor(LABELS), strict=True):
        loss = per_example_loss((weight @ x)[None], y[None], sizes=SIZES).sum()
        expected.append(torch.autograd.grad(loss, weight)[0].norm().item())
    found = gradient_norm(FEATURES, FEATURES @ WEIGHT.T, LABELS, sizes=SIZES)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_confident_answer_keeps_its_digits() -> None:
    """Exactly p - 1 = -e^-60 / (1 + e^-60): a difference of rounded probabilities would be 0."""
    found = gradient_norm(np.ones((1, 1)), np.array([[60.0, 0.0]]), np.array([[0]]), sizes=(2,))
    assert found[0] == pytest.approx(np.sqrt(2) * np.exp(-60), rel=1e-9, abs=0)


def test_distances_are_to_the_centre_of_the_own_class_mean_over_attributes() -> None:
    others = RNG.normal(size=(20, 5))
    theirs = np.stack([np.arange(20) % size for size in SIZES], 1)
    expected = np.mean(
        [
            [np.linalg.norm(x - others[theirs[:, i] == y[i]].mean(0)) for x, y in zip(FEATURES, LABELS, strict=True)]
            for i in range(2)
        ],
        axis=0,
    )
    np.testing.assert_allclose(centre_distance(FEATURES, LABELS, others, theirs), expected, rtol=1e-12)


def test_a_class_without_a_centre_is_not_estimable() -> None:
    with pytest.raises(Unavailable, match="no retain picture has class 3"):
        centre_distance(np.ones((1, 2)), np.array([[3]]), np.ones((2, 2)), np.array([[0], [1]]))
