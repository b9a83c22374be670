"""Estimates under resampling weights: the same code gives the estimate (weights of one) and its bootstrap draws.

Arrays in, arrays out. Weights are [r, n]: one row per resample, one column per picture; row 0 is the sample itself.
They are kept as bytes and worked on in blocks of rows, so that memory stays small for 100,000 pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
BLOCK = 1 << 21  # weights worked on at a time: 16 MiB as float64


def bootstrap_weights(subjects: Array | None, n: int, *, draws: int, seed: int) -> Array:
    """How often each picture is in each resample; whole subjects are drawn, since their pictures are no strangers.

    Args:
        subjects: owner of each of the n pictures; None draws pictures.
        n: number of pictures.
        draws: number of resamples.
        seed: of the draws.

    Returns:
        uint8 [1 + draws, n]; row 0 is all ones. (A count over 255 needs more than 255 owners, and then has a
        probability below 1e-500.)

    Example:
        >>> bootstrap_weights(np.array(["a", "a", "b"]), 3, draws=1, seed=0).shape
        (2, 3)

    Reference: Efron and Tibshirani 1993, chapter 6; clusters as in Davison and Hinkley 1997.
    """
    owner = np.arange(n) if subjects is None else np.unique(subjects, return_inverse=True)[1].ravel()
    owners = int(owner.max()) + 1 if n else 0
    rng = np.random.default_rng(seed)
    weights = np.ones((1 + draws, n), dtype=np.uint8)
    for row in weights[1:] if n else ():
        row[:] = np.bincount(rng.integers(owners, size=owners), minlength=owners).astype(np.uint8)[owner]
    return weights


def weighted_mean(values: Array, weights: Array) -> Array:
    """Mean of `values` [n] under each row of `weights` [r, n]: float64 [r]; NaN where nothing was drawn."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.concatenate([w @ values / w.sum(1) for (w,) in _blocks(weights)])


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
    order = np.argsort(others, kind="stable")
    ranked = others[order]
    below, not_above = np.searchsorted(ranked, members, "left"), np.searchsorted(ranked, members, "right")
    found = []
    for ours, theirs in _blocks(member_weights, other_weights):
        passed = np.pad(np.cumsum(theirs[:, order], axis=1), ((0, 0), (1, 0)))
        wins = (passed[:, below] + passed[:, not_above]) / 2  # a tie counts one half
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append((ours * wins).sum(1) / (ours.sum(1) * theirs.sum(1)))
    return np.concatenate(found)


def weighted_wins(members: Array, others: Array, other_weights: Array) -> Array:
    """Share of the non-members that each member's score exceeds, ties counting one half: float64 [r, n] in 0..1.

    Its mean over members is `weighted_auroc`. Args as there.

    Example:
        >>> weighted_wins(np.array([2.0, 1.0]), np.array([1.0, 0.0]), np.ones((1, 2)))
        array([[1.  , 0.75]])
    """
    order = np.argsort(others, kind="stable")
    below, not_above = (np.searchsorted(others[order], members, side) for side in ("left", "right"))
    found = []
    for (theirs,) in _blocks(other_weights):
        passed = np.pad(np.cumsum(theirs[:, order], axis=1), ((0, 0), (1, 0)))
        found.append((passed[:, below] + passed[:, not_above]) / (2 * theirs.sum(1, keepdims=True)))
    return np.concatenate(found)


def weighted_tpr(members: Array, others: Array, member_weights: Array, other_weights: Array, *, fpr: float) -> Array:
    """Share of members above the lowest threshold that at most `fpr` of the non-members exceed: float64 [r].

    Args:
        members, others: scores [n], [m]; higher means member. The weights as in `weighted_auroc`.
        fpr: 0..1; at 1 everybody is called a member.

    Returns:
        0..1; NaN where no member or no non-member was drawn.

    Example:
        >>> one = np.ones((1, 2))
        >>> weighted_tpr(np.array([2.0, 0.0]), np.array([3.0, 1.0]), one, one, fpr=0.5)
        array([0.5])
    """
    order = np.argsort(-others, kind="stable")
    # below the lowest non-member there is one more threshold, that calls everybody a member
    thresholds = np.append(others[order], -np.inf)
    found = []
    for ours, theirs in _blocks(member_weights, other_weights):
        above = np.cumsum(theirs[:, order], axis=1)
        # the first non-member that may not be exceeded: everything strictly above it is called a member; the slack
        # keeps products such as .29 * 100 from falling below the whole number that they are
        first = (above <= fpr * above[:, -1:] + 1e-9).sum(1)
        called = members[None, :] > thresholds[first][:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (ours * called).sum(1) / ours.sum(1)
        found.append(np.where(above[:, -1] > 0, share, np.nan))
    return np.concatenate(found)


def weighted_ece(confidence: Array, hit: Array, weights: Array, *, bins: int = 15) -> Array:
    """Expected calibration error over bins of equal numbers of pictures, under each weighting: float64 [r] in 0..1.

    Bins are cut once, on the unweighted sample; equal numbers keep the last bin of a confident model from
    holding everything.
    An absolute value is averaged, so resampling pushes it up: an interval leans towards higher values.

    Args:
        confidence: highest probability of each picture [n], 0..1.
        hit: whether it was right [n], 0 or 1.
        weights: [r, n].
        bins: number of bins.

    Reference: Naeini et al. 2015; equal-mass bins as in Nixon et al. 2019.
    """
    column = np.zeros(len(confidence), dtype=np.int64)
    for number, group in enumerate(np.array_split(np.argsort(confidence, kind="stable"), bins)):
        column[group] = number
    too_sure = np.zeros((len(confidence), bins))
    too_sure[np.arange(len(confidence)), column] = confidence - hit
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.concatenate([np.abs(w @ too_sure).sum(1) / w.sum(1) for (w,) in _blocks(weights)])


def js_divergence(p: Array, q: Array) -> Array:
    r"""Jensen-Shannon divergence between rows of probabilities, in bits.

    $$\mathrm{JSD}(p, q) = H\left(\tfrac{p+q}{2}\right) - \tfrac{H(p) + H(q)}{2}$$

    Args:
        p, q: [n, c], rows summing to 1.

    Returns:
        float64 [n] in 0..1; symmetric.

    Reference: Lin 1991, "Divergence measures based on the Shannon entropy".
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


def _blocks(*weights: Array) -> Iterator[list[Array]]:
    """The same rows of all `weights` as float64, few enough rows at a time to keep memory small."""
    rows = max(1, BLOCK // max(1, *(w.shape[1] for w in weights)))
    for start in range(0, len(weights[0]), rows):
        yield [w[start : start + rows].astype(np.float64) for w in weights]


def _entropy(p: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.where(p > 0, p * np.log2(p), 0.0).sum(-1))
