"""Correlation collapse: did unlearning damage what the features of people who stay are good for?

Observations flow in, rows flow out: how far classes lie apart, what a linear probe reads, and how alike the features
are to the original's and to a retrained model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from expunge.audits.observe import Observation, Seen
from expunge.audits.resampling import evenly, owners_of, resampled_subjects
from expunge.audits.rows import RowsBeside, rows_beside
from expunge.audits.statistics import Estimate, Estimates, Key, within
from expunge.errors import DataError, Unavailable
from expunge.functional.probes import held_out_guesses, linear_probe
from expunge.functional.representations import fisher_ratio, linear_cka
from expunge.functional.seeding import derive_seed
from expunge.functional.stats import bootstrap_weights, mean_of, weighted_mean
from expunge.types import Split

Array = np.ndarray[Any, np.dtype[Any]]
MOST = 1000  # retain pictures, evenly spread
SPLIT: Split = "retain"


def collapse(
    before: Observation | None,
    after: Observation,
    references: Sequence[Observation],
    *,
    seed: int = 0,
    draws: int = 200,
) -> RowsBeside:
    """Separability, probe accuracy and likeness of the features of at most 1,000 retain pictures.

    Args:
        before: of the original, or None; without it nothing is said about likeness to it.
        after: of the audited model.
        references: of retrained models; may be empty.
        seed: of folds and bootstrap. draws: bootstrap resamples of people, else of pictures.

    Raises:
        DataError: the models' features were not looked at.
    """
    original = None if before is None else _sample(before)
    ours, beside = _sample(after), [_sample(reference) for reference in references]
    owners = ours.subjects if resampled_subjects(ours) else None
    weights = bootstrap_weights(owners, len(ours.ids), draws=draws, seed=derive_seed(seed, "collapse"))

    def measure(seen: Seen, others: Sequence[Seen]) -> Estimates:
        found = {
            Key("collapse_separability", SPLIT): _separability(seen, weights),
            Key("collapse_probe_accuracy", SPLIT): _probe(seen, weights, seed),
        }
        if original is not None:
            found[Key("collapse_cka_original", SPLIT)] = _alike(seen, [original], weights)
        if others:
            found[Key("collapse_cka_reference", SPLIT)] = _alike(seen, others, weights)
        return found

    found = [measure(one, [other for other in beside if other is not one]) for one in beside]
    return rows_beside(None if original is None else measure(original, beside), measure(ours, beside), found)


def _sample(observation: Observation) -> Seen:
    return observation[SPLIT].part(evenly(len(observation[SPLIT].ids), MOST))


def _features(seen: Seen) -> Array:
    if seen.features is None:
        raise DataError("features", expected="features of the retain pictures", came="none", remedy="observe them too")
    return seen.features


def _separability(seen: Seen, weights: Array) -> Estimate:
    """Mean over attributes."""
    parts = [fisher_ratio(_features(seen), labels, weights) for labels in seen.labels.T]
    return _finite(mean_of(parts), seen, "not estimable: the features of a class have no scatter")


def _probe(seen: Seen, weights: Array, seed: int) -> Estimate:
    """Guesses that were held out by person; mean over attributes."""
    owners, inputs = owners_of(seen), _features(seen)
    try:
        right = [held_out_guesses(linear_probe(), inputs, y, owners, seed=seed) == y for y in seen.labels.T]
    except Unavailable as error:
        return within(None, seen, str(error))
    return within(weighted_mean(mean_of(right), weights), seen)


def _alike(seen: Seen, others: Sequence[Seen], weights: Array) -> Estimate:
    parts = [linear_cka(_features(seen), _features(other), weights) for other in others]
    return _finite(mean_of(parts), seen, "not estimable: a model has the same features for all pictures")


def _finite(values: Array, seen: Seen, why_not: str) -> Estimate:
    """An estimate, if it is a number; a draw that is none is left out as one is in which nothing was drawn."""
    if not np.isfinite(values[0]):
        return within(None, seen, why_not)
    return within(np.where(np.isfinite(values), values, np.nan), seen)
