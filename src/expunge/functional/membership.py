"""Membership inference from losses: a class-balanced, cross-validated logistic regression, as in the DLFD paper."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

FOLDS = 10


def attack_hits(members: Array, others: Array, *, folds: int = FOLDS, seed: int = 0) -> tuple[Array, Array]:
    """Whether a logistic regression on the loss, trained on other pictures, tells each picture's side right.

    Args:
        members, others: losses [n], [m] of forget pictures and of non-members. The classes are weighted to be equal,
            so that guessing the larger side gains nothing.
        folds: parts of the cross-validation; fewer where a side is smaller than that.
        seed: of the folds.

    Returns:
        float64 [n], [m]: 1 where the held-out guess is right. Balanced accuracy is the mean of the two means.

    Raises:
        ValueError: a side has fewer than two pictures.

    Reference: Choi and Na 2025, evaluation; Kurmanji et al. 2023.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    splits = min(folds, len(members), len(others))
    if splits < 2:
        raise ValueError(f"expected at least two pictures a side, came {len(members)} and {len(others)}")
    side = np.r_[np.ones(len(members)), np.zeros(len(others))]
    folding = StratifiedKFold(splits, shuffle=True, random_state=seed)
    losses = np.r_[members, others].reshape(-1, 1)
    guess = cross_val_predict(LogisticRegression(class_weight="balanced"), losses, side, cv=folding)
    right = (guess == side).astype(np.float64)
    return right[: len(members)], right[len(members) :]
