r"""The robust membership attack (RMIA): is the picture more of a surprise than other people's pictures are?

$$\text{score}(x) = \Pr_z \left[ \frac{p_\theta(x) / p(x)}{p_\theta(z) / p(z)} > \gamma \right]$$

Probabilities of the label in, scores out. p_theta is the audited model, z runs over a population that no model was
trained on, and p is the probability under a random model, estimated from reference models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from expunge.errors import Unavailable
from expunge.functional.stats import weighted_auroc

Array = np.ndarray[Any, np.dtype[Any]]
STEPS = tuple(step / 10 for step in range(11))
TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Population:
    """Pictures that neither the audited model nor any reference was trained on.

    Args:
        target: probabilities of the label [m] under the audited model, 0..1.
        references: the same under the N reference models, [N, m].
    """

    target: Array
    references: Array


def rmia_offline(
    target: Array, references: Array, inside: Array, population: Population, *, a: float, gamma: float = 1.0
) -> Array:
    r"""RMIA from models that did not see the picture; what those that did would say is extrapolated.

    $$p(x) = \tfrac12 \left[ (1 + a) \, \overline{p}_\text{out}(x) + (1 - a) \right]$$

    Args:
        target: probabilities of the label [n] under the audited model, 0..1.
        references: the same under N reference models, [N, n].
        inside: bool [N, n], whether a reference was trained on a picture; it is then left out for that picture.
        population: pictures to compare with.
        a: how much of the gap to 1 training on a picture leaves, 0..1; see `tuned_a`.
        gamma: how much larger the ratio must be to count.

    Returns:
        float64 [n] in 0..1, higher means member; in steps of 1/m, so that no false positive rate below that of the
        population can be told.

    Raises:
        Unavailable: a picture was in the training set of every reference.

    Reference: Zarifzadeh et al. 2024 (arXiv 2312.03262).
    Differs from published code, where a population picture counts with the larger half of its references only.

    Example:
        >>> others = Population(np.array([0.2, 0.6]), np.array([[0.5, 0.5]]))
        >>> rmia_offline(np.array([0.5]), np.array([[0.5]]), np.array([[False]]), others, a=1.0)
        array([0.5])
    """
    outside = _mean_where(references, ~inside)
    expected, expected_z = (((1 + a) * p + 1 - a) / 2 for p in (outside, population.references.mean(0)))
    return _score(target, expected, population.target, expected_z, gamma)


def tuned_a(
    target: Array, members: Array, references: Array, inside: Array, population: Population, *, gamma: float = 1.0
) -> float:
    """The `a` of `rmia_offline`, in steps of .1, whose attack on a model of known membership has the highest AUROC.

    Args:
        target: probabilities of the label [n] under a *paired* model: one trained like the audited model, whose
            training set is known. Never the audited model itself, whose members the attack is to find.
        members: bool [n], whether the paired model was trained on a picture.
        references, inside, population, gamma: as in `rmia_offline`, the population under the paired model.

    Returns:
        0, .1, ... or 1; the smallest where several are equally good.

    Raises:
        Unavailable: the paired model was trained on all of the pictures, or on none.
    """
    if members.all() or not members.any():
        raise Unavailable("not tunable: needs members and non-members of the paired model")
    found = [rmia_offline(target, references, inside, population, a=a, gamma=gamma) for a in STEPS]
    one = np.ones((1, len(members)))
    aurocs = [weighted_auroc(s[members], s[~members], one[:, members], one[:, ~members])[0] for s in found]
    return STEPS[int(np.argmax(aurocs))]


def _score(target: Array, expected: Array, target_z: Array, expected_z: Array, gamma: float) -> Array:
    # a probability that all references round to 0 must not divide by zero
    ratio, ratio_z = target / np.maximum(expected, TINY), target_z / np.maximum(expected_z, TINY)
    return np.searchsorted(np.sort(gamma * ratio_z), ratio, side="left") / len(ratio_z)


def _mean_where(references: Array, chosen: Array) -> Array:
    counts = chosen.sum(0)
    if without := int((counts == 0).sum()):
        raise Unavailable(f"not estimable: {without} of {len(counts)} pictures have no reference on a side")
    return np.asarray(np.where(chosen, references, 0.0).sum(0, dtype=np.float64) / counts)
