"""Forgetting scores that methods steer by, on losses of forget pictures and *tuning* non-members only.

Arrays in, numbers out. What is reported about a model is measured elsewhere, on other pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from expunge.functional.stats import bootstrap_weights, weighted_auroc, weighted_mean

Array = np.ndarray[Any, np.dtype[Any]]
BEYOND = 0.025  # share of chance that lies beyond either end, for each of two gaps: together at most one in ten


def forgetting_target(forget: Array, tuning: Array, forget_labels: Array, tuning_labels: Array) -> tuple[float, float]:
    r"""How well low losses tell forget from tuning pictures, and how well they would after retraining.

    A retrained model saw neither side, so that losses differ only as the two sides differ. What can be known of that
    without retraining is the mix of labels: the target is the AUROC of tuning pictures, reweighted to the labels of
    the forget set, against tuning pictures as they are.

    Args:
        forget, tuning: losses [n], [m].
        forget_labels, tuning_labels: int [n, k], [m, k]; joint labels are the strata. Labels of the forget set that
            no tuning picture has are left out of the target.

    Returns:
        AUROC of forget (members) against tuning, 0..1, and its estimated value for a retrained model.

    Example:
        >>> losses, labels = np.arange(4.0), np.zeros((4, 1), int)
        >>> forgetting_target(losses, losses, labels, labels)
        (0.5, 0.5)
    """
    from sklearn.metrics import roc_auc_score

    m = len(tuning)
    member = np.r_[np.ones(len(forget)), np.zeros(m)]
    auroc = float(roc_auc_score(member, -np.r_[forget, tuning]))
    _, strata = np.unique(np.r_[forget_labels, tuning_labels], axis=0, return_inverse=True)
    strata = strata.ravel()
    ours, theirs = (np.bincount(s, minlength=strata.max() + 1) for s in (strata[: len(forget)], strata[len(forget) :]))
    weights = (ours / np.maximum(theirs, 1))[strata[len(forget) :]]
    if not weights.any():
        return auroc, 0.5
    both = np.r_[np.ones(m), np.zeros(m)]
    target = roc_auc_score(both, -np.r_[tuning, tuning], sample_weight=np.r_[weights, np.ones(m)])
    return auroc, float(target)


def published_forgetting_score(forget: Array, tuning: Array, *, seed: int = 0) -> float:
    """|accuracy - .5| of a logistic regression that tells forget from tuning losses, as the published DLFD code has it.

    Args:
        forget, tuning: losses [n], [m]; the two sides are not balanced, which is one of its faults.
        seed: of the 10 random splits (a tenth held out each).

    Returns:
        score in 0..0.5.

    Reference: evaluation/mia.py of the published code; Choi and Na 2025, section on evaluation.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

    member = np.r_[np.zeros(len(tuning)), np.ones(len(forget))]
    losses = np.r_[tuning, forget].reshape(-1, 1)
    splits = StratifiedShuffleSplit(n_splits=10, random_state=seed)
    accuracy = cross_val_score(LogisticRegression(), losses, member, cv=splits, scoring="accuracy")
    return float(abs(0.5 - accuracy.mean()))


def expected_error(tuning: Array, tuning_labels: Array, forget_labels: Array) -> float:
    """The mean error to expect on pictures with the labels of the forget set that the model never saw.

    Args:
        tuning: errors [m] of tuning non-members, 0..1.
        tuning_labels, forget_labels: int [m, k], [n, k]; joint labels are the strata. Forget labels that no tuning
            picture has count with the mean of all tuning pictures.

    Example:
        >>> expected_error(np.array([1.0, 0.0, 0.0]), np.array([[0], [0], [1]]), np.array([[0], [0], [0], [1]]))
        0.375
    """
    by_label: dict[tuple[int, ...], list[float]] = {}
    for label, error in zip(tuning_labels.tolist(), tuning.tolist(), strict=True):
        by_label.setdefault(tuple(label), []).append(error)
    overall = float(tuning.mean())
    found = [by_label.get(tuple(label)) for label in forget_labels.tolist()]
    return float(np.mean([np.mean(errors) if errors else overall for errors in found]))


@dataclass(frozen=True)
class Answers:
    """What a model answers to n pictures.

    Args:
        losses: float64 [n], in nats. hits: float64 [n], share of attributes answered right.
        labels: int64 [n, k]. subjects: owners [n], or None where nobody knows.
    """

    losses: Array
    hits: Array
    labels: Array
    subjects: Array | None

    def take(self, rows: Array) -> Answers:
        """Those at `rows`."""
        owners = None if self.subjects is None else self.subjects[rows]
        return Answers(self.losses[rows], self.hits[rows], self.labels[rows], owners)


def retraining_gaps(forget: Answers, tuning: Answers, gone: Array) -> dict[str, float]:
    """How far a model is from what a retrained one is expected to show on the forget set, without having one.

    Args:
        forget, tuning: what it answers.
        gone: bool [n], forget pictures that have no class (of no attribute) which the retrained model would know.

    Returns:
        `forget`: accuracy above that on tuning pictures of the same labels (on pictures that are gone: above 0);
        `auroc`: AUROC of low losses above the target of `forgetting_target`. Positive where too little was forgotten.

    Example:
        >>> same = Answers(np.array([1.0, 2.0]), np.array([1.0, 0.0]), np.zeros((2, 1), int), None)
        >>> retraining_gaps(same, same, np.array([False, False]))
        {'forget': 0.0, 'auroc': 0.0}
    """
    expected = 0.0
    if not gone.all():
        expected = float((~gone).mean()) * (1 - expected_error(1 - tuning.hits, tuning.labels, forget.labels[~gone]))
    auroc, target = forgetting_target(forget.losses, tuning.losses, forget.labels, tuning.labels)
    return {"forget": float(forget.hits.mean()) - expected, "auroc": auroc - target}


def gone_classes(labels: Array, retain_labels: Array) -> Array:
    """Where pictures have a class that no retain picture has, so that a retrained model would not know it.

    Args:
        labels, retain_labels: int [n, k], [m, k].

    Returns:
        bool [n, k].

    Example:
        >>> gone_classes(np.array([[0, 1], [2, 0]]), np.array([[0, 0], [1, 1]])).tolist()
        [[False, False], [True, False]]
    """
    columns = zip(labels.T, retain_labels.T, strict=True)
    return np.stack([~np.isin(column, classes) for column, classes in columns], 1)


def skill_kept(retain: Array, tuning: Array, gone: Array) -> dict[str, float]:
    """Accuracy on `retain` and on those `tuning` pictures of which a retrained model would know a class; 0 without any.

    Args:
        retain, tuning: shares of attributes answered right [m], [n]. gone: bool [n, k], of tuning pictures.

    Example:
        >>> skill_kept(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array([[False], [True]]))
        {'retain': 0.5, 'tuning': 1.0}
    """
    known = ~gone.all(1)
    return {"retain": float(retain.mean()), "tuning": float(tuning[known].mean()) if known.any() else 0.0}


def skill_gaps(now: Mapping[str, float], original: Mapping[str, float]) -> dict[str, float]:
    """How far a model is from what a retrained one is expected to keep of the original's accuracy.

    Args:
        now, original: what `skill_kept` says of the model and of the original.

    Returns:
        `retain`: accuracy above the original's; `tuning`: the same where it is lower, else 0.

    Example:
        >>> skill_gaps({"retain": 0.75, "tuning": 0.75}, {"retain": 1.0, "tuning": 0.5})
        {'retain': -0.25, 'tuning': 0.0}
    """
    return {"retain": now["retain"] - original["retain"], "tuning": min(0.0, now["tuning"] - original["tuning"])}


def gaps_by_chance(
    forget: Answers, tuning: Answers, gone: Array, *, seed: int, draws: int = 200
) -> dict[str, tuple[float, float]]:
    """Between which values `retraining_gaps` lie nineteen times in twenty where a model has seen no forget picture.

    Of forget pictures only labels and owners are read. Tuning pictures are drawn in their place, each of the same
    label, and are compared with tuning pictures whose people are resampled. Pictures of one person are drawn from alike
    places in the order of losses, as much alike as those of tuning people are: that is how one person can be judged.

    Args:
        forget, tuning, gone: as in `retraining_gaps`. seed: of the draws. draws: how many.

    Returns:
        lowest and highest value by the name of the gap.
    """
    rng = np.random.default_rng(seed)
    strata, people = _strata(forget, tuning), _people(tuning)
    closeness = _closeness(tuning, people, strata[1])
    weights = bootstrap_weights(people, len(people), draws=draws, seed=seed)[1:]
    rows = [_drawn(forget, tuning, strata, closeness(row), rng) for row in weights]
    found = _drawn_gaps(np.stack(rows), tuning, weights, strata, gone)
    # quantiles of resampled people are too narrow where people are few, about as the normal ones are beside Student's
    wider = float(scipy.stats.t.ppf(1 - BEYOND, max(len(np.unique(people)) - 1, 1)) / scipy.stats.norm.ppf(1 - BEYOND))
    ends = {name: wider * np.quantile(gaps, [BEYOND, 1 - BEYOND]) for name, gaps in found.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def nearness(gaps: Mapping[str, float], chance: Mapping[str, tuple[float, float]], tolerance: float) -> float:
    """How near a model is to a retrained one, higher is nearer: minus its largest gap, where all are small enough.

    Where a gap is larger than tolerance and chance explain, the largest excess counts, and the score is below -1.

    Args:
        gaps: by name, -1..1. chance: lowest and highest value that chance explains, by name; 0 where not given.

    Example:
        >>> nearness({"forget": 0.2}, {"forget": (-0.2, 0.2)}, 0.03), nearness({"retain": -0.125}, {}, 0.0)
        (-0.2, -1.125)
    """
    ends = {name: chance.get(name, (0.0, 0.0)) for name in gaps}
    excess = max(max(ends[name][0] - gap, gap - ends[name][1]) for name, gap in gaps.items()) - tolerance
    return -1 - excess if excess > 0 else -max(map(abs, gaps.values()))


def _drawn_gaps(
    rows: Array, tuning: Answers, weights: Array, strata: tuple[Array, Array], gone: Array
) -> dict[str, Array]:
    """`retraining_gaps` of many draws at once: float64 [r] by name.

    Args:
        rows: tuning pictures in the place of forget pictures, int [r, n].
        weights: how often each tuning picture is drawn, uint8 [r, m]. strata: labels of the forget set [n], of tuning
            pictures [m]. gone: bool [n].
    """
    scores, (ours, theirs) = -tuning.losses, strata
    drawn = np.stack([np.bincount(row, minlength=len(scores)) for row in rows])
    label = np.arange(max(ours.max(), theirs.max()) + 1) == theirs[:, None]
    there = weights.astype(np.float64) @ label  # tuning pictures drawn of each label
    alike = weights * (np.bincount(ours, minlength=label.shape[1]) / np.maximum(there, 1))[:, theirs]
    target = weighted_auroc(scores, scores, alike, weights)
    auroc = weighted_auroc(scores, scores, drawn, weights) - np.where(np.isnan(target), 0.5, target)
    overall = weighted_mean(tuning.hits, weights)[:, None]
    by_label = np.where(there > 0, (weights * tuning.hits) @ label / np.maximum(there, 1), overall)
    known = ~gone
    return {"forget": (tuning.hits[rows] - by_label[:, ours])[:, known].sum(1) / len(gone), "auroc": auroc}


def _strata(forget: Answers, tuning: Answers) -> tuple[Array, Array]:
    """Number of the joint label of each forget and each tuning picture."""
    _, strata = np.unique(np.r_[forget.labels, tuning.labels], axis=0, return_inverse=True)
    first, second = np.split(strata.ravel(), [len(forget.losses)])
    return first, second


def _people(answers: Answers) -> Array:
    """Owner of each picture as a number; each picture its own where fewer than two owners are known."""
    single = np.arange(len(answers.losses))
    if answers.subjects is None:
        return single
    owners = np.unique(answers.subjects, return_inverse=True)[1].ravel()
    return owners if owners.max() else single


def _closeness(tuning: Answers, people: Array, strata: Array) -> Callable[[Array], float]:
    """How alike a person's places in the order of losses are: their correlation under weights, 0..1.

    A picture's place is counted among other people's pictures of its label: among its own, few people would look
    alike by construction. Where no person has two pictures with a place, nothing is known, and the answer is 1.
    """
    places = np.full(len(people), np.nan)
    for stratum in np.unique(strata):
        at = np.flatnonzero(strata == stratum)
        for person in np.unique(people[at]):
            own, others = at[people[at] == person], np.sort(tuning.losses[at[people[at] != person]])
            if len(others):
                below = [np.searchsorted(others, tuning.losses[own], side) for side in ("left", "right")]
                places[own] = scipy.stats.norm.ppf((np.mean(below, axis=0) + 0.5) / (len(others) + 1))
    placed = ~np.isnan(places)
    owner, first = np.unique(people[placed], return_index=True)
    number = np.searchsorted(owner, people[placed])
    count, total, squares = (
        np.bincount(number, v) for v in (np.ones(placed.sum()), places[placed], places[placed] ** 2)
    )
    several = count > 1
    # of each person the mean product of two different pictures, counted as often as there are pictures
    products = (total**2 - squares)[several] / (count[several] - 1)
    at = np.flatnonzero(placed)[first][several]

    def closeness(weights: Array) -> float:
        spread = float(weights[at] @ squares[several])
        return float(np.clip(weights[at] @ products / spread, 0, 1)) if spread else 1.0

    return closeness


def _drawn(
    forget: Answers, tuning: Answers, strata: tuple[Array, Array], closeness: float, rng: np.random.Generator
) -> Array:
    """A tuning picture in the place of each forget picture, of its label and at the height of its person: int [n]."""
    n = len(forget.losses)
    people = np.arange(n) if forget.subjects is None else np.unique(forget.subjects, return_inverse=True)[1].ravel()
    persons = rng.standard_normal(n)[people]
    heights = scipy.stats.norm.cdf(np.sqrt(closeness) * persons + np.sqrt(1 - closeness) * rng.standard_normal(n))
    anywhere = rng.random(n)
    rows = np.empty(n, dtype=np.int64)
    order = np.argsort(tuning.losses, kind="stable")
    for stratum in np.unique(strata[0]):
        ours = np.flatnonzero(strata[0] == stratum)
        same = order[strata[1][order] == stratum]
        # a label that few tuning pictures have says little about the next picture of it, which may be like any
        for at, pool in zip(_split(ours, anywhere[ours] * (len(same) + 1) < 1), (order, same), strict=True):
            rows[at] = pool[(heights[at] * len(pool)).astype(np.int64).clip(max=len(pool) - 1)] if len(at) else at
    return rows


def _split(values: Array, first: Array) -> tuple[Array, Array]:
    return values[first], values[~first]
