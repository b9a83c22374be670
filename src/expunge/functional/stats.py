"""Estimates under resampling weights: the same code gives the estimate (weights of one) and its bootstrap draws.

Arrays in, arrays out. Weights are [r, n]: one row per resample, one column per picture; row 0 is the sample itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def bootstrap_weights(subjects: Array | None, n: int, *, draws: int, seed: int) -> Array:
    """How often each picture is in each resample; whole subjects are drawn, since their pictures are no strangers.

    Args:
        subjects: owner of each of the n pictures; None draws pictures.
        n: number of pictures.
        draws: number of resamples.
        seed: of the draws.

    Returns:
        float64 [1 + draws, n]; row 0 is all ones.

    Example:
        >>> bootstrap_weights(np.array(["a", "a", "b"]), 3, draws=1, seed=0).shape
        (2, 3)

    Reference: Efron and Tibshirani 1993, chapter 6; clusters as in Davison and Hinkley 1997, section 3.8.
    """
    owner = np.arange(n) if subjects is None else np.unique(subjects, return_inverse=True)[1].ravel()
    owners = int(owner.max()) + 1 if n else 0
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(owners, np.full(owners, 1 / owners), size=draws).astype(np.float64)
    return np.vstack([np.ones((1, n)), counts[:, owner]])


def weighted_mean(values: Array, weights: Array) -> Array:
    """Mean of `values` [n] under each row of `weights` [r, n]: float64 [r]; NaN where nothing was drawn."""
    total = weights.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weights @ values / total)


def weighted_auroc(members: Array, others: Array, member_weights: Array, other_weights: Array) -> Array:
    """Probability that a member scores higher than a non-member, ties counting one half, under each weighting.

    Args:
        members, others: scores [n], [m]; higher means member.
        member_weights, other_weights: [r, n], [r, m].

    Returns:
        float64 [r] in 0..1.

    Example:
        >>> one = np.ones((1, 2))
        >>> weighted_auroc(np.array([2.0, 1.0]), np.array([1.0, 0.0]), one, one)
        array([0.875])
    """
    _, rank = np.unique(np.r_[members, others], return_inverse=True)
    rank = rank.ravel()
    levels = int(rank.max()) + 1
    ours = _by_level(rank[: len(members)], member_weights, levels)
    theirs = _by_level(rank[len(members) :], other_weights, levels)
    below = np.cumsum(theirs, axis=1) - theirs / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((ours * below).sum(1) / (ours.sum(1) * theirs.sum(1)))


def weighted_tpr(members: Array, others: Array, member_weights: Array, other_weights: Array, *, fpr: float) -> Array:
    """Share of members above the lowest threshold that at most `fpr` of the non-members exceed: float64 [r].

    Args:
        members, others: scores [n], [m]; higher means member. The weights as in `weighted_auroc`.
    """
    order = np.argsort(-others, kind="stable")
    weights = other_weights[:, order]
    above = np.cumsum(weights, axis=1)
    # the first non-member that may not be exceeded: everything strictly above it is called a member
    first = np.minimum((above <= fpr * above[:, -1:]).sum(1), len(others) - 1)
    threshold = others[order][first]
    called = members[None, :] > threshold[:, None]
    return np.asarray((member_weights * called).sum(1) / member_weights.sum(1))


def weighted_ece(confidence: Array, hit: Array, weights: Array, *, bins: int = 15) -> Array:
    """Expected calibration error over bins of equal numbers of pictures, under each weighting: float64 [r] in 0..1.

    Args:
        confidence: highest probability of each picture [n], 0..1.
        hit: whether it was right [n], 0 or 1.
        weights: [r, n].
        bins: number of bins.

    Reference: Naeini et al. 2015; equal-mass bins as in Nixon et al. 2019, section 3.
    """
    groups = np.array_split(np.argsort(confidence, kind="stable"), bins)
    total = weights.sum(1)
    off = [np.abs(weights[:, g] @ (confidence[g] - hit[g])) for g in groups if len(g)]
    return np.asarray(np.sum(off, axis=0) / total)


def js_divergence(p: Array, q: Array) -> Array:
    r"""Jensen-Shannon divergence between rows of probabilities, in bits.

    $$\mathrm{JSD}(p, q) = H\left(\tfrac{p+q}{2}\right) - \tfrac{H(p) + H(q)}{2}$$

    Args:
        p, q: [n, c], rows summing to 1.

    Returns:
        float64 [n] in 0..1; symmetric.

    Reference: Lin 1991, equation 3.4.
    """
    middle = (p + q) / 2
    return np.maximum(0.0, _entropy(middle) - (_entropy(p) + _entropy(q)) / 2)


def interval(draws: Array) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrap draws; draws that are NaN (nothing was drawn) are left out."""
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(low), float(high)


def mean_of(parts: Sequence[Array]) -> Array:
    """Mean over a list of equally shaped arrays."""
    return np.asarray(np.mean(np.stack(list(parts)), axis=0))


def _by_level(rank: Array, weights: Array, levels: int) -> Array:
    summed = np.zeros((levels, weights.shape[0]))
    np.add.at(summed, rank, weights.T)
    return summed.T


def _entropy(p: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.where(p > 0, p * np.log2(p), 0.0).sum(-1))
