"""What features are like as a whole: how far classes lie apart in them, and how alike two models' features are.

Features and resampling weights in, one number per resample out; row 0 of the weights is the sample itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def fisher_ratio(features: Array, labels: Array, weights: Array) -> Array:
    r"""Scatter between classes over scatter within them; whatever the scale of the features.

    $$\frac{\operatorname{tr} S_B}{\operatorname{tr} S_W}, \quad
    \operatorname{tr} S_B = \sum_c n_c \|\mu_c - \mu\|^2, \quad
    \operatorname{tr} S_W = \sum_c \sum_{x \in c} \|h(x) - \mu_c\|^2$$

    Args:
        features: [n, d].
        labels: int [n].
        weights: [r, n].

    Returns:
        float64 [r], 0 where classes have one centre; infinite where they have no scatter.

    Example:
        >>> fisher_ratio(np.array([[0.0], [2.0], [4.0], [6.0]]), np.array([0, 0, 1, 1]), np.ones((1, 4)))
        array([4.])
    """
    x = features.astype(np.float64) - features.mean(0)  # near 0, sums of squares keep their digits
    one_hot = labels[:, None] == np.unique(labels)
    squares = (x**2).sum(1)
    found = []
    for row in weights.astype(np.float64):
        counts = row @ one_hot
        sums = (one_hot * row[:, None]).T @ x
        of_means = ((sums**2).sum(1) / np.maximum(counts, 1.0)).sum()
        of_mean = (sums.sum(0) ** 2).sum() / max(row.sum(), 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(np.float64(of_means - of_mean) / (row @ squares - of_means))
    return np.array(found)


def linear_cka(one: Array, other: Array, weights: Array) -> Array:
    r"""Centred kernel alignment with linear kernels: how alike two sets of features arrange the same pictures.

    $$\frac{\|Y^\top X\|_F^2}{\|X^\top X\|_F \, \|Y^\top Y\|_F}$$

    for centred X and Y; whatever the rotation and the scale of either.

    Args:
        one, other: [n, d], [n, e].
        weights: [r, n].

    Returns:
        float64 [r] in 0..1; NaN where either has no scatter.

    Reference: Kornblith et al. 2019 (arXiv 1905.00414).

    Example:
        >>> x = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 5.0]])
        >>> linear_cka(x, 3 * x[:, ::-1], np.ones((1, 3))).round(6)
        array([1.])
    """
    # kernels [n, n] are made once, and all resamples go through them together
    x, y = (f.astype(np.float64) - f.mean(0) for f in (one, other))  # near 0, sums of squares keep their digits
    k, m, drawn = x @ x.T, y @ y.T, weights.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(_aligned(k, m, drawn) / np.sqrt(_aligned(k, k, drawn) * _aligned(m, m, drawn)))


def _aligned(k: Array, m: Array, weights: Array) -> Array:
    """Squared norm of Y'X for X and Y that are centred under each row of weights, from their kernels: float64 [r]."""
    total = weights.sum(1)
    of_k, of_m = weights @ k, weights @ m
    crossed = (weights * (weights @ (k * m))).sum(1) - 2 * (weights * of_k * of_m).sum(1) / total
    return np.asarray(crossed + (weights * of_k).sum(1) * (weights * of_m).sum(1) / total**2)
