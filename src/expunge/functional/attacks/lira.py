"""The likelihood-ratio attack (LiRA) and its form for unlearning (U-LiRA): every picture against its own shadows.

A picture's logit-scaled confidence under the audited model is compared with what models show that were, and that
were not, trained on this very picture. Each population is described by a Gaussian per picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import expit

from expunge.errors import Unavailable

Array = np.ndarray[Any, np.dtype[Any]]
Variance = Literal["per-example", "fixed"]
NARROWEST = 1e-9  # shadows that agree to the last digit would divide by zero


def lira_online(target: Array, shadows: Array, inside: Array, *, variance: Variance = "per-example") -> Array:
    r"""Does the audited model answer like models that saw the picture, or like models that did not?

    $$\log \frac{\mathcal N(\varphi; \mu_\text{in}, \sigma_\text{in}^2)}
                {\mathcal N(\varphi; \mu_\text{out}, \sigma_\text{out}^2)}$$

    Args:
        target: logit-scaled confidences [n] of the audited model.
        shadows: the same of N shadow models, [N, n].
        inside: bool [N, n], whether a shadow was trained on a picture.
        variance: "per-example" estimates each picture's own; "fixed" pools the pictures' scatter about their own
            means into one variance a side, for few shadows, and for longer the less is memorised.

    Returns:
        float64 [n], higher means member.

    Raises:
        Unavailable: a picture has fewer than two shadows on a side, which show no scatter.

    Reference: Carlini et al. 2022 (arXiv 2112.03570).
    Differs from published code, which takes medians in place of means.

    Example:
        >>> shadows = np.array([[2.0], [4.0], [-2.0], [-4.0]])
        >>> inside = np.array([[True], [True], [False], [False]])
        >>> lira_online(np.array([1.0]), shadows, inside)
        array([6.])
    """
    members, others = _fit(shadows, inside, variance), _fit(shadows, ~inside, variance)
    return members.log_density(target) - others.log_density(target)


def lira_offline(target: Array, shadows: Array, inside: Array, *, variance: Variance = "per-example") -> Array:
    r"""Is the audited model surer of the picture than models that did not see it? One-sided; needs no member shadows.

    $$\frac{\varphi - \mu_\text{out}}{\sigma_\text{out}}$$

    The published score is the probability that a model which did not see the picture would be less sure, the normal
    distribution function of this number: the order is the same, but that rounds to 1 for the surest members, who
    could then no longer be told apart at low false positive rates.

    Args, Returns and Raises as in `lira_online`; shadows trained on a picture are left out for that picture.

    Reference: Carlini et al. 2022 (arXiv 2112.03570).

    Example:
        >>> lira_offline(np.array([3.0]), np.array([[1.0], [-1.0]]), np.array([[False], [False]]))
        array([3.])
    """
    others = _fit(shadows, ~inside, variance)
    return np.asarray((target - others.mean) / others.deviation)


def u_lira(target: Array, unlearned: Array, unseen: Array, *, variance: Variance = "per-example") -> Array:
    r"""Does the model answer like one that learned the picture and then unlearned it, or like one that never saw it?

    $$\frac{\mathcal N(\varphi; a)}{\mathcal N(\varphi; a) + \mathcal N(\varphi; b)}$$

    with a fitted to models that were trained on the picture and unlearned it, b to models that never saw it. The attack
    for unlearning: the other attacks ask how a trained model would answer. What it tells apart are the two groups that
    it is given: where a method was applied to the first and not to the second, every trace of the method tells them
    apart, those that say nothing about the picture too.

    For curves and ranks see `u_lira_ratio`: a probability rounds to 1 where the ratio is large.

    Args:
        target: logit-scaled confidences [n]. Whether the answer is right, 0 or 1, is no replacement for it: models
            differ long before their answers do.
        unlearned, unseen: the same of shadow models, [N, n] and [M, n].
        variance: as in `lira_online`.

    Returns:
        float64 [n] in 0..1, the probability of having been trained on, at even odds.

    Raises:
        Unavailable: as in `lira_online`.

    Reference: Hayes et al. 2024 (arXiv 2403.01218), where models that never saw the picture go through the method too,
    with other pictures to forget.

    Example:
        >>> u_lira(np.array([0.0]), np.array([[1.0], [3.0]]), np.array([[-1.0], [-3.0]]))
        array([0.5])
    """
    return np.asarray(expit(u_lira_ratio(target, unlearned, unseen, variance=variance)))


def u_lira_ratio(target: Array, unlearned: Array, unseen: Array, *, variance: Variance = "per-example") -> Array:
    r"""The logarithm of the ratio of densities that `u_lira` makes a probability of; it ranks pictures without ties.

    $$\log \frac{\mathcal N(\varphi; a)}{\mathcal N(\varphi; b)}$$

    Args and Raises as in `u_lira`.

    Returns:
        float64 [n], higher means learned and unlearned again.

    Reference: Hayes et al. 2024 (arXiv 2403.01218).

    Example:
        >>> u_lira_ratio(np.array([40.0, 41.0]), np.array([[1.0], [3.0]]), np.array([[-1.0], [-3.0]]))
        array([160., 164.])
    """
    a, b = (_fit(s, np.ones(s.shape, dtype=bool), variance) for s in (unlearned, unseen))
    return a.log_density(target) - b.log_density(target)


@dataclass(frozen=True)
class _Gaussian:
    mean: Array
    deviation: Array

    def log_density(self, x: Array) -> Array:
        """Up to the constant, which cancels in every ratio."""
        return np.asarray(-(((x - self.mean) / self.deviation) ** 2) / 2 - np.log(self.deviation))


def _fit(shadows: Array, chosen: Array, variance: Variance) -> _Gaussian:
    """The likeliest Gaussian of each picture, over the shadows chosen for it."""
    values = shadows.astype(np.float64)
    counts = chosen.sum(0)
    if short := int((counts < 2).sum()):
        raise Unavailable(f"not estimable: {short} of {len(counts)} pictures have fewer than two shadows on a side")
    mean = np.where(chosen, values, 0.0).sum(0) / counts
    squares = np.where(chosen, values - mean, 0.0) ** 2
    found = squares.sum(0) / counts if variance == "per-example" else np.full(len(counts), squares.sum() / chosen.sum())
    return _Gaussian(mean, np.maximum(np.sqrt(found), NARROWEST))
