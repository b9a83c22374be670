"""How far a phase is and what it has cost so far, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ProgressReport:
    """Where a phase stands: `rate` in pictures per second, `seconds_left` None where nobody can tell yet."""

    phase: str
    step: int
    steps: int
    rate: float
    seconds_left: float | None
    notes: Mapping[str, float]


Progress = Callable[[ProgressReport], None]


@dataclass
class Costs:
    """What a phase cost: seconds of this session, of which spent in the model, and pictures of its main source."""

    seconds: float = 0.0
    model_seconds: float = 0.0
    pictures: int = 0
