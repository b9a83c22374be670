"""The smallest effect that each audit would show on sets of these sizes; names and sizes flow in, effects flow out.

Two-sided at level .05, found with probability .8 (`functional.power`). The known value that an effect departs from is
taken as given: a measured reference adds its own uncertainty, while pairing with it takes some away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from expunge.evidence.preflight.data import Effect, SetSize
from expunge.functional.attacks.curves import why_no_tpr
from expunge.functional.power import detectable_auroc, detectable_shift

Sizes = Mapping[str, SetSize]
FPR = 0.01
SHARE = "a share that is off by this much"
SCORE = "a mean that is off by this many standard deviations of one picture's value"
RANK = "an AUROC of this where nothing remembered gives 0.5"
TOO_FEW = "nothing: not even perfect separation would show with so few independent pictures"


def effects(audits: Sequence[str], sets: Sequence[SetSize]) -> tuple[Effect, ...]:
    """One line for every audit, also for those of which nothing can be said."""
    sizes = {one.name: one for one in sets}
    return tuple(_EFFECTS.get(name, _unknown)(name, sizes) for name in audits)


def _unknown(name: str, _: Sizes) -> Effect:
    return Effect(name, None, "", "no formula is known for this measure; its interval will say how sure it is")


def _share(name: str, sizes: Sizes) -> Effect:
    """Of forget pictures; a share near 0 or 1 varies less than the .5 taken here."""
    return _within(name, detectable_shift(sizes["forget"].independent), f"on forget pictures, {SHARE}")


def _within(name: str, least: float, meaning: str, most: float = 0.5) -> Effect:
    """An effect, unless it is larger than any can be."""
    return Effect(name, least, meaning) if least < most else Effect(name, None, "", TOO_FEW)


def _mean(name: str, sizes: Sizes) -> Effect:
    return Effect(name, detectable_shift(sizes["forget"].independent, deviation=1.0), f"on forget pictures, {SCORE}")


def _rank(name: str, sizes: Sizes) -> Effect:
    least = detectable_auroc(sizes["forget"].independent, sizes["reporting"].independent)
    return Effect(name, least, RANK, "" if least is not None else TOO_FEW)


def _sides(name: str, sizes: Sizes) -> Effect:
    """Mean of the shares of both sides: a variance of 1/16 (1/n + 1/m)."""
    n, m = sizes["forget"].independent, sizes["reporting"].independent
    return _within(name, detectable_shift(4 * n * m / (n + m)), SHARE)


def _tail(name: str, sizes: Sizes) -> Effect:
    why = why_no_tpr(sizes["reporting"].pictures, FPR)
    if why:
        return Effect(name, None, "", why)
    deviation = float((FPR * (1 - FPR)) ** 0.5)
    least = detectable_shift(sizes["forget"].independent, deviation=deviation)
    return Effect(name, least, "a share above 1 % by this much, at least: the threshold varies too")


def _distance(name: str, sizes: Sizes) -> Effect:
    """The larger of two gaps shows when the one that is harder to see does."""
    least = detectable_auroc(sizes["forget"].independent, sizes["reporting"].independent)
    if least is None:
        return Effect(name, None, "", TOO_FEW)
    task = detectable_shift(sizes["reporting"].independent)
    return Effect(name, max(least - 0.5, task), "a gap of this much")


_SIGNALS = ("entropy", "modified_entropy", "confidence", "margin", "gradient_norm", "feature_distance")
_EFFECTS: Mapping[str, Callable[[str, Sizes], Effect]] = {
    "accuracy": _share,
    "top2_accuracy": _share,
    "loss": _mean,
    "mia_auroc": _rank,
    "mia_accuracy": _sides,
    "forgetting_score": _sides,
    "tpr_at_1pct_fpr": _tail,
    "zrf": _mean,
    "js_divergence": _mean,
    "distance": _distance,
    **{f"{name}_auroc": _rank for name in _SIGNALS},
    **{f"{name}_tpr_at_1pct_fpr": _tail for name in _SIGNALS},
}
