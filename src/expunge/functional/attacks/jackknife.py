r"""How a mean over pictures would vary had other models been trained, from the same mean with some models left out.

A bootstrap over people holds the models fixed. What a training does to all pictures alike it never sees: two groups of
models that differ by luck alone are then told apart far too often.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from expunge.functional.stats import weighted_mean

Array = np.ndarray[Any, np.dtype[Any]]
MOST, FEWEST = 16, 4  # leavings-out, each of which costs as much as the estimate itself; models for any


def left_out(measure: Callable[..., Array], *groups: Array) -> Array:
    """A measurement without some models, again and again: each time as many of every group, at most 16 times.

    Args:
        measure: makes one number a picture, [n], or several, [n, k], of the groups.
        groups: answers of N models each, [N, n]; at least four models, which have nothing to do with those of the
            other groups.

    Returns:
        [G, n] or [G, n, k].

    Raises:
        ValueError: the groups differ in size, or are smaller.

    Reference: Shao and Tu 1995, "The jackknife and bootstrap", delete-d jackknife.
    """
    models = len(groups[0])
    if models < FEWEST or any(len(group) != models for group in groups):
        raise ValueError(f"expected groups of as many models, at least {FEWEST}, came {[len(g) for g in groups]}")
    blocks = np.arange(models)[: models // _size(models) * _size(models)].reshape(-1, _size(models))
    return np.stack([measure(*(np.delete(group, block, axis=0) for group in groups)) for block in blocks])


def luck(without: Array, models: int, weights: Array, *, seed: int) -> Array:
    r"""Draws of what other models would have added to a mean over pictures, normal around 0.

    With $\theta_g$ the mean without block g of G blocks of d models each, and $\bar\theta$ the mean of these,

    $$\sigma^2 = \frac{N - d}{d \, G} \sum_g (\theta_g - \bar\theta)^2$$

    less the part that is each person's own: the bootstrap over people holds it already, and it would count twice.

    Args:
        without: of `left_out`, [G, n].
        models: N, of each group.
        weights: of the bootstrap over people, [1 + r, n]; row 0 is the sample itself.
        seed: of the draws. With the same seed, draws for two measurements on the same models belong together.

    Returns:
        float64 [1 + r], to be added to the draws over people; the first is 0.

    Reference: Shao and Tu 1995, delete-d jackknife; that the draws are normal is our own.
    """
    size = _size(models)
    factor = (models - size) / (size * len(without))
    apart = without - without.mean(0)
    means = np.stack([weighted_mean(row, weights) for row in apart])  # [G, 1 + r]
    whole, own = factor * (means[:, 0] ** 2).sum(), factor * np.nanvar(means[:, 1:], axis=1).sum()
    share = np.sqrt(max(0.0, 1 - own / whole)) if whole > 0 else 0.0
    drawn = np.random.default_rng(seed).standard_normal((weights.shape[0] - 1, len(without)))
    return np.concatenate([np.zeros(1), share * np.sqrt(factor) * (drawn @ means[:, 0])])


def _size(models: int) -> int:
    """Models in a block."""
    return -(-models // MOST)
