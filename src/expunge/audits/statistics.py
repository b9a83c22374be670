"""Every audit value of one model, as an estimate with its bootstrap draws side by side.

Observations and weights flow in; arrays [1 + draws] flow out, the estimate first. All models are resampled with the
same weights, so that differences between them are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from expunge.audits.observe import Observation, Seen
from expunge.audits.resampling import Weights, resampled_subjects
from expunge.functional.attacks.curves import why_no_tpr
from expunge.functional.membership import attack_hits
from expunge.functional.stats import (
    js_divergence,
    mean_of,
    weighted_auroc,
    weighted_ece,
    weighted_mean,
    weighted_tpr,
)
from expunge.types import SPLITS, Split

Array = np.ndarray[Any, np.dtype[Any]]
ATTACKED = "forget-vs-reporting"
STEERED = "forget-vs-tuning"
COMPARED: tuple[Split, ...] = ("forget", "reporting")
RELATIVE, EVEN = "mia_relative_auroc", 0.5
BESIDE: tuple[Split, ...] = ("reporting", "retain")
FPR = 0.01


@dataclass(frozen=True)
class Key:
    """What was measured, on which pictures."""

    name: str
    split: str


@dataclass(frozen=True)
class Estimate:
    """An estimate and its draws, float64 [1 + draws]; or the reason why there is none."""

    values: Array | None
    n: int
    subjects: int | None
    why_not: str = ""


Estimates = dict[Key, Estimate]


def estimates(observation: Observation, weights: Weights) -> Estimates:
    """All values that need one model only."""
    found: Estimates = {}
    for name in SPLITS:
        found |= _on_split(name, observation[name], weights[name])
    found |= _attack(observation, weights)
    return found


def divergences(observation: Observation, references: Sequence[Observation], weights: Weights) -> Estimates:
    """Divergence of a model's answers from those of the references, mean over references; nothing without any."""
    found: Estimates = {}
    for split in COMPARED if references else ():
        seen = observation[split]
        parts = [weighted_mean(_divergence(seen, other[split]), weights[split]) for other in references]
        found[Key("js_divergence", split)] = within(mean_of(parts), seen)
    return found


def relative(observation: Observation, references: Sequence[Observation], weights: Weights) -> Estimates:
    r"""AUROC of the loss that is left when a reference's is taken away, forget pictures against others.

    $$s_i(x) = \ell_{\text{reference}_i}(x) - \ell(x)$$

    Mean of the AUROC over references. What is hard about a picture is as hard for the reference and is gone from the
    difference. Exchange the model and a reference, and the score changes its sign: a model that was retrained itself
    has .5 on average, whoever the people are. The mean of several references' losses in the place of one would not
    change places with the model's: losses are skewed, and most lie below such a mean. Nothing without references.

    Reference: Watson et al. 2022 (arXiv 2111.08440), difficulty calibration.
    """
    found: Estimates = {}
    for other in BESIDE if references else ():
        drawn = weights["forget"], weights[other]
        parts = [
            weighted_auroc(_left(observation, r, "forget"), _left(observation, r, other), *drawn) for r in references
        ]
        values = mean_of(parts)
        found[Key(RELATIVE, f"forget-vs-{other}")] = between(values, observation["forget"], observation[other])
    return found


def _left(observation: Observation, reference: Observation, split: Split) -> Array:
    """By how much the model's losses lie below the reference's."""
    return reference[split].losses - observation[split].losses


def even(found: Estimates) -> Estimates:
    """What a retrained model has for every relative estimate among `found`: .5, in every draw."""
    return {
        key: Estimate(np.full_like(estimate.values, EVEN), estimate.n, estimate.subjects)
        for key, estimate in found.items()
        if key.name == RELATIVE and estimate.values is not None
    }


def ignorance(observation: Observation, untrained: Observation | None, weights: Weights) -> Estimates:
    r"""How alike a model answers on forget pictures to a network that learned nothing; nothing without such a network.

    $$\mathrm{ZRF} = 1 - \frac{1}{n} \sum_{x \in \text{forget}} \mathrm{JSD}(f(x), f_{\text{untrained}}(x))$$

    In bits, so that it lies in 0..1: 1 where both answer the same on every picture. Mean over attributes.

    Reference: Chundawat et al. 2023 (arXiv 2205.08096). The code published with it has two divergences of Kullback and
    Leibler with their arguments exchanged in place of the Jensen-Shannon divergence; this is the latter.
    """
    if untrained is None:
        return {}
    seen = observation["forget"]
    apart = weighted_mean(_divergence(seen, untrained["forget"]), weights["forget"])
    return {Key("zrf", "forget"): within(1 - apart, seen)}


def distances(ours: Estimates, references: Sequence[Estimates]) -> Estimate:
    """The larger of the gaps in reporting accuracy and attack AUROC, mean over references."""
    keys = (Key("accuracy", "reporting"), Key("mia_auroc", ATTACKED))
    gaps = [np.max([np.abs(_values(ours, k) - _values(other, k)) for k in keys], axis=0) for other in references]
    like = ours[keys[1]]
    return Estimate(mean_of(gaps), like.n, like.subjects)


def floor_divergences(references: Sequence[Observation], weights: Weights) -> Estimates:
    """Divergence between references, mean over pairs: what nothing can be asked to fall below."""
    pairs = [divergences(a, [b], weights) for a, b in combinations(references, 2)]
    return {
        key: Estimate(mean_of([_values(p, key) for p in pairs]), pairs[0][key].n, pairs[0][key].subjects)
        for key in pairs[0]
    }


def within(values: Array | None, seen: Seen, why_not: str = "") -> Estimate:
    """What was measured on one set of pictures."""
    return Estimate(values, len(seen.ids), resampled_subjects(seen), why_not)


def between(values: Array | None, a: Seen, b: Seen, why_not: str = "") -> Estimate:
    """What was measured on two sets of pictures against each other."""
    counts = resampled_subjects(a), resampled_subjects(b)
    people = [np.unique(seen.subjects) for seen in (a, b) if seen.subjects is not None]
    known = None if None in counts else len(np.unique(np.concatenate(people)))
    return Estimate(values, len(a.ids) + len(b.ids), known, why_not)


def _on_split(name: str, seen: Seen, weights: Array) -> Estimates:
    found = {
        Key("accuracy", name): within(weighted_mean(seen.hits, weights), seen),
        Key("top2_accuracy", name): _top2(seen, weights),
        Key("loss", name): within(weighted_mean(seen.losses, weights), seen),
    }
    parts = [
        weighted_ece(p.max(1), (p.argmax(1) == seen.labels[:, i]).astype(np.float64), weights)
        for i, p in enumerate(seen.probabilities)
    ]
    found[Key("ece", name)] = within(mean_of(parts), seen)
    return found


def _top2(seen: Seen, weights: Array) -> Estimate:
    if np.isnan(seen.hits_of_two).any():
        return within(None, seen, "every attribute has two classes: two guesses are always right")
    return within(weighted_mean(seen.hits_of_two, weights), seen)


def _attack(observation: Observation, weights: Weights) -> Estimates:
    forget, others, tuning = (observation[s] for s in ("forget", "reporting", "tuning"))
    ours, theirs = weights["forget"], weights["reporting"]
    auroc = weighted_auroc(-forget.losses, -others.losses, ours, theirs)
    steered = weighted_auroc(-forget.losses, -tuning.losses, ours, weights["tuning"])
    found = {
        Key("mia_auroc", ATTACKED): between(auroc, forget, others),
        Key("mia_auroc", STEERED): between(steered, forget, tuning),
        Key("tpr_at_1pct_fpr", ATTACKED): _tpr(forget, others, ours, theirs),
    }
    return found | _regression(forget, others, ours, theirs)


def _regression(forget: Seen, others: Seen, ours: Array, theirs: Array) -> Estimates:
    """What follows from the paper's attack; its held-out guesses stay as they are, only pictures are drawn anew."""
    counts = len(forget.ids), len(others.ids)
    if min(counts) < 2:
        why = f"not estimable with {counts[0]} forget and {counts[1]} reporting pictures: two a side are needed"
        names = ("mia_accuracy", "forgetting_score", "nomus")
        return {Key(name, ATTACKED): between(None, forget, others, why) for name in names}
    right, wrong = attack_hits(forget.losses, others.losses)
    accuracy = (weighted_mean(right, ours) + weighted_mean(wrong, theirs)) / 2
    score = np.abs(accuracy - 0.5)
    utility = weighted_mean(others.hits, theirs)
    return {
        Key("mia_accuracy", ATTACKED): between(accuracy, forget, others),
        Key("forgetting_score", ATTACKED): between(score, forget, others),
        Key("nomus", ATTACKED): between((utility + 1 - 2 * score) / 2, forget, others),
    }


def _tpr(forget: Seen, others: Seen, ours: Array, theirs: Array) -> Estimate:
    if why := why_no_tpr(len(others.ids), FPR):
        return between(None, forget, others, why)
    return between(weighted_tpr(-forget.losses, -others.losses, ours, theirs, fpr=FPR), forget, others)


def _divergence(a: Seen, b: Seen) -> Array:
    return mean_of([js_divergence(p, q) for p, q in zip(a.probabilities, b.probabilities, strict=True)])


def _values(found: Estimates, key: Key) -> Array:
    values = found[key].values
    if values is None:
        raise ValueError(f"expected an estimate of {key}, came none: {found[key].why_not}")
    return values
