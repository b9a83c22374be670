r"""Is a value like that of retrained models? Differences judged with the randomness of people and that of training.

Numbers flow in, intervals and p-values flow out. A bootstrap over people knows how a difference would vary over other
people, for these very models. Two models retrained with different seeds differ by more than that; what training adds
is taken from the references, and never below a stated floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

FLOOR_FREEDOM = 7  # a floor is measured on eight models retrained alike
EQUAL, LEVEL, POWER = 0.9, 0.05, 0.8


@dataclass(frozen=True)
class Compared:
    """A value's difference from the references, and how sure it is.

    Args:
        gap: value minus mean of the references.
        low, high: 90 % interval of the gap to retraining on average; inside a margin, two one-sided tests at level .05
            both reject that the gap is as large as the margin.
        p_above, p_below: one-sided p-values of a gap this large, or this small, at a model that was retrained itself.
        error, freedom: standard error of the gap at such a model, and its degrees of freedom.
        of_people: share of the interval's variance that comes from people, 0..1; more references lessen the rest only.
    """

    gap: float
    low: float
    high: float
    p_above: float
    p_below: float
    error: float
    freedom: int
    of_people: float

    @property
    def p(self) -> float:
        """Two-sided."""
        return min(1.0, 2 * min(self.p_above, self.p_below))

    def detectable(self, *, sides: int = 2, least: float = 0.0) -> float:
        """The smallest gap that would show with a probability of 80 %, at level .05.

        Args:
            sides: 1 where only one direction is looked at.
            least: of a smaller gap nothing is said, however sure it is.
        """
        shown = max(float(scipy.stats.t.ppf(1 - LEVEL / sides, self.freedom)) * self.error, least)
        return shown + float(scipy.stats.t.ppf(POWER, self.freedom)) * self.error


def compare(gap: float, error: float, people: int, *, references: Sequence[float], floor: float) -> Compared:
    r"""Judge one difference between a model and the mean of k references.

    $$b^2 = \frac{G}{G-1}\,\mathrm{error}^2, \qquad \tau^2 = \max(\mathrm{floor}^2, s^2)$$
    $$\mathrm{SE}_{\text{equal}}^2 = b^2 + \tau^2 / k, \qquad
    \mathrm{SE}_{\text{differs}}^2 = b^2 + \tau^2 (1 + 1/k)$$

    The first is the error of the gap between *this* model and retraining on average, for which only the references'
    luck matters. The second is how much a model that was retrained itself would vary, its own luck included. Quantiles
    are Student's, with the smaller of the degrees of freedom of both parts, G - 1 and 7 + k - 1: Satterthwaite's rule
    is too bold for five people. To take k - 1 wherever s wins would cost a third of the power of two references whose
    floor is right, since s also wins by luck.

    Args:
        gap: value minus mean of the references.
        error: standard deviation of the gap when people are drawn again (paired bootstrap).
        people: G, how many are drawn; at least two. Pictures where nobody knows who is on them.
        references: value of each of the k references, at least one; s is their standard deviation. On these pictures
            it holds some of what `error` holds too, which errs on the careful side.
        floor: standard deviation of the value between retrained models that is assumed at the least, above 0.

    Raises:
        ValueError: fewer than two people, no reference, or no floor.

    Reference: Schuirmann 1987 (two one-sided tests); Efron and Tibshirani 1993 for the factor of
    few clusters.

    Example:
        >>> found = compare(0.2, 0.02, 100, references=[0.5], floor=0.01)
        >>> found.p < 0.001, round(found.low, 2), round(found.high, 2)
        (True, 0.16, 0.24)
    """
    if people < 2 or not references or floor <= 0:
        came = f"{people} people, {len(references)} references, floor {floor}"
        raise ValueError(f"expected two people, one reference and a floor above 0 at the least, came {came}")
    k = len(references)
    spread = float(np.var(references, ddof=1)) if k > 1 else 0.0
    drawn, trained = error**2 * people / (people - 1), max(floor**2, spread)
    freedom = min(people - 1, FLOOR_FREEDOM + k - 1)
    equal, differs = (float(np.sqrt(drawn + trained * share)) for share in (1 / k, 1 + 1 / k))
    half = float(scipy.stats.t.ppf((1 + EQUAL) / 2, freedom)) * equal
    return Compared(
        gap=gap,
        low=gap - half,
        high=gap + half,
        p_above=float(scipy.stats.t.sf(gap / differs, freedom)),
        p_below=float(scipy.stats.t.cdf(gap / differs, freedom)),
        error=differs,
        freedom=freedom,
        of_people=drawn / equal**2,
    )
