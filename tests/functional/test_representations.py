"""Scatter ratios and alignment against their definitions, and against resampling done by repeating pictures."""

from __future__ import annotations

import numpy as np
import pytest

from expunge.functional.representations import fisher_ratio, linear_cka

RNG = np.random.default_rng(0)
ONE = np.ones((1, 60))
X, Y = RNG.normal(size=(60, 5)) + 100, RNG.normal(size=(60, 3))
LABELS = RNG.integers(0, 3, 60)
DRAWN = RNG.integers(0, 3, (1, 60))


def ratio_by_definition(x: np.ndarray, labels: np.ndarray) -> float:
    centres = {c: x[labels == c].mean(0) for c in set(labels)}
    between = sum((labels == c).sum() * ((m - x.mean(0)) ** 2).sum() for c, m in centres.items())
    return float(between / sum(((row - centres[c]) ** 2).sum() for row, c in zip(x, labels, strict=True)))


def alignment_by_kernels(x: np.ndarray, y: np.ndarray) -> float:
    """The definition on centred kernel matrices [n, n] (Kornblith et al. 2019), not on features."""
    centring = np.eye(len(x)) - 1 / len(x)
    k, m = centring @ x @ x.T @ centring, centring @ y @ y.T @ centring
    return float((k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum()))


def test_the_ratio_is_its_definition_and_weights_repeat_pictures() -> None:
    again = np.repeat(np.arange(60), DRAWN[0])
    assert fisher_ratio(X, LABELS, ONE)[0] == pytest.approx(ratio_by_definition(X, LABELS))
    assert fisher_ratio(X, LABELS, DRAWN)[0] == pytest.approx(ratio_by_definition(X[again], LABELS[again]))


def test_gaussian_classes_have_the_ratio_of_their_distances() -> None:
    """Two classes a distance 2m apart, deviation 1 in d dimensions: m^2 / d."""
    labels = np.arange(20_000) % 2
    x = RNG.normal(size=(20_000, 4))
    x[:, 1] += np.where(labels == 1, 3.0, -3.0)
    assert fisher_ratio(x, labels, np.ones((1, 20_000)))[0] == pytest.approx(9 / 4, rel=0.03)


def test_alignment_is_that_of_the_kernels_and_weights_repeat_pictures() -> None:
    again = np.repeat(np.arange(60), DRAWN[0])
    assert linear_cka(X, Y, ONE)[0] == pytest.approx(alignment_by_kernels(X, Y))
    assert linear_cka(X, Y, DRAWN)[0] == pytest.approx(alignment_by_kernels(X[again], Y[again]))


def test_alignment_does_not_see_rotation_and_scale_but_sees_stretching() -> None:
    turned = 7 * X @ np.linalg.qr(RNG.normal(size=(5, 5)))[0]
    assert linear_cka(X, turned, ONE)[0] == pytest.approx(1)
    assert linear_cka(X, X * [10, 1, 1, 1, 1], ONE)[0] < 0.9
