r"""Whether two sets of pictures come from the same source: can a classifier that never saw them tell them apart?

Features, sides and owners flow in; a held-out AUROC and its permutation p-value flow out. What the features are is
decided elsewhere; those of a model trained on one of the sets would show membership instead of a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from scipy.special import expit
from threadpoolctl import threadpool_limits

Array = np.ndarray[Any, np.dtype[Any]]

FOLDS = 5
DRAWS = 399
ENOUGH = 20  # draws at least as large as the sample's value, after which the p-value is clear
COMPONENTS = 32  # of the features, taken from both sides together
PENALTY = 10.0  # of squared coefficients over two: features are many and people few
STEPS = 5  # of Newton's method; from 0 and with this penalty the order of the scores no longer changes


@dataclass(frozen=True)
class TwoSample:
    """How well two sets are told apart.

    Args:
        auroc: of held-out scores, 0..1; .5 is guessing.
        p: permutation p-value of the AUROC.
        draws: permutations that were needed.
    """

    auroc: float
    p: float
    draws: int


def two_sample(features: Array, side: Array, owners: Array, *, draws: int = DRAWS, seed: int = 0) -> TwoSample:
    """Classifier two-sample test: a logistic regression, cross-validated by owner; p by exchanging whole owners.

    The classifier is fitted anew for every permutation, so that the test keeps its level whatever the features are.
    Owners with pictures in one set are exchanged for each other; of owners with pictures in both, the two parts are.
    Permutations stop once `ENOUGH` of them reach the sample's value; p stays valid (Besag and Clifford 1991).

    Args:
        features: float [n, d].
        side: bool [n], which of the two sets a picture is in.
        owners: whose picture it is [n]; where nobody knows, n different ones.
        draws: most permutations.
        seed: of folds and permutations.

    Raises:
        ValueError: a side has fewer than two owners.

    Reference: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests".

    Example:
        >>> x = np.repeat([0.0, 1.0], 20)[:, None]
        >>> two_sample(x, x[:, 0] > 0, np.arange(40), draws=19).auroc
        1.0
    """
    units, of = _units(side, owners)
    counts = int((units.side == 1).sum()), int((units.side == 0).sum())
    if min(counts) < 2:
        raise ValueError(f"expected at least two owners a side, came {counts[0]} and {counts[1]}")
    made = np.random.default_rng(seed)
    larger = done = 0
    with threadpool_limits(1):  # matrices are small: threads would only wait for each other
        scaled = _whitened(features)
        ours = _held_out(scaled, units, of, made)
        while done < draws and larger < ENOUGH:
            larger += _held_out(scaled, units.exchanged(made), of, made) >= ours
            done += 1
    # stopped early, the last draw is one of those counted; else the sample itself counts as a draw
    p = larger / done if larger == ENOUGH else (1 + larger) / (1 + done)
    return TwoSample(ours, p, done)


@dataclass(frozen=True)
class _Units:
    """What is exchanged: the pictures of one owner in one set. Sorted by owner; `side` is 0 or 1, all int64 [u]."""

    owner: Array
    side: Array

    @property
    def shared(self) -> Array:
        """bool [u]: units whose owner is in both sets; they stand in pairs."""
        twice = self.owner[1:] == self.owner[:-1]
        shared: Array = np.r_[twice, False] | np.r_[False, twice]
        return shared

    def exchanged(self, made: np.random.Generator) -> _Units:
        """The same with sides exchanged at random; every side keeps its number of owners."""
        side, shared = self.side.copy(), self.shared
        side[~shared] = made.permutation(side[~shared])
        side[shared] ^= np.repeat(made.integers(0, 2, int(shared.sum()) // 2), 2)
        return _Units(self.owner, side)

    def folds(self, made: np.random.Generator) -> Array:
        """A fold for every unit: whole owners, dealt in turn, so that the owners of either side fall apart."""
        order = np.lexsort((made.random(self.owner.max() + 1)[self.owner], np.where(self.shared, 1, 2 * self.side)))
        place = np.empty(self.owner.max() + 1, np.int64)
        place[list(dict.fromkeys(self.owner[order].tolist()))] = np.arange(len(place))
        fold: Array = place[self.owner] % FOLDS
        return fold


def _units(side: Array, owners: Array) -> tuple[_Units, Array]:
    """All units, and that of every picture."""
    pairs = np.stack([np.unique(owners, return_inverse=True)[1].reshape(-1), side.astype(np.int64)], axis=1)
    units, of = np.unique(pairs, axis=0, return_inverse=True)
    return _Units(units[:, 0], units[:, 1]), of.reshape(-1)


def _whitened(features: Array) -> Array:
    """The leading principal components, each with deviation 1: float64 [n, at most 32]; sides play no part in them."""
    centred = features - features.mean(0)
    scaled = centred / np.maximum(centred.std(0), 1e-9)
    left, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = sizes[:COMPONENTS] > 1e-6 * sizes[0]
    whitened: Array = left[:, :COMPONENTS][:, kept] * np.sqrt(len(features))
    return whitened


def _held_out(features: Array, units: _Units, of: Array, made: np.random.Generator) -> float:
    """AUROC of scores from classifiers that saw neither the picture nor its owner."""
    fold, side = units.folds(made)[of], units.side[of] == 1
    held = fold == np.unique(fold)[:, None]
    scores = _logistic(features, side, ~held) @ features.T
    ranks = np.empty(len(side))
    for out, score in zip(held, scores, strict=True):
        # ranks within the fold: scores of different classifiers have no common zero
        ranks[out] = scipy.stats.rankdata(score[out]) / (1 + out.sum())
    return _auroc(ranks[side], ranks[~side])


def _logistic(features: Array, side: Array, seen: Array) -> Array:
    """Coefficients [f, d] of ridge-penalised logistic regressions, each on the pictures of a row of `seen` [f, n].

    Both sides weigh the same. Newton's method for all at once: a permutation test fits thousands of them.
    """
    x = np.c_[features, np.ones(len(features))]
    ours = seen & side
    balance = ours / ours.sum(1, keepdims=True) + (seen & ~side) / (seen & ~side).sum(1, keepdims=True)
    balance *= seen.sum(1, keepdims=True) / 2
    penalty = PENALTY * np.diag(np.r_[np.ones(features.shape[1]), 0.0])
    found = np.zeros((len(seen), x.shape[1]))
    for _ in range(STEPS):
        guess = expit(found @ x.T)
        slope = (balance * (guess - side)) @ x + found @ penalty
        bend = (x.T * (balance * guess * (1 - guess))[:, None, :]) @ x + penalty
        found -= np.linalg.solve(bend + 1e-6 * np.eye(x.shape[1]), slope[..., None])[..., 0]
    return found[:, :-1]


def _auroc(members: Array, others: Array) -> float:
    n, m = len(members), len(others)
    ranks = scipy.stats.rankdata(np.r_[members, others])[:n]
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))
