"""The forgetting quality of the NeurIPS 2023 unlearning challenge: are unlearned and retrained models told apart?

For each forget picture, attackers see its logit-scaled confidence under many unlearned and many retrained models. Their
best trade of false positives against false negatives gives an epsilon as in differential privacy, a bin of epsilons
gives points, and the mean of the points is the quality.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from expunge.errors import Unavailable
from expunge.functional.attacks.floor import BesideFloor, same_models

Array = np.ndarray[Any, np.dtype[Any]]
DELTA = 1e-5
CAP = 50.0
BIN = 0.5
PEAKED = 0.01  # a side whose range is below this share of the other's gives itself away
SLACK = 2.0  # how far an interval may be shifted or differ in width from the narrower side's range


def forgetting_quality(unlearned: Array, retrained: Array, again: Array) -> BesideFloor:
    """`points` of every picture, beside those of other retrained models in the place of the unlearned ones.

    Their mean is the quality. The challenge's final score multiplies it with the unlearned models' accuracy over the
    retrained ones', on retain and on test pictures; these ratios are not in it.

    Args:
        unlearned: logit-scaled confidences of N unlearned models on the forget pictures, [N, n].
        retrained, again: of two groups of N retrained models, [N, n] each, with no model in both.

    Returns:
        float64 [n] each, 0..1; higher is nearer to retraining, the floor the target, which is below 1.

    Raises:
        ValueError: the sides differ in their number of models.
        Unavailable: fewer than three models a side.

    Reference: Triantafillou et al. 2024 (arXiv 2406.09073); N = 512 there.
    """
    models = same_models(unlearned, retrained, again)
    value, floor = (points(epsilons(side, retrained), models) for side in (unlearned, again))
    return BesideFloor(value, floor, models)


def points(epsilon: Array, models: int) -> Array:
    """What a picture earns: 1 for an epsilon in 0...5, then half as much for every further .5.

    Nothing above the largest epsilon that so many models can show, log(models - 1) rounded up.

    Example:
        >>> points(np.array([0.2, 0.5, 1.4, 50.0]), 512)
        array([1.  , 0.5 , 0.25, 0.  ])
    """
    _enough(models)
    column = np.floor(epsilon / BIN)
    return np.where(column < np.ceil(np.log(models - 1)) / BIN, 0.5**column, 0.0)


def epsilons(unlearned: Array, retrained: Array) -> Array:
    r"""How well the best of many simple attacks tells the two sides apart, picture by picture.

    $$\varepsilon = \max \max\left\{ \log\frac{1 - \delta - \mathrm{FPR}}{\mathrm{FNR}},
                                     \log\frac{1 - \delta - \mathrm{FNR}}{\mathrm{FPR}} \right\}$$

    over two families of attacks: one threshold, above which a model belongs to the side with the larger median; and
    two thresholds, between which it belongs to the side with the narrower range. Attacks that make one kind of error
    but not the other are left out, as so few models cannot tell how rare it is; one that makes none gives 50, as does
    a side a hundred times narrower than the other.

    Args:
        unlearned, retrained: logit-scaled confidences, [N, n] each.

    Returns:
        float64 [n] in 0..50; 0 cannot be told apart.

    Raises:
        Unavailable: fewer than three models a side.

    Reference: Triantafillou et al. 2024 (arXiv 2406.09073) and the evaluation published with it.
    Differs from that evaluation, which tries thresholds on a grid of .01: here are all that its grid stands for.

    Example:
        >>> one, other = np.arange(8.0)[:, None], np.arange(8.0)[:, None] + 20
        >>> epsilons(one, other), epsilons(one, one)
        (array([50.]), array([0.]))
    """
    if unlearned.shape != retrained.shape:
        raise ValueError(f"expected as many models and pictures on both sides, came {unlearned.shape, retrained.shape}")
    _enough(len(unlearned))
    return np.array([_epsilon(*sides) for sides in zip(unlearned.T, retrained.T, strict=True)])


def _enough(models: int) -> None:
    if models < 3:
        raise Unavailable(f"not estimable with {models} models a side: needs at least 3 for any epsilon above 0")


def _epsilon(unlearned: Array, retrained: Array) -> float:
    high, low = unlearned, retrained
    if np.median(retrained) > np.median(unlearned):
        high, low = retrained, unlearned
    narrow, wide = sorted((np.ptp(high), np.ptp(low)))
    if wide == 0 and high[0] == low[0]:
        return 0.0
    if narrow < PEAKED * wide or high.min() > low.max():
        return CAP
    best = max(_one_threshold(high, low), _two_thresholds(high, low))
    # no attack makes both errors: the sides meet in one value, which is as good as apart
    return CAP if best < 0 else float(best)


def _one_threshold(high: Array, low: Array) -> float:
    at = np.r_[high, low]
    missed, taken = np.searchsorted(np.sort(high), at), len(low) - np.searchsorted(np.sort(low), at)
    return float(_table(len(high))[missed, taken].max())


def _two_thresholds(high: Array, low: Array) -> float:
    """The best interval [left, right] whose inside is said to be the narrower side.

    It ends within SLACK of where the narrower side ends, and is at most SLACK wider or narrower than its range.
    All intervals that hold the same values are one attack: it counts if any of them is allowed.
    """
    inner, outer = (low, high) if np.ptp(high) >= np.ptp(low) else (high, low)
    values = np.unique(np.r_[high, low])
    width, end = np.ptp(inner), inner.max()
    before, after = np.r_[-np.inf, values[:-1]], np.r_[values[1:], np.inf]
    first_end, last_end = np.maximum(values, end - SLACK), np.minimum(after, end + SLACK)
    shortest, longest = first_end[None] - values[:, None], last_end[None] - before[:, None]
    ends = (first_end < after) & (first_end <= end + SLACK)
    allowed = ends[None] & (shortest <= width + SLACK) & (longest > width - SLACK) & (values[:, None] <= values[None])
    held = [
        np.searchsorted(s, values, "right")[None] - np.searchsorted(s, values)[:, None]
        for s in (np.sort(inner), np.sort(outer))
    ]
    found = _table(len(high))[len(inner) - held[0][allowed], held[1][allowed]]
    return float(found.max(initial=-np.inf))


@cache
def _table(models: int) -> Array:
    """Epsilon of an attack that misses i of the one side and takes j of the other: [models + 1, models + 1]."""
    error = np.arange(models + 1) / models
    with np.errstate(divide="ignore", invalid="ignore"):
        one = np.log(1 - DELTA - error)[None] - np.log(error)[:, None]
        found = np.fmax(0.0, np.fmax(one, one.T))  # the logarithm of a negative number is no attack
    found[0, :] = found[:, 0] = -np.inf
    found[0, 0] = CAP
    return np.asarray(np.minimum(found, CAP))
