"""Who is drawn how often: one set of bootstrap weights for every split, shared by all models that are compared.

Observations flow in, weights flow out. A person on both sides of a comparison is drawn for both sides at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from expunge.audits.observe import Observation, Seen
from expunge.errors import DataError
from expunge.functional.seeding import derive_seed
from expunge.functional.stats import bootstrap_weights
from expunge.types import SPLITS, Split

Array = np.ndarray[Any, np.dtype[Any]]
Weights = Mapping[Split, Array]
COMPARED: tuple[Split, ...] = ("forget", "tuning", "reporting")  # of retain, only forget people are compared
DRAWS = 1000  # of the bootstrap, unless another number is asked for
FEW = 10  # subjects; below this a percentile interval is known to be too narrow
SAME_PEOPLE = "fitted on other pictures, which may show the same people"


def resampling(observation: Observation, *, seed: int, draws: int = DRAWS) -> Weights:
    """Bootstrap weights uint8 [1 + draws, n] for every split; row 0 is the sample itself.

    Whole subjects are drawn where at least two are known, else pictures. Subjects who appear in the same splits are
    drawn from each other, so that each split keeps about its number of subjects in every draw.
    """
    units = {name: _units(name, observation[name]) for name in COMPARED}
    weights = {name: np.ones((1 + draws, len(units[name])), dtype=np.uint8) for name in COMPARED}
    strata = _strata(units)
    for stratum in sorted(set(strata.values())):
        at = {name: np.array([strata[unit] == stratum for unit in units[name]], dtype=bool) for name in COMPARED}
        pooled = np.concatenate([units[name][at[name]] for name in COMPARED])
        start = derive_seed(seed, "bootstrap", stratum)
        drawn = bootstrap_weights(pooled, len(pooled), draws=draws, seed=start)
        ends = np.cumsum([at[name].sum() for name in COMPARED])[:-1]
        for name, part in zip(COMPARED, np.split(drawn, ends, axis=1), strict=True):
            weights[name][:, at[name]] = part
    weights["retain"] = _retained(observation["retain"], units["forget"], weights["forget"], seed)
    return {name: weights[name] for name in SPLITS}


def _retained(retain: Seen, forgotten: Array, drawn: Array, seed: int) -> Array:
    """Draws of the retain set: of people in the forget set too as they are drawn there, of the others from each other.

    Args:
        forgotten: who is drawn for each forget picture. drawn: how often, [1 + draws, n].
    """
    units = _units("retain", retain)
    names, first = np.unique(forgotten, return_index=True)
    shared = np.isin(units, names)
    owners = retain.subjects[~shared] if retain.subjects is not None and resampled_subjects(retain) else None
    made = np.empty((len(drawn), len(units)), dtype=np.uint8)
    made[:, shared] = drawn[:, first[np.searchsorted(names, units[shared])]]
    start, others = derive_seed(seed, "bootstrap", "retain"), int((~shared).sum())
    made[:, ~shared] = bootstrap_weights(owners, others, draws=len(drawn) - 1, seed=start)
    return made


def resampled_subjects(seen: Seen) -> int | None:
    """How many subjects are resampled; None where pictures are, since nobody or only one subject is known."""
    count = 0 if seen.subjects is None else len(np.unique(seen.subjects))
    return count if count > 1 else None


def owners_of(seen: Seen) -> Array:
    """Who must not be on both sides of a fit: the subjects; where nobody is known, each picture its own."""
    return seen.ids if seen.subjects is None else seen.subjects


def evenly(n: int, most: int) -> Array:
    """Positions of at most `most` of `n` pictures, spread evenly over them."""
    return np.linspace(0, n - 1, min(most, n)).astype(np.int64)


def caveats(observation: Observation) -> list[str]:
    """A sentence for every split whose intervals rest on too few people."""
    said = []
    for name in SPLITS:
        subjects = observation[name].subjects
        count = None if subjects is None else len(np.unique(subjects))
        if count == 1:
            said.append(
                f"The {name} pictures show one subject. Their intervals come from resampling pictures and say nothing "
                "about other people."
            )
        elif count is not None and count < FEW:
            said.append(f"The {name} pictures show only {count} subjects. Intervals from so few are likely too narrow.")
    return said


def check_comparable(observations: Sequence[Observation]) -> None:
    """Differences are paired picture by picture, which needs the same pictures in the same order.

    Raises:
        DataError: a split is empty, or two models were shown different pictures.
    """
    first = observations[0]
    for name in SPLITS:
        ids = first[name].ids
        if not len(ids):
            raise DataError(f"{name} set", expected="at least one picture to measure on", came="none")
        for other in observations[1:]:
            if not np.array_equal(ids, other[name].ids):
                came = f"{len(ids)} and {len(other[name].ids)} pictures that differ in id or order"
                raise DataError(f"{name} set", expected="the same pictures shown to every compared model", came=came)


def _units(name: str, seen: Seen) -> Array:
    if seen.subjects is not None and resampled_subjects(seen):
        return seen.subjects
    return np.array([f"{name}\x1f{i}" for i in range(len(seen.ids))])


def _strata(units: Mapping[Split, Array]) -> dict[str, str]:
    """Stratum of every unit: the splits it is in; small mixed strata are pooled, since one unit alone never varies."""
    homes: dict[str, list[str]] = {}
    for name, owners in units.items():
        for owner in np.unique(owners):
            homes.setdefault(owner, []).append(name)
    strata = {owner: "+".join(names) for owner, names in homes.items()}
    sizes = dict(zip(*np.unique(list(strata.values()), return_counts=True), strict=True))
    return {
        owner: "mixed" if len(homes[owner]) > 1 and sizes[stratum] < FEW else stratum
        for owner, stratum in strata.items()
    }
