"""How close a model comes to retrained ones on all that is compared: forget, retain and reporting pictures.

Estimates with their draws flow in, one estimate flows out. `statistics.distances` looks past the retain set; a model
that gave up what it knew there shows here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from expunge.audits.statistics import ATTACKED, Estimate, Estimates, Key, distances
from expunge.functional.stats import mean_of

Array = np.ndarray[Any, np.dtype[Any]]
Closeness = Callable[[Estimates, Sequence[Estimates]], Estimate]
ACCURACIES = tuple(Key("accuracy", split) for split in ("forget", "retain", "reporting"))
ATTACK = Key("mia_auroc", ATTACKED)


def distance_all(ours: Estimates, references: Sequence[Estimates]) -> Estimate:
    """The largest of the gaps in forget, retain and reporting accuracy and in attack AUROC, mean over references."""
    return _over(ours, references, lambda other: np.max(_gaps(ours, other, (*ACCURACIES, ATTACK)), axis=0))


def tow(ours: Estimates, references: Sequence[Estimates]) -> Estimate:
    r"""Tug of war: how little the three accuracies differ from a reference's, mean over references; 1 is no gap.

    $$\mathrm{ToW} = \prod_{s \in \{\text{forget}, \text{retain}, \text{reporting}\}}
    \left(1 - |a_s(\theta) - a_s(\theta_r)|\right)$$

    Reference: Zhao et al. 2024, "What makes unlearning hard and what to do about it".
    """
    return _over(ours, references, lambda other: np.prod(1 - _gaps(ours, other, ACCURACIES), axis=0))


CLOSENESS: dict[str, Closeness] = {"distance": distances, "distance_all": distance_all, "tow": tow}


def floor_of(references: Sequence[Estimates]) -> dict[str, Estimate]:
    """Each closeness between references, mean over pairs: what nothing can be asked to beat; empty without a pair."""
    pairs = list(combinations(references, 2))
    found = {name: [measure(a, [b]) for a, b in pairs] for name, measure in CLOSENESS.items() if pairs}
    return {
        name: Estimate(mean_of([_known(part) for part in parts]), parts[0].n, parts[0].subjects)
        for name, parts in found.items()
    }


def _over(ours: Estimates, references: Sequence[Estimates], measure: Callable[[Estimates], Array]) -> Estimate:
    like = ours[ATTACK]
    return Estimate(mean_of([measure(other) for other in references]), like.n, like.subjects)


def _gaps(ours: Estimates, other: Estimates, keys: Sequence[Key]) -> Array:
    return np.stack([np.abs(_known(ours[key]) - _known(other[key])) for key in keys])


def _known(estimate: Estimate) -> Array:
    if estimate.values is None:
        raise ValueError(f"expected an estimate, came none: {estimate.why_not}")
    return estimate.values
