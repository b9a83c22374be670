"""Drift: how far a line of unlearned models has come from its last training, and when to train anew.

What each erasure cost on tuning pictures flows in, a finding flows out. Reporting pictures are never looked at: a rule
that decides what happens next would wear them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class DriftLimits:
    """When to retrain; the defaults are conventions, not measurements.

    Args:
        accuracy_lost: tuning accuracy lost since the last training, as a share (0..1).
        share_erased: training pictures erased since then, as a share (0..1) of those that were trained on.
    """

    accuracy_lost: float = 0.02
    share_erased: float = 0.1


@dataclass(frozen=True)
class Step:
    """One erasure.

    Args:
        before, after: accuracy on tuning pictures (0..1) of the model that came in and of the one that came out.
        forget, retain: number of pictures in these two sets.
    """

    before: float
    after: float
    forget: int
    retain: int


@dataclass(frozen=True)
class Drift:
    """What has accumulated since the last training.

    Args:
        erasures: how many. accuracy_lost: on tuning pictures, as a share; negative where it was gained.
        share_erased: of the training pictures. reasons: why to retrain, empty where there is no need to.
    """

    erasures: int
    accuracy_lost: float
    share_erased: float
    reasons: tuple[str, ...]

    @property
    def retrain(self) -> bool:
        """Whether it is time to train anew."""
        return bool(self.reasons)


def accumulated(steps: Sequence[Step], limits: DriftLimits = DriftLimits()) -> Drift:
    """The drift of a line.

    The loss is summed over the erasures, each measured on one and the same pictures before and after; so pictures that
    leave the tuning set in between do not count as a change of the model.

    Args:
        steps: the erasures since the last training, oldest first. limits: from where on to retrain.

    Example:
        >>> drift = accumulated([Step(0.80, 0.79, 5, 95), Step(0.79, 0.77, 6, 89)])
        >>> round(drift.accuracy_lost, 3), drift.share_erased, drift.retrain
        (0.03, 0.11, True)
    """
    lost = sum(step.before - step.after for step in steps)
    trained = steps[0].forget + steps[0].retain if steps else 0
    erased = sum(step.forget for step in steps) / trained if trained else 0.0
    reasons = []
    if lost > limits.accuracy_lost:
        reasons.append(f"tuning accuracy fell by {lost:.3f} (limit {limits.accuracy_lost:g})")
    if erased > limits.share_erased:
        reasons.append(f"{erased:.1%} of the training pictures are erased (limit {limits.share_erased:.1%})")
    return Drift(len(steps), lost, erased, tuple(reasons))
