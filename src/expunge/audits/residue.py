"""Feature residue: what a linear probe still reads about forgotten people in features, beside a retrained model's.

Models and a task flow in, rows flow out. The models are only looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from expunge.audits.observe import Observation
from expunge.audits.resampling import DRAWS, SAME_PEOPLE, evenly, resampling
from expunge.audits.rows import RowsBeside, rows_beside
from expunge.audits.statistics import ATTACKED, Estimate, Estimates, Key
from expunge.errors import Unavailable
from expunge.functional.probes import held_out_scores, linear_probe
from expunge.functional.seeding import derive_seed
from expunge.functional.stats import weighted_auroc, weighted_mean
from expunge.models.classifier import PixelClassifier
from expunge.models.stages import stage_features
from expunge.types import ErasureTask, PictureSet, Split

Array = np.ndarray[Any, np.dtype[Any]]
MOST = 2000  # pictures a side, evenly spread
SIDES: tuple[Split, ...] = ("forget", "reporting")
ENOUGH = 4  # pictures of a person, so that both halves have two


@dataclass(frozen=True)
class Side:
    """One side of the probe: pictures, whose they are, how often each is drawn, and their features by stage.

    Args:
        owners: [n]; where nobody knows, each picture its own.
        subjects: how many people are resampled; None where pictures are.
        weights: uint8 [1 + draws, n].
        features: float32 [n, d] by stage.
    """

    owners: Array
    subjects: int | None
    weights: Array
    features: Mapping[str, Array]


def residue(
    before: PixelClassifier | None,
    after: PixelClassifier,
    references: Sequence[PixelClassifier],
    task: ErasureTask,
    seen: Observation,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> RowsBeside:
    """Membership and identity as far as they are linearly readable, at every stage of every model.

    Args:
        before: the original, or None. after: the audited model. references: retrained models; may be empty.
        task: the four sets; at most 2,000 forget and 2,000 reporting pictures are looked at.
        seen: what any of the models answered on it.
        seed: of folds, and with draws as in `audit`, so that intervals are of the same resamples.
    """
    weights = resampling(seen, draws=draws, seed=seed)
    at = {name: _sampled(task.split(name)) for name in SIDES}
    asked = {name: task.split(name).subset(torch.from_numpy(at[name])) for name in SIDES}

    def measure(model: PixelClassifier) -> Estimates:
        sides = (_side(model, asked[name], weights[name][:, at[name]]) for name in SIDES)
        return member_and_identity(*sides, seed=seed)

    first = None if before is None else measure(before)
    return rows_beside(first, measure(after), [measure(reference) for reference in references])


def member_and_identity(forget: Side, reporting: Side, *, seed: int) -> Estimates:
    """Both probes at every stage of one model; the guesses were held out and stay, only people are drawn anew."""
    found: Estimates = {}
    for stage, features in forget.features.items():
        found[Key("residue_member_auroc", f"{ATTACKED}, {stage} features")] = _member(forget, reporting, stage, seed)
        found[Key("residue_identity", f"forget, {stage} features")] = _identity(forget, features, seed)
    return found


def _member(forget: Side, reporting: Side, stage: str, seed: int) -> Estimate:
    n = len(forget.owners)
    counts = forget.subjects, reporting.subjects
    people = None if None in counts else len(np.unique(np.r_[forget.owners, reporting.owners]))
    inputs = np.concatenate([forget.features[stage], reporting.features[stage]])
    owners = np.concatenate([forget.owners, reporting.owners])
    try:
        scores = held_out_scores(linear_probe(), inputs, np.arange(len(inputs)) < n, owners, seed=seed)
    except Unavailable as error:
        return Estimate(None, len(inputs), people, str(error))
    values = weighted_auroc(scores[:n], scores[n:], forget.weights, reporting.weights)
    return Estimate(values, len(inputs), people, "" if people is not None else SAME_PEOPLE)


def _identity(forget: Side, features: Array, seed: int) -> Estimate:
    """Nearest mean of one half of each person's pictures, asked about the other half."""
    _, owner, counts = np.unique(forget.owners, return_inverse=True, return_counts=True)
    chosen = np.flatnonzero(counts >= ENOUGH)
    if len(chosen) < 2:
        why = f"not estimable: {len(chosen)} forgotten people have at least {ENOUGH} pictures, and two are needed"
        return Estimate(None, 0, forget.subjects, why)
    made = np.random.default_rng(derive_seed(seed, "identity"))
    halves = [np.array_split(made.permutation(np.flatnonzero(owner == person)), 2) for person in chosen]
    learned = np.concatenate([known for known, _ in halves])
    asked = np.concatenate([rest for _, rest in halves])
    scaled = (features - features[learned].mean(0)) / np.maximum(features[learned].std(0), 1e-6)  # some never vary
    means = np.stack([scaled[known].mean(0) for known, _ in halves])
    # squared distances, up to what is the same for all means
    far = (means**2).sum(1) - 2 * scaled[asked] @ means.T
    right = chosen[far.argmin(1)] == owner[asked]
    values = weighted_mean(right.astype(np.float64), forget.weights[:, asked])
    return Estimate(values, len(asked), len(chosen), f"guessing is right for 1 in {len(chosen)}")


def _sampled(pictures: PictureSet) -> Array:
    """Positions of at most so many pictures: all of some people, since identity takes several pictures of a person."""
    known = _people(pictures)
    if known is not None and len(pictures) > MOST:
        names, counts = np.unique(known, return_counts=True)
        order = np.random.default_rng(0).permutation(len(names))
        held = int((np.cumsum(counts[order]) <= MOST).sum())
        if held > 1:  # else a single person nearly fills them: then some pictures of everybody
            return np.flatnonzero(np.isin(known, names[order[:held]]))
    return evenly(len(pictures), MOST)


def _people(pictures: PictureSet) -> Array | None:
    """Who is resampled; None where pictures are, since nobody or only one person is known."""
    known = pictures.subjects
    return known if known is not None and len(np.unique(known)) > 1 else None


def _side(model: PixelClassifier, pictures: PictureSet, weights: Array) -> Side:
    known = _people(pictures)
    return Side(
        owners=pictures.ids if pictures.subjects is None else pictures.subjects,
        subjects=None if known is None else len(np.unique(known)),
        weights=weights,
        features={stage: found.numpy() for stage, found in stage_features(model, pictures).items()},
    )
