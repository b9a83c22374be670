"""The smallest effect that each audit would show on sets of these sizes; names and sizes flow in, effects flow out.

Two-sided at level .05, found with probability .8 (`functional.power`). The known value that an effect departs from is
taken as given: a measured reference adds its own uncertainty, while pairing with it takes some away. So are shadow
models: others would give another value. An audit without a formula has the reason why there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from expunge.evidence.preflight.data import Effect, SetSize
from expunge.functional.attacks.curves import why_no_tpr
from expunge.functional.power import FITTED, LEVEL, detectable_auroc, detectable_shift, detectable_tpr

Sizes = Mapping[str, SetSize]
Rule = Callable[[str, Sizes], Effect]
FPR = 0.01
# the most pictures a side that these audits look at
MACHINE, PULL, PROBE, COLLAPSE = 1000, 500, 2000, 1000
HALVED = 2  # relearning and identity ask about half of the pictures
IDENTIFIED = 4  # pictures of a person, for the question of whose they are
SHARE = "a share that is off by this much"
SCORE = "a mean that is off by this many standard deviations of one picture's value"
RANK = "an AUROC of this where nothing remembered gives 0.5"
ON_FORGET, ON_HELD_OUT = "on forget pictures", "on the half of the forgotten people who are held out"
TOO_FEW = "nothing: not even perfect separation would show with so few independent pictures"
ONE_PERSON = "not estimable: all pictures of a side show one person, who cannot be held out"
NOBODY_KNOWN = "not estimable: needs two forgotten people who are known by name, with four pictures each"
DIRECTIONS = (
    "no formula: how much it varies depends on how many directions the features use, which no count of pictures tells"
)
BY_MODELS = (
    "no formula: more pictures do not make up for few shadow models. Its value under perfect unlearning falls with "
    "their number, and is measured as the floor, between as many retrained models"
)
BY_MODELS_EPSILON = (
    "no formula: more pictures do not make up for few shadow models. With N of them a side, an epsilon above ln(N - 1) "
    "cannot be told from complete separation; perfect unlearning is measured as the floor"
)


def effects(audits: Sequence[str], sets: Sequence[SetSize]) -> tuple[Effect, ...]:
    """One line for every audit, also for those of which nothing can be said."""
    sizes = {one.name: one for one in sets}
    return tuple(_EFFECTS[name](name, sizes) for name in audits)


def _none(name: str, _: Sizes, *, why: str) -> Effect:
    return Effect(name, None, "", why)


def _within(name: str, least: float | None, meaning: str) -> Effect:
    """An effect, unless it is larger than any can be."""
    return Effect(name, None, "", TOO_FEW) if least is None or least >= 0.5 else Effect(name, least, meaning)


def _auroc(name: str, members: float, others: float) -> Effect:
    least = detectable_auroc(members, others)
    return Effect(name, least, RANK) if least is not None else Effect(name, None, "", TOO_FEW)


def _share_of(name: str, size: float, where: str, meaning: str = SHARE) -> Effect:
    """A share near 0 or 1 varies less than the .5 taken here."""
    return _within(name, detectable_shift(size), f"{where}, {meaning}")


def _mean_of(name: str, size: float, where: str) -> Effect:
    return Effect(name, detectable_shift(size, deviation=1.0), f"{where}, {SCORE}")


def _share(name: str, sizes: Sizes, *, meaning: str = SHARE) -> Effect:
    return _share_of(name, sizes["forget"].independent, ON_FORGET, meaning)


def _mean(name: str, sizes: Sizes) -> Effect:
    return _mean_of(name, sizes["forget"].independent, ON_FORGET)


def _rank(name: str, sizes: Sizes) -> Effect:
    return _auroc(name, sizes["forget"].independent, sizes["reporting"].independent)


def _sampled_rank(name: str, sizes: Sizes) -> Effect:
    return _auroc(name, *(_sampled(sizes[side], PULL) for side in ("forget", "reporting")))


def _beside_itself(name: str, sizes: Sizes) -> Effect:
    """Forget pictures under one model against the same under another; taken for strangers, on the safe side."""
    return _auroc(name, sizes["forget"].independent, sizes["forget"].independent)


def _fitted_rank(name: str, sizes: Sizes, *, most: int) -> Effect:
    """Scores of a classifier that was fitted on other people."""
    if 1 in (sizes["forget"].people, sizes["reporting"].people):
        return Effect(name, None, "", ONE_PERSON)
    return _auroc(name, *(_sampled(sizes[side], most) / FITTED for side in ("forget", "reporting")))


def _fitted_sides(name: str, sizes: Sizes) -> Effect:
    """Mean of the shares of both sides: a variance of 1/16 (1/n + 1/m), and of its being fitted."""
    n, m = (sizes[side].independent / FITTED for side in ("forget", "reporting"))
    return _within(name, detectable_shift(4 * n * m / (n + m)), SHARE)


def _usefulness(name: str, sizes: Sizes) -> Effect:
    """Half the accuracy minus the attack's: reporting pictures that are hard for one are easy for the other."""
    n, m = sizes["forget"].independent, sizes["reporting"].independent
    together = (FITTED**0.5 + 1) ** 2  # deviations of the two shares of reporting pictures add up, at most
    return _within(name, detectable_shift(4 / (FITTED / n + together / m)), "a score that is off by this much")


def _tail(name: str, sizes: Sizes, *, counted: Sequence[str] = ("reporting",)) -> Effect:
    why = why_no_tpr(min(sizes[side].pictures for side in counted), FPR)
    if why:
        return Effect(name, None, "", why)
    least = detectable_tpr(sizes["forget"].independent, sizes["reporting"].independent, fpr=FPR)
    if least is None:
        return Effect(name, None, "", TOO_FEW)
    return Effect(name, least, "a share of this much where nothing remembered gives 1 %")


def _tail_beside_itself(name: str, sizes: Sizes) -> Effect:
    """The false alarms are the same forget pictures under another model."""
    return _tail(name, {**sizes, "reporting": sizes["forget"]})


def _fitted_tail(name: str, sizes: Sizes, *, most: int) -> Effect:
    """Scores as in `_fitted_rank`; in simulations their rate varies no more than that of a score fixed before."""
    if 1 in (sizes["forget"].people, sizes["reporting"].people):
        return Effect(name, None, "", ONE_PERSON)
    seen = {
        side: replace(size, pictures=min(size.pictures, most), independent=_sampled(size, most))
        for side, size in sizes.items()
    }
    return _tail(name, seen)


def _distance(name: str, sizes: Sizes) -> Effect:
    """The larger of two gaps shows when the one that is harder to see does."""
    least = detectable_auroc(sizes["forget"].independent, sizes["reporting"].independent)
    if least is None:
        return Effect(name, None, "", TOO_FEW)
    task = detectable_shift(sizes["reporting"].independent)
    return Effect(name, max(least - 0.5, task), "a gap of this much")


def _strongest(name: str, sizes: Sizes) -> Effect:
    """As many attacks share one level, and all are taken for the one that varies most."""
    n, m = (_sampled(sizes[side], MACHINE) / FITTED for side in ("forget", "reporting"))
    least = detectable_auroc(n, m, level=LEVEL / ATTACKS)
    meaning = f"a gap of this much that one attack finds, of {ATTACKS} that are tried"
    return _within(name, None if least is None else least - 0.5, meaning)


def _relearned(name: str, sizes: Sizes, *, effect_of: Callable[[str, float, str], Effect]) -> Effect:
    if sizes["forget"].people == 1:
        return Effect(name, None, "", ONE_PERSON)
    return effect_of(name, sizes["forget"].independent / HALVED, ON_HELD_OUT)


def _identity(name: str, sizes: Sizes) -> Effect:
    forget = sizes["forget"]
    if forget.people is None or forget.people < 2 or forget.pictures < 2 * IDENTIFIED:
        return Effect(name, None, "", NOBODY_KNOWN)
    meaning = f"{SHARE}, at least: only those with four or more pictures count"
    return _share_of(
        name, _sampled(forget, PROBE) / HALVED, "on half of the pictures of each forgotten person", meaning
    )


def _kept(name: str, sizes: Sizes) -> Effect:
    return _share_of(name, _sampled(sizes["retain"], COLLAPSE), "on retain pictures")


def _sampled(size: SetSize, most: int) -> float:
    """Independent pictures of at most `most`: their share of all; more, where each person shows fewer."""
    return size.independent * min(1.0, most / size.pictures)


_SIGNALS = ("entropy", "modified_entropy", "confidence", "margin", "gradient_norm", "feature_distance")
ATTACKS = len(_SIGNALS) + 2  # the loss and the support vector machine
_SHADOWED = ("lira", "lira_offline", "rmia")
_EFFECTS: Mapping[str, Rule] = {
    "accuracy": _share,
    "top2_accuracy": _share,
    "loss": _mean,
    "ece": partial(_share, meaning="a measured error that is off by this much; chance alone makes it more than 0"),
    "mia_auroc": _rank,
    "mia_relative_auroc": _rank,
    "mia_accuracy": _fitted_sides,
    "forgetting_score": _fitted_sides,
    "nomus": _usefulness,
    "tpr_at_1pct_fpr": _tail,
    "zrf": _mean,
    "js_divergence": _mean,
    "distance": _distance,
    **{f"{name}_auroc": _rank for name in (*_SIGNALS, *_SHADOWED)},
    **{f"{name}_tpr_at_1pct_fpr": _tail for name in (*_SIGNALS, *_SHADOWED)},
    # scores of RMIA rise in steps of one tuning picture
    "rmia_tpr_at_1pct_fpr": partial(_tail, counted=("reporting", "tuning")),
    "svc_auroc": partial(_fitted_rank, most=MACHINE),
    "svc_tpr_at_1pct_fpr": partial(_fitted_tail, most=MACHINE),
    "attack_gap": _strongest,
    "full_gradient_auroc": _sampled_rank,
    "relearn_loss": partial(_relearned, effect_of=_mean_of),
    "relearn_accuracy": partial(_relearned, effect_of=_share_of),
    "relearn_speed": partial(_relearned, effect_of=_mean_of),
    "residue_member_auroc": partial(_fitted_rank, most=PROBE),
    "residue_identity": _identity,
    "collapse_separability": partial(_none, why=DIRECTIONS),
    "collapse_probe_accuracy": _kept,
    "collapse_cka_original": partial(_none, why=DIRECTIONS),
    "collapse_cka_reference": partial(_none, why=DIRECTIONS),
    "u_lira": partial(_share, meaning="a mean probability that is off by this much"),
    "u_lira_auroc": _beside_itself,
    "u_lira_tpr_at_1pct_fpr": _tail_beside_itself,
    "klom": partial(_none, why=BY_MODELS),
    "epsilon_quality": partial(_none, why=BY_MODELS_EPSILON),
}
