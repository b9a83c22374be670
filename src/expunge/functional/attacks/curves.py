"""How good an attack is, from its scores on members and non-members.

Scores in, numbers out; higher means member. Weighted versions for resampling are in `functional.stats`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from expunge.errors import Unavailable
from expunge.functional.stats import weighted_auroc, weighted_tpr

Array = np.ndarray[Any, np.dtype[Any]]
FALSE_POSITIVES = 10  # fewer expected ones than this, and a rate at a low FPR says nothing


def auroc(members: Array, others: Array) -> float:
    """Probability that a member scores higher than a non-member, ties counting one half.

    Args:
        members, others: scores [n], [m]; higher means member.
    """
    return float(weighted_auroc(members, others, *_ones(members, others))[0])


def tpr_at_fpr(members: Array, others: Array, *, fpr: float) -> float:
    """Share of members above the lowest threshold that at most `fpr` of the non-members exceed. Args as in `auroc`.

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


def _ones(members: Array, others: Array) -> tuple[Array, Array]:
    return np.ones((1, len(members))), np.ones((1, len(others)))
