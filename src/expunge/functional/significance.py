"""Whether a difference is more than chance: intervals over repetitions, paired bootstrap tests, many tests at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

Array = np.ndarray[Any, np.dtype[Any]]


def t_interval(values: Sequence[float], *, level: float = 0.95) -> tuple[float, float]:
    r"""Student's interval for the mean of independent repetitions.

    $$\bar v \pm t_{n-1} \, s / \sqrt n$$

    Args:
        values: one number a repetition, at least two.
        level: of confidence, 0..1.

    Raises:
        ValueError: fewer than two values say nothing about their variation.

    Example:
        >>> t_interval([1.0, 1.0, 1.0])
        (1.0, 1.0)
    """
    if len(values) < 2:
        raise ValueError(f"expected at least two values, came {len(values)}")
    middle = float(np.mean(values))
    half = float(scipy.stats.t.ppf((1 + level) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return middle - half, middle + half


def paired_p(draws: Array) -> float:
    """Two-sided p-value of a paired difference: twice the share of draws on the rarer side of zero.

    Args:
        draws: bootstrap draws of the difference [r], without the estimate itself; NaN (nothing was drawn) is left out.

    Returns:
        0 < p <= 1; never 0, since r draws cannot show less than 2 / (r + 1). The p at which the percentile interval of
        the difference just reaches zero.

    Reference: Davison and Hinkley 1997; Efron and Tibshirani 1993.

    Example:
        >>> paired_p(np.array([0.1, 0.2, 0.3])), paired_p(np.zeros(3))
        (0.5, 1.0)
    """
    known = draws[~np.isnan(draws)]
    rarer = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (1 + rarer) / (1 + len(known)))


def against_best(values: Mapping[str, Array]) -> tuple[str, dict[str, tuple[Array, float, float]]]:
    """The smallest of several paired values, and how each other one differs from it.

    Args:
        values: by name, the value itself and then its bootstrap draws, [1 + r], drawn together.

    Returns:
        The name of the smallest; for each other name the difference (value and draws), its p-value and that after Holm.

    Example:
        >>> best, others = against_best({"a": np.array([0.2, 0.3, 0.2]), "b": np.array([0.1, 0.1, 0.1])})
        >>> best, others["a"][1:]
        ('b', (0.6666666666666666, 0.6666666666666666))
    """
    best = min(values, key=lambda name: float(values[name][0]))
    gaps = {name: found - values[best] for name, found in values.items() if name != best}
    p_values = {name: paired_p(gap[1:]) for name, gap in gaps.items()}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return best, {name: (gap, p_values[name], adjusted[name]) for name, gap in gaps.items()}


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being several: those at or below a level are significant together at that level.

    Args:
        p_values: in any order; the answer keeps it.

    Reference: Holm 1979, "A simple sequentially rejective multiple test procedure".

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, at in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = largest
    return adjusted
