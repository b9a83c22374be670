"""Attacks that compare a model with shadow models, and how far an unlearning method lies from retraining.

Shadows' statistics, observations and weights flow in; estimates with paired draws, and rows made of them, flow out.
Every model is attacked alike: what an attack finds in a retrained reference is the target, not one half. A picture is
asked about once, as it is, without augmented copies; its log odds, or its probability, is the mean over attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from expunge.audits.observe import Observation, Seen
from expunge.audits.population import Scores, ranked
from expunge.audits.resampling import DRAWS, Weights, resampling
from expunge.audits.rows import RowsBeside, row_of, rows_beside
from expunge.audits.shadows import Shadows, log_odds
from expunge.audits.statistics import EVEN, FPR, Estimate, Estimates, Key, within
from expunge.errors import DataError, Unavailable
from expunge.functional.attacks.curves import why_no_tpr
from expunge.functional.attacks.epsilon import forgetting_quality
from expunge.functional.attacks.floor import BesideFloor
from expunge.functional.attacks.jackknife import FEWEST, left_out, luck
from expunge.functional.attacks.klom import klom
from expunge.functional.attacks.lira import Variance, lira_offline, lira_online, u_lira_ratio
from expunge.functional.attacks.rmia import Population, rmia_offline, tuned_a
from expunge.functional.seeding import derive_seed
from expunge.functional.stats import weighted_auroc, weighted_mean, weighted_tpr
from expunge.types import AuditRow, Split

Array = np.ndarray[Any, np.dtype[Any]]
# shadows a side; whether a picture's own variance is the better one with fewer depends on how much is memorised: not of
# models that hardly memorise, and after unlearning little is left
FEW = 32
FORGET: Split = "forget"
RMIA = "rmia"
U_LIRA, U_LIRA_AUROC, U_LIRA_TPR = (Key(name, FORGET) for name in ("u_lira", "u_lira_auroc", "u_lira_tpr_at_1pct_fpr"))
KLOM, EPSILON = Key("klom", FORGET), Key("epsilon_quality", FORGET)
Measure = Callable[[Array, Array, Array], BesideFloor]
Ranking = Callable[[Array, Array, Array, Array], Array]  # members, others, weights of both
METHOD: tuple[tuple[Key, Measure], ...] = ((KLOM, klom), (EPSILON, forgetting_quality))
THESE_MODELS = "interval over people alone: too few models to say how others would have turned out"


@dataclass(frozen=True)
class ShadowStudy:
    """The shadows of one audit; an attack whose shadows are not there is not made.

    Args:
        halves: trained on random halves of retain, forget and reporting pictures, asked about forget, reporting and
            tuning pictures: LiRA and RMIA. Tuning pictures are RMIA's population, which no shadow is trained on; the
            audited model's method may have been steered by them.
        unlearned: trained with the forget set, which was then unlearned; asked about it.
        retrained: never trained on the forget set, and without the method; twice as many, the second half being the
            floor of the first.
    """

    halves: Shadows | None = None
    unlearned: Shadows | None = None
    retrained: Shadows | None = None


def shadow_rows(
    study: ShadowStudy,
    before: Observation | None,
    after: Observation,
    references: Sequence[Observation],
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> RowsBeside:
    """Every attack that the shadows of `study` allow, on every model.

    Args:
        study: what shadows there are.
        before, after, references: as in `audit`; seed and draws too, so that intervals are of the same resamples.

    Raises:
        DataError: the shadows were not asked about these pictures.
    """
    weights = resampling(after, draws=draws, seed=seed)

    def measure(observation: Observation) -> Estimates:
        found = membership(observation, study.halves, weights) if study.halves is not None else {}
        if study.unlearned is not None and study.retrained is not None:
            ratios = _unlearning_ratios(observation[FORGET], study.unlearned, study.retrained)
            found[U_LIRA] = within(weighted_mean(expit(ratios), weights[FORGET]), observation[FORGET])
        return found

    rows = rows_beside(
        None if before is None else measure(before), measure(after), [measure(reference) for reference in references]
    )
    if study.unlearned is None or study.retrained is None:
        return rows
    rows_apart = partial(_rows_apart, unlearned=study.unlearned, retrained=study.retrained, weights=weights)
    others = [[other for other in references if other is not each] for each in references]
    return RowsBeside(
        before=rows.before + (() if before is None else rows_apart(before, references)),
        after=rows.after
        + rows_apart(after, references)
        + method_rows(study.unlearned, study.retrained, after[FORGET], weights, seed=seed),
        references=tuple(
            made + rows_apart(each, rest) for made, each, rest in zip(rows.references, references, others, strict=True)
        ),
    )


def membership(observation: Observation, shadows: Shadows, weights: Weights) -> Estimates:
    """LiRA and RMIA, forget pictures against reporting non-members: AUROC, and TPR at 1 % FPR where estimable."""
    found: Estimates = {}
    for name, scores in shadow_scores(observation, shadows).items():
        found |= ranked(name, scores, weights)
    return found


def shadow_scores(observation: Observation, shadows: Shadows) -> dict[str, Scores]:
    """LiRA and RMIA by name: what each makes of forget pictures and of reporting non-members."""
    forget, reporting = _asked(observation)
    at = np.arange(len(forget.ids)), np.arange(len(reporting.ids))
    found = {}
    for name, attack in ATTACKS.items():
        # scores of RMIA rise in steps of one picture of its population
        steps = len(observation["tuning"].ids) if name == RMIA else None
        try:
            members, others = np.split(attack(observation, shadows), [len(forget.ids)])
        except Unavailable as error:
            found[name] = Scores(forget, reporting, None, None, at, str(error))
        else:
            found[name] = Scores(forget, reporting, members, others, at, steps=steps)
    return found


def method_rows(
    unlearned: Shadows, retrained: Shadows, forget: Seen, weights: Weights, *, seed: int = 0
) -> tuple[AuditRow, ...]:
    """KLoM and forgetting quality of the method, beside what retraining itself has with as many models a side.

    Both are of forget pictures alone. Their intervals are over people, and over models from four a side on: by a
    bootstrap over the former and a jackknife over the latter.

    Args:
        unlearned: N shadows. retrained: 2N of them.
        forget: the pictures. weights: of these. seed: of the draws of models.

    Raises:
        DataError: the shadows were not asked about these pictures.
    """
    ours, all_retrained = (_signals(shadows, forget.ids) for shadows in (unlearned, retrained))
    models = len(ours)
    first, second = all_retrained[:models], all_retrained[models : 2 * models]
    rows = []
    for key, measure in METHOD:
        try:
            found = measure(ours, first, second)
        except Unavailable as error:
            rows.append(row_of(key, within(None, forget, str(error)), []))
            continue
        value, floor = (weighted_mean(v, weights[FORGET]) for v in (found.value, found.floor))
        if models >= FEWEST:
            add, add_floor = _luck(measure, (ours, first, second), weights[FORGET], derive_seed(seed, "models"))
            value, floor = value + add, floor + add_floor
        note = "" if models >= FEWEST else THESE_MODELS
        rows.append(row_of(key, within(value, forget, note), [within(floor, forget)]))
    return tuple(rows)


def _luck(measure: Measure, groups: tuple[Array, ...], weights: Array, seed: int) -> tuple[Array, Array]:
    """What other models would have added to a value and to its floor, so that the gap between them has its own share.

    Raises:
        ValueError: there are fewer than four models.
    """

    def both(*fewer: Array) -> Array:
        found = measure(*fewer)
        return np.stack([found.value, found.value - found.floor], axis=-1)

    without = left_out(both, *groups)
    value, gap = (luck(without[..., i], len(groups[0]), weights, seed=seed) for i in range(2))
    return value, value - gap


def _rows_apart(
    observation: Observation,
    references: Sequence[Observation],
    *,
    unlearned: Shadows,
    retrained: Shadows,
    weights: Weights,
) -> tuple[AuditRow, ...]:
    """U-LiRA beside references: AUROC, and TPR at 1 % FPR where estimable."""
    if not references:
        return ()
    forget = observation[FORGET]
    scores = ratio_scores(forget, [o[FORGET] for o in references], unlearned, retrained)
    measures: tuple[tuple[Key, Ranking, float, str], ...] = (
        (U_LIRA_AUROC, weighted_auroc, EVEN, ""),
        (U_LIRA_TPR, partial(weighted_tpr, fpr=FPR), FPR, why_no_tpr(scores.counted, FPR)),
    )
    rows = []
    for key, measure, even, why_not in measures:
        values = None if why_not else told_apart(scores, weights[FORGET], measure)
        beside = [] if values is None else [Estimate(np.full_like(values, even), len(forget.ids), None)]
        rows.append(row_of(key, within(values, forget, why_not), beside))
    return tuple(rows)


def ratio_scores(forget: Seen, references: Sequence[Seen], unlearned: Shadows, retrained: Shadows) -> Scores:
    """U-LiRA's ratios of forget pictures under this model, and as non-members the same pictures under all references.

    Both sides stand at positions of the forget set, and both take its weights.

    Args:
        forget, references: answers to the same n pictures; at least one reference.
        unlearned, retrained: shadows that were asked about them.
    """
    ours, *theirs = (_unlearning_ratios(seen, unlearned, retrained) for seen in (forget, *references))
    each = np.arange(len(forget.ids))
    # a further reference shows no further picture
    return Scores(forget, forget, ours, np.concatenate(theirs), (each, np.tile(each, len(theirs))), steps=len(each))


def told_apart(scores: Scores, weights: Array, measure: Ranking = weighted_auroc) -> Array:
    """What `measure` makes of `ratio_scores`, with weights [1 + r, n] of the n pictures: float64 [1 + r].

    An AUROC is the mean of those beside each reference, and .5 where all models are alike.

    Raises:
        Unavailable: there are no scores.
    """
    if scores.members is None or scores.others is None:
        raise Unavailable(scores.why_not)
    return measure(scores.members, scores.others, weights, weights[:, scores.at[1]])


def _unlearning_ratios(forget: Seen, unlearned: Shadows, retrained: Shadows) -> Array:
    """Of U-LiRA: unlearned shadows against retrained ones, to which no method was applied."""
    ours, theirs = (_signals(shadows, forget.ids) for shadows in (unlearned, retrained))
    return u_lira_ratio(_odds(forget).mean(1), ours, theirs, variance=_variance(len(ours)))


def _lira(attack: Callable[..., Array], observation: Observation, shadows: Shadows) -> Array:
    asked = _asked(observation)
    at = _at(shadows, np.concatenate([seen.ids for seen in asked]))
    target = np.concatenate([_odds(seen).mean(1) for seen in asked])
    # with halves, each picture is in about every second shadow
    variance = _variance(len(shadows.scaled) // 2)
    return attack(target, shadows.scaled_confidence[:, at], shadows.inside[:, at], variance=variance)


def _rmia(observation: Observation, shadows: Shadows) -> Array:
    """With `a` tuned on the first shadow, whose training set is known, against the others.

    The population are the tuning pictures: a method that was steered by them makes them look more, or less, like
    members, which moves the score of every picture.
    """
    asked, tuning = _asked(observation), observation["tuning"]
    at, at_z = _at(shadows, np.concatenate([seen.ids for seen in asked])), _at(shadows, tuning.ids)
    known, inside = shadows.confidence, shadows.inside[:, at]
    paired = Population(known[0, at_z], known[1:, at_z])
    a = tuned_a(known[0, at], inside[0], known[1:, at], inside[1:], paired)
    target = np.concatenate([_confidence(seen) for seen in asked])
    population = Population(_confidence(tuning), known[:, at_z])
    return rmia_offline(target, known[:, at], inside, population, a=a)


ATTACKS: Mapping[str, Callable[[Observation, Shadows], Array]] = {
    "lira": partial(_lira, lira_online),
    "lira_offline": partial(_lira, lira_offline),
    RMIA: _rmia,
}


def _asked(observation: Observation) -> tuple[Seen, Seen]:
    return observation[FORGET], observation["reporting"]


def _variance(models: int) -> Variance:
    return "fixed" if models < FEW else "per-example"


def _odds(seen: Seen) -> Array:
    return log_odds(seen.logits, seen.labels, seen.spec.sizes)


def _confidence(seen: Seen) -> Array:
    return np.asarray(np.exp(-np.logaddexp(np.float32(0), -_odds(seen))).mean(1))


def _signals(shadows: Shadows, ids: Array) -> Array:
    return shadows.scaled_confidence[:, _at(shadows, ids)]


def _at(shadows: Shadows, ids: Array) -> Array:
    """Columns of these pictures among those that the shadows were asked about."""
    place = {name: number for number, name in enumerate(shadows.ids.tolist())}
    found = [place.get(name, -1) for name in ids.tolist()]
    if -1 in found:
        raise DataError("shadows", expected="shadows that were asked about every picture", came="some that were not")
    return np.array(found, dtype=np.int64)
