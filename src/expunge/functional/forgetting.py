"""Forgetting scores that methods steer by, on losses of forget pictures and *tuning* non-members only.

Arrays in, numbers out. What is reported about a model is measured elsewhere, on other pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

from expunge.functional.stats import bootstrap_weights

Array = np.ndarray[Any, np.dtype[Any]]


def forgetting_target(forget: Array, tuning: Array, forget_labels: Array, tuning_labels: Array) -> tuple[float, float]:
    r"""How well low losses tell forget from tuning pictures, and how well they would after retraining.

    A retrained model saw neither side, so that losses differ only as the two sides differ. What can be known of that
    without retraining is the mix of labels: the target is the AUROC of tuning pictures, reweighted to the labels of
    the forget set, against tuning pictures as they are.

    Args:
        forget, tuning: losses [n], [m].
        forget_labels, tuning_labels: int [n, k], [m, k]; joint labels are the strata. Labels of the forget set that
            no tuning picture has are left out of the target.

    Returns:
        AUROC of forget (members) against tuning, 0..1, and its estimated value for a retrained model.

    Example:
        >>> losses, labels = np.arange(4.0), np.zeros((4, 1), int)
        >>> forgetting_target(losses, losses, labels, labels)
        (0.5, 0.5)
    """
    m = len(tuning)
    member = np.r_[np.ones(len(forget)), np.zeros(m)]
    auroc = float(roc_auc_score(member, -np.r_[forget, tuning]))
    _, strata = np.unique(np.r_[forget_labels, tuning_labels], axis=0, return_inverse=True)
    strata = strata.ravel()
    ours, theirs = (np.bincount(s, minlength=strata.max() + 1) for s in (strata[: len(forget)], strata[len(forget) :]))
    weights = (ours / np.maximum(theirs, 1))[strata[len(forget) :]]
    if not weights.any():
        return auroc, 0.5
    both = np.r_[np.ones(m), np.zeros(m)]
    target = roc_auc_score(both, -np.r_[tuning, tuning], sample_weight=np.r_[weights, np.ones(m)])
    return auroc, float(target)


def published_forgetting_score(forget: Array, tuning: Array, *, seed: int = 0) -> float:
    """|accuracy - .5| of a logistic regression that tells forget from tuning losses, as the published DLFD code has it.

    Args:
        forget, tuning: losses [n], [m]; the two sides are not balanced, which is one of its faults.
        seed: of the 10 random splits (a tenth held out each).

    Returns:
        score in 0..0.5.

    Reference: evaluation/mia.py of the published code; Choi and Na 2025, section on evaluation.
    """
    member = np.r_[np.zeros(len(tuning)), np.ones(len(forget))]
    losses = np.r_[tuning, forget].reshape(-1, 1)
    splits = StratifiedShuffleSplit(n_splits=10, random_state=seed)
    accuracy = cross_val_score(LogisticRegression(), losses, member, cv=splits, scoring="accuracy")
    return float(abs(0.5 - accuracy.mean()))


def expected_error(tuning: Array, tuning_labels: Array, forget_labels: Array) -> float:
    """The mean error to expect on pictures with the labels of the forget set that the model never saw.

    Args:
        tuning: errors [m] of tuning non-members, 0..1.
        tuning_labels, forget_labels: int [m, k], [n, k]; joint labels are the strata. Forget labels that no tuning
            picture has count with the mean of all tuning pictures.

    Example:
        >>> expected_error(np.array([1.0, 0.0, 0.0]), np.array([[0], [0], [1]]), np.array([[0], [0], [0], [1]]))
        0.375
    """
    by_label: dict[tuple[int, ...], list[float]] = {}
    for label, error in zip(tuning_labels.tolist(), tuning.tolist(), strict=True):
        by_label.setdefault(tuple(label), []).append(error)
    overall = float(tuning.mean())
    found = [by_label.get(tuple(label)) for label in forget_labels.tolist()]
    return float(np.mean([np.mean(errors) if errors else overall for errors in found]))


@dataclass(frozen=True)
class Answers:
    """What a model answers to n pictures.

    Args:
        losses: float64 [n], in nats. hits: float64 [n], share of attributes answered right.
        labels: int64 [n, k]. subjects: owners [n], or None where nobody knows.
    """

    losses: Array
    hits: Array
    labels: Array
    subjects: Array | None

    def take(self, rows: Array) -> Answers:
        """Those at `rows`."""
        owners = None if self.subjects is None else self.subjects[rows]
        return Answers(self.losses[rows], self.hits[rows], self.labels[rows], owners)


def retraining_gaps(forget: Answers, tuning: Answers, gone: Array) -> dict[str, float]:
    """How far a model is from what a retrained one is expected to show on the forget set, without having one.

    Args:
        forget, tuning: what it answers.
        gone: bool [n], which forget pictures have a class that the retrained model would not know.

    Returns:
        `forget`: accuracy above that on tuning pictures of the same labels (on pictures that are gone: above 0);
        `auroc`: AUROC of low losses above the target of `forgetting_target`. Positive where too little was forgotten.

    Example:
        >>> same = Answers(np.array([1.0, 2.0]), np.array([1.0, 0.0]), np.zeros((2, 1), int), None)
        >>> retraining_gaps(same, same, np.array([False, False]))
        {'forget': 0.0, 'auroc': 0.0}
    """
    expected = 0.0
    if not gone.all():
        expected = float((~gone).mean()) * (1 - expected_error(1 - tuning.hits, tuning.labels, forget.labels[~gone]))
    auroc, target = forgetting_target(forget.losses, tuning.losses, forget.labels, tuning.labels)
    return {"forget": float(forget.hits.mean()) - expected, "auroc": auroc - target}


def gap_errors(forget: Answers, tuning: Answers, gone: Array, *, seed: int, draws: int = 100) -> dict[str, float]:
    """Standard errors of `retraining_gaps` that come from who happened to be on either side: subjects are resampled.

    Args:
        forget, tuning, gone: as there. seed: of the draws. draws: how many.
    """
    sides = (forget, tuning)
    weights = [
        bootstrap_weights(side.subjects, len(side.losses), draws=draws, seed=seed + number)[1:]
        for number, side in enumerate(sides)
    ]
    found: dict[str, list[float]] = {}
    for ours, theirs in zip(*weights, strict=True):
        rows, others = (np.repeat(np.arange(len(w)), w) for w in (ours, theirs))
        for name, gap in retraining_gaps(forget.take(rows), tuning.take(others), gone[rows]).items():
            found.setdefault(name, []).append(gap)
    return {name: float(np.std(gaps, ddof=1)) for name, gaps in found.items()}
