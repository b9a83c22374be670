"""Attacks on a single model: how well one signal, or several together, tell forgotten pictures from non-members.

Observations and weights flow in, estimates and curves flow out. Each attack's target is what it finds in a retrained
model, not one half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from expunge.audits.attackcards import ATTACKS
from expunge.audits.observe import Observation, Seen
from expunge.audits.resampling import SAME_PEOPLE, Weights, evenly, owners_of
from expunge.audits.statistics import ATTACKED, FPR, Estimate, Estimates, Key, between
from expunge.errors import Unavailable
from expunge.functional.attacks.curves import tpr_at_fpr, why_no_tpr
from expunge.functional.attacks.geometry import centre_distance, gradient_norm
from expunge.functional.attacks.signals import membership_scores
from expunge.functional.probes import held_out_scores, support_vectors
from expunge.functional.stats import mean_of, weighted_auroc, weighted_tpr

Array = np.ndarray[Any, np.dtype[Any]]
LOSS, SVM = "loss", "svc"
INNER = ("gradient_norm", "feature_distance")  # look behind the logits
STRONGEST = Key("attack_gap", ATTACKED)
# pictures a side for the support vector machine, whose time grows with their square; fewer give no TPR at 1 % FPR
MOST = 1000
FPRS = tuple(round(float(10**e), 9) for e in np.linspace(-4, 0, 41))  # ten a decade
NO_FEATURES = "not estimable: the model's features were not looked at"


@dataclass(frozen=True)
class Scores:
    """What an attack makes of pictures; higher means member.

    Args:
        forget, reporting: what was asked about; all pictures, or a sample.
        members, others: float64 scores [n], [m] of these; None where there are none.
        at: positions of these in their splits.
        why_not: why there are none.
        steps: in how many steps scores rise; None where each picture has its own.
        note: what a reader must know of scores that there are.
    """

    forget: Seen
    reporting: Seen
    members: Array | None
    others: Array | None
    at: tuple[Array, Array]
    why_not: str = ""
    steps: int | None = None
    note: str = ""

    @property
    def counted(self) -> int:
        """How many non-members low false positive rates rest on: steps that are wider tell no more of them."""
        asked = len(self.at[1])
        return asked if self.steps is None else min(asked, self.steps)


def attack_scores(observation: Observation) -> dict[str, Scores]:
    """Every attack on single pictures, by name: `loss` and all of `ATTACKS`."""
    sides = observation["forget"], observation["reporting"]
    return {name: _scored(sides, score) for name, score in _by_picture(observation["retain"]).items()} | {
        SVM: _machine(sides)
    }


def inner_scores(observation: Observation) -> dict[str, Scores]:
    """The attacks of `INNER`, which need features."""
    scores, sides = _by_picture(observation["retain"]), (observation["forget"], observation["reporting"])
    return {name: _scored(sides, scores[name]) for name in INNER}


def _by_picture(retain: Seen) -> dict[str, Callable[[Seen], Array]]:
    """What gives every picture a number of its own; of the retain pictures are the centres of classes."""

    def far(seen: Seen) -> Array:
        return -centre_distance(_features(seen), seen.labels, _features(retain), retain.labels)

    return {
        # the audit's own losses, so that this is `mia_auroc` to the last digit
        LOSS: lambda seen: -seen.losses,
        **{name: _signal(name) for name in ("entropy", "modified_entropy", "confidence", "margin")},
        "gradient_norm": _pull,
        "feature_distance": far,
    }


def population(scores: Mapping[str, Scores], weights: Weights) -> Estimates:
    """`ranked` of every attack but the loss, which `estimates` has."""
    found: Estimates = {}
    for name in ATTACKS:
        found |= ranked(name, scores[name], weights)
    return found


def ranked(name: str, attack: Scores, weights: Weights) -> Estimates:
    """AUROC, and TPR at 1 % FPR where estimable, of one attack."""
    few = why_no_tpr(attack.counted, FPR)
    return {
        Key(f"{name}_auroc", ATTACKED): measured(attack, weights, weighted_auroc),
        Key(f"{name}_tpr_at_1pct_fpr", ATTACKED): measured(attack, weights, partial(weighted_tpr, fpr=FPR), few),
    }


@dataclass(frozen=True)
class RocCurves:
    """What every attack on single pictures trades, for drawing on logarithmic axes.

    Args:
        fpr: false positive rates, rising.
        curves: one for every attack and model.
    """

    fpr: tuple[float, ...]
    curves: tuple[RocPoints, ...]


@dataclass(frozen=True)
class RocPoints:
    """One curve: `tpr` at each of the rates; None where too few false positives are expected there to say."""

    attack: str
    model: str
    tpr: tuple[float | None, ...]


def roc_curves(models: Mapping[str, Mapping[str, Scores]]) -> RocCurves:
    """The curves of all attacks that could be made, by model: `before`, `after`, `reference-1` ..."""
    return RocCurves(
        FPRS,
        tuple(
            RocPoints(attack, model, _points(of.members, of.others, of.counted))
            for model, scores in models.items()
            for attack, of in scores.items()
            if of.members is not None and of.others is not None
        ),
    )


def _points(members: Array, others: Array, counted: int) -> tuple[float | None, ...]:
    told = [fpr for fpr in FPRS if not why_no_tpr(counted, fpr)]
    return (None,) * (len(FPRS) - len(told)) + tuple(round(tpr_at_fpr(members, others, fpr=fpr), 6) for fpr in told)


def strongest(ours: Estimates, references: Sequence[Estimates]) -> Estimate:
    r"""The largest gap in AUROC to a reference that any attack finds, mean over references.

    $$\max_a |\mathrm{AUROC}_a(\theta) - \mathrm{AUROC}_a(\theta_r)|$$

    The attack is chosen anew in every draw, and its value grows with the number of attacks whatever the model: it says
    something only beside the same choice made between two references, which is its reference value.
    """
    keys = [Key("mia_auroc", ATTACKED), *(Key(f"{name}_auroc", ATTACKED) for name in ATTACKS)]
    gaps = []
    for other in references:
        pairs = [(ours[key].values, other[key].values) for key in keys]
        known = [np.abs(mine - theirs) for mine, theirs in pairs if mine is not None and theirs is not None]
        gaps.append(np.max(known, axis=0))
    like = ours[keys[0]]
    return Estimate(mean_of(gaps), like.n, like.subjects)


def _scored(sides: Sequence[Seen], score: Callable[[Seen], Array]) -> Scores:
    """An attack on all pictures; without scores where it cannot be made."""
    forget, reporting = sides
    at = np.arange(len(forget.ids)), np.arange(len(reporting.ids))
    try:
        return Scores(forget, reporting, score(forget), score(reporting), at)
    except Unavailable as error:
        return Scores(forget, reporting, None, None, at, str(error))


def _signal(name: str) -> Callable[[Seen], Array]:
    return lambda seen: _signals(seen)[name]


def _signals(seen: Seen) -> dict[str, Array]:
    return membership_scores(seen.logits, seen.labels, sizes=seen.spec.sizes)


def _pull(seen: Seen) -> Array:
    return -gradient_norm(_features(seen), seen.logits, seen.labels, sizes=seen.spec.sizes)


def _features(seen: Seen) -> Array:
    if seen.features is None:
        raise Unavailable(NO_FEATURES)
    return seen.features


def _machine(sides: Sequence[Seen]) -> Scores:
    """A support vector machine on all signals of the logits, judged on people that it was not fitted on."""
    forget, reporting = sides
    at = evenly(len(forget.ids), MOST), evenly(len(reporting.ids), MOST)
    inputs = np.concatenate([np.stack(list(_signals(s).values()), axis=1)[i] for s, i in zip(sides, at, strict=True)])
    owners = np.concatenate([owners_of(s)[i] for s, i in zip(sides, at, strict=True)])
    side = np.arange(len(inputs)) < len(at[0])
    try:
        scores = held_out_scores(support_vectors(), inputs, side, owners, seed=0)
    except Unavailable as error:
        return Scores(forget, reporting, None, None, at, str(error))
    note = SAME_PEOPLE if forget.subjects is None or reporting.subjects is None else ""
    return Scores(forget, reporting, scores[side], scores[~side], at, note=note)


def measured(attack: Scores, weights: Weights, measure: Callable[..., Array], why_not: str = "") -> Estimate:
    """What `measure` makes of an attack's scores under all weights; without a number where there is a reason."""
    chosen = attack.forget.part(attack.at[0]), attack.reporting.part(attack.at[1])
    why_not = attack.why_not or why_not
    if why_not or attack.members is None or attack.others is None:
        return between(None, *chosen, why_not)
    drawn = weights["forget"][:, attack.at[0]], weights["reporting"][:, attack.at[1]]
    return between(measure(attack.members, attack.others, *drawn), *chosen, attack.note)
