"""Classifiers that are judged on owners they never saw: held-out scores and guesses, one per picture.

Inputs, what is to be told, and owners flow in; arrays flow out. Nothing that was fitted on a picture or on another
picture of its owner ever judges it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

from expunge.errors import Unavailable

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

Array = np.ndarray[Any, np.dtype[Any]]
FOLDS = 5
PENALTY = 0.01  # inverse strength; features are many and people few
STEPS = 200  # of the solver; by then the order of the scores no longer changes


def linear_probe() -> ClassifierMixin:
    """A logistic regression on standardised features, classes weighted to be equal: what is linearly readable."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=STEPS))


def support_vectors() -> ClassifierMixin:
    """A support vector machine with a radial kernel on standardised signals, scikit-learn's defaults otherwise.

    Classes are weighted to be equal, so that calling everybody the larger side gains nothing.

    Reference: Fan et al. 2024 (SalUn), evaluation.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(class_weight="balanced"))


def held_out_scores(classifier: ClassifierMixin, inputs: Array, side: Array, owners: Array, *, seed: int) -> Array:
    """How much like a member each picture looks to a classifier fitted on other owners.

    Args:
        classifier: of scikit-learn, with `decision_function`; not changed.
        inputs: float [n, s].
        side: bool [n], whether a picture is a member.
        owners: whose picture it is [n]; where nobody knows, n different ones.
        seed: of the folds.

    Returns:
        float64 [n] in 0..1: ranks within each fold, since scores of different classifiers have no common zero.

    Raises:
        Unavailable: a side has fewer than two owners, so that no classifier could be fitted without one of them.

    Example:
        >>> side = np.repeat([True, False], 4)
        >>> held_out_scores(linear_probe(), side[:, None] * 1.0, side, np.arange(8), seed=0)
        array([0.75, 0.75, 0.75, 0.75, 0.25, 0.25, 0.25, 0.25])
    """
    scores = np.empty(len(side))
    for held, fitted in _fitted(classifier, inputs, side, folds(side, owners, seed=seed)):
        scores[held] = (scipy.stats.rankdata(fitted.decision_function(inputs[held])) - 0.5) / held.sum()
    return scores


def held_out_guesses(classifier: ClassifierMixin, inputs: Array, labels: Array, owners: Array, *, seed: int) -> Array:
    """The class of every picture as a classifier guesses it that was fitted on other owners: int [n].

    Args:
        labels: int [n]. The others as in `held_out_scores`.

    Raises:
        Unavailable: there are fewer than two owners, or without some of them fewer than two classes.
    """
    guesses = np.empty_like(labels)
    for held, fitted in _fitted(classifier, inputs, labels, folds(np.ones(len(labels), bool), owners, seed=seed)):
        guesses[held] = fitted.predict(inputs[held])
    return guesses


def folds(side: Array, owners: Array, *, seed: int) -> Array:
    """A fold for every picture, int64 [n]: whole owners, dealt in turn, so that the owners of either side fall apart.

    Raises:
        Unavailable: a side has fewer than two owners.
    """
    names, owner = np.unique(owners, return_inverse=True)
    counts = [len(np.unique(owner[side == value])) for value in np.unique(side)]
    if min(counts) < 2:
        raise Unavailable(f"not estimable: a side shows {min(counts)} subject, and two are needed to hold one out")
    member = np.bincount(owner[side], minlength=len(names)) > 0
    other = np.bincount(owner[~side], minlength=len(names)) > 0
    # those on both sides in the middle, so that the owners of either side follow each other
    order = np.lexsort((np.random.default_rng(seed).random(len(names)), member.astype(int) - other.astype(int)))
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    dealt: Array = (place % min(FOLDS, *counts))[owner]
    return dealt


def _fitted(classifier: ClassifierMixin, inputs: Array, told: Array, fold: Array) -> list[tuple[Array, Any]]:
    """Each fold's pictures with a classifier fitted on the others."""
    from sklearn.base import clone

    if any(len(np.unique(told[fold != number])) < 2 for number in np.unique(fold)):
        raise Unavailable("not estimable: the pictures that are left to fit on show fewer than two classes")
    with threadpool_limits(1):  # matrices are small: threads would only wait for each other
        return [
            (fold == number, clone(classifier).fit(inputs[fold != number], told[fold != number]))
            for number in np.unique(fold)
        ]
