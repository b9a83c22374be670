r"""The smallest effect that a measurement on so many pictures would show, before anything is measured.

Counts flow in, effects flow out. "Would show" means: a two-sided test at level .05 finds it with probability .8.
Pictures of one person are no strangers, so counts are first reduced to those of independent pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

LEVEL, POWER = 0.05, 0.8
RATES = 200  # so many equally likely false positive rates stand for all
# Correlation of attack scores of two pictures of one person. On faces of 97 and 99 people with 10 pictures each, the
# standard error of the attack's AUROC is .020 over people and .013 over pictures, which takes this much.
ALIKE = 0.13
# Held-out guesses come from classifiers that were fitted on chance where there is nothing to tell, so that they err
# together. In simulations with 40 to 200 pictures a side, 5 to 64 signals, linear and radial machines, their AUROC and
# accuracy had 1.9 to 2.5 times the variance that a score has which was fixed before.
FITTED = 2.0


def effective_size(counts: Sequence[int], *, alike: float = ALIKE) -> float:
    r"""How many independent pictures say as much as these.

    $$n_{\text{eff}} = \frac{\sum_i m_i}{1 + \rho \left(\sum_i m_i^2 / \sum_i m_i - 1\right)}$$

    Args:
        counts: pictures of each person, :math:`m_i`; all 1 where nobody knows who is on them.
        alike: correlation of the scores of two pictures of one person, 0..1.

    Reference: Kish 1965, the design effect of clusters of unequal size.

    Example:
        >>> effective_size([1] * 50), round(effective_size([10] * 5, alike=1.0), 6)
        (50.0, 5.0)
    """
    sizes = np.asarray(counts, dtype=np.float64)
    total = float(sizes.sum())
    return total / (1 + alike * (float((sizes**2).sum()) / total - 1)) if total else 0.0


def auroc_error(auroc: float, members: float, others: float) -> float:
    r"""Standard error of an estimated AUROC.

    $$\mathrm{Var} = \frac{A(1-A) + (n-1)(Q_1 - A^2) + (m-1)(Q_2 - A^2)}{nm}, \quad
    Q_1 = \frac{A}{2-A}, \quad Q_2 = \frac{2A^2}{1+A}$$

    Args:
        auroc: the true value A, 0..1.
        members, others: effective sizes n, m (at least 1).

    Reference: Hanley and McNeil 1982.

    Example:
        >>> round(auroc_error(0.5, 100, 100), 4)
        0.0409
    """
    a = max(auroc, 1 - auroc)  # the formula is for values from .5 on; exchanging the sides gives the others
    n, m = (members, others) if auroc >= 0.5 else (others, members)
    first, second = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (n - 1) * (first - a * a) + (m - 1) * (second - a * a)) / (n * m)
    return float(np.sqrt(max(variance, 0.0)))


def detectable_auroc(
    members: float, others: float, *, null: float = 0.5, level: float = LEVEL, power: float = POWER
) -> float | None:
    r"""The smallest AUROC above `null` that would show: the A with

    $$A - A_0 = z_{1-\alpha/2} \, \mathrm{SE}(A_0) + z_{1-\beta} \, \mathrm{SE}(A)$$

    Args:
        members, others: effective sizes of both sides.
        null: the value :math:`A_0` under which nothing is remembered, .5..1: .5, or that of a retrained reference.
        level, power: :math:`\alpha` and :math:`1 - \beta`, 0..1.

    Returns:
        None where not even perfect separation would show.

    Example:
        >>> round(detectable_auroc(100, 100), 3), detectable_auroc(1, 1)
        (0.614, None)
    """
    if min(members, others) < 1:
        return None
    bar = null + float(scipy.stats.norm.ppf(1 - level / 2)) * auroc_error(null, members, others)
    shift = float(scipy.stats.norm.ppf(power))

    def short(auroc: float) -> float:
        return auroc - bar - shift * auroc_error(auroc, members, others)

    # at 1 the error is 0: what lies below the bar even then never shows
    return float(scipy.optimize.brentq(short, null, 1.0)) if short(1.0) > 0 else None


def detectable_shift(size: float, *, deviation: float = 0.5, level: float = LEVEL, power: float = POWER) -> float:
    r"""The smallest difference of a mean from a known value that would show.

    $$\delta = (z_{1-\alpha/2} + z_{1-\beta}) \, \sigma / \sqrt{n}$$

    Args:
        size: effective number of pictures.
        deviation: :math:`\sigma` of one picture's value; of a share it is at most one half.
        level, power: as in `detectable_auroc`.

    Example:
        >>> round(detectable_shift(100), 3)
        0.14
    """
    factor = float(scipy.stats.norm.ppf(1 - level / 2) + scipy.stats.norm.ppf(power))
    return factor * deviation / float(np.sqrt(size))


def detectable_tpr(
    members: float, others: float, *, fpr: float, level: float = LEVEL, power: float = POWER
) -> float | None:
    r"""The smallest true positive rate above `fpr` that would show, where nothing remembered gives `fpr` itself.

    The threshold is the score that k of m non-members exceed, so that its true false positive rate is
    $t \sim \mathrm{Beta}(k + 1, m - k)$, and without memory $\mathrm{Binomial}(n, t)$ members exceed it. With memory it
    is $\mathrm{Binomial}(n, t \, \mathrm{TPR} / \mathrm{FPR})$: near so low a rate the curve is taken for straight.

    Args:
        members, others: effective sizes n, m of both sides.
        fpr: k / m, 0..1.
        level, power: as in `detectable_auroc`.

    Returns:
        None where not even perfect separation would show.

    Example:
        >>> round(detectable_tpr(1000, 3000, fpr=0.01), 3), detectable_tpr(0.5, 3000, fpr=0.01)
        (0.023, None)
    """
    n, m = int(members), int(others)
    if min(n, m) < 1:
        return None
    alarms = int(fpr * m + 1e-9)  # products such as .29 * 100 fall below the whole number that they are
    bar = scipy.stats.betabinom.ppf(1 - level / 2, n, alarms + 1, m - alarms)
    rates = scipy.stats.beta.ppf((np.arange(RATES) + 0.5) / RATES, alarms + 1, m - alarms)

    def missing(tpr: float) -> float:
        return power - float(scipy.stats.binom.sf(bar, n, np.minimum(1.0, tpr / fpr * rates)).mean())

    return float(scipy.optimize.brentq(missing, fpr, 1.0)) if missing(1.0) < 0 else None
