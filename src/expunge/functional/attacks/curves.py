"""How good an attack is, from its scores on members and non-members: curves, and guesses that were held out.

Scores in, numbers out; higher means member. Weighted versions for resampling are in `functional.stats`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from expunge.errors import Unavailable
from expunge.functional.membership import FOLDS, held_out_hits
from expunge.functional.stats import weighted_auroc, weighted_tpr

Array = np.ndarray[Any, np.dtype[Any]]
FALSE_POSITIVES = 10  # fewer expected ones than this, and a rate at a low FPR says nothing


@dataclass(frozen=True)
class Roc:
    """Points of a curve, from nobody called a member to everybody.

    Args:
        fpr, tpr: shares of non-members and of members at or above each threshold, float64, 0..1, rising.
        thresholds: the scores themselves, falling from infinity.
    """

    fpr: Array
    tpr: Array
    thresholds: Array


def roc(members: Array, others: Array) -> Roc:
    """Every trade of false for true positives that a threshold on the score can make.

    Args:
        members, others: scores [n], [m]; higher means member.

    Example:
        >>> roc(np.array([3.0, 1.0]), np.array([2.0, 0.0])).tpr
        array([0. , 0.5, 0.5, 1. , 1. ])
    """
    side = np.r_[np.ones(len(members)), np.zeros(len(others))]
    return Roc(*roc_curve(side, np.r_[members, others], drop_intermediate=False))


def auroc(members: Array, others: Array) -> float:
    """Probability that a member scores higher than a non-member, ties counting one half. Args as in `roc`."""
    return float(weighted_auroc(members, others, *_ones(members, others))[0])


def tpr_at_fpr(members: Array, others: Array, *, fpr: float) -> float:
    """Share of members above the lowest threshold that at most `fpr` of the non-members exceed.

    Raises:
        Unavailable: fewer than 10 false positives are expected, so that chance alone would decide the threshold.
    """
    if why := why_no_tpr(len(others), fpr):
        raise Unavailable(why)
    return float(weighted_tpr(members, others, *_ones(members, others), fpr=fpr)[0])


def why_no_tpr(others: int, fpr: float) -> str:
    """Why a true positive rate at this false positive rate is not estimable from so many non-members; "" if it is.

    Example:
        >>> why_no_tpr(300, 0.01)
        'not estimable with n = 300: needs at least 1,000 non-members, for 10 false positives'
    """
    needed = round(FALSE_POSITIVES / fpr)
    if others >= needed:
        return ""
    return (
        f"not estimable with n = {others}: needs at least {needed:,} non-members, for {FALSE_POSITIVES} false positives"
    )


def threshold_hits(members: Array, others: Array, *, seed: int = 0) -> tuple[Array, Array]:
    """Whether each picture's side is told right by the threshold that is best on the *other* half of the pictures.

    The best threshold is the one of the highest balanced accuracy; on the half that it was chosen on it would flatter
    itself.

    Args:
        members, others: scores [n], [m]; higher means member.
        seed: of the halves, each with half of either side.

    Returns:
        float64 [n], [m]: 1 where the guess is right; see `balanced_accuracy`.

    Raises:
        ValueError: a side has fewer than two pictures.
    """
    if min(len(members), len(others)) < 2:
        raise ValueError(f"expected at least two pictures a side, came {len(members)} and {len(others)}")
    side, scores = np.r_[np.ones(len(members)), np.zeros(len(others))], np.r_[members, others]
    right = np.zeros(len(side))
    for chosen_on, applied_to in StratifiedKFold(2, shuffle=True, random_state=seed).split(scores, side):
        at = _best_threshold(scores[chosen_on], side[chosen_on])
        right[applied_to] = (scores[applied_to] >= at) == side[applied_to]
    return right[: len(members)], right[len(members) :]


def svc_hits(members: Array, others: Array, *, folds: int = FOLDS, seed: int = 0) -> tuple[Array, Array]:
    """Whether a support vector machine on several signals, trained on other pictures, tells each picture's side right.

    Signals are standardised on the training folds. Radial kernel with scikit-learn's defaults; the classes are
    weighted to be equal, so that guessing the larger side gains nothing.

    Args:
        members, others: signals [n, s], [m, s], for instance the columns of `membership_scores`.
        folds, seed: as in `attack_hits`.

    Returns and Raises as in `threshold_hits`.
    """
    machine = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    return held_out_hits(machine, members, others, folds=folds, seed=seed)


def balanced_accuracy(right: Array, wrong: Array) -> float:
    """Mean of the two sides' shares of right guesses, 0..1; .5 for any constant guess, however unequal the sides.

    Example:
        >>> balanced_accuracy(np.array([1.0, 0.0]), np.array([1.0, 1.0, 1.0, 1.0]))
        0.75
    """
    return float((right.mean() + wrong.mean()) / 2)


def _best_threshold(scores: Array, side: Array) -> float:
    found = roc(scores[side == 1], scores[side == 0])
    # whole numbers, so that thresholds equally good stay equal and the highest of them is taken, on any machine
    gain = np.rint((found.tpr - found.fpr) * (side == 1).sum() * (side == 0).sum())
    return float(found.thresholds[np.argmax(gain)])


def _ones(members: Array, others: Array) -> tuple[Array, Array]:
    return np.ones((1, len(members))), np.ones((1, len(others)))
