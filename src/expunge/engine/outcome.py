"""What a run of phases did: how each phase ended, what was chosen on the way, what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PhaseRecord:
    """What a phase did and cost. `seconds` and `model_seconds` are of the session that ended it."""

    name: str
    kind: str
    steps: int
    reason: str
    seconds: float
    model_seconds: float
    pictures: int


@dataclass(frozen=True)
class Choice:
    """What a `Select` went back to, and what it measured on each of its snapshots."""

    name: str
    selected: str
    measured: Mapping[str, Mapping[str, float]]

    @property
    def enough(self) -> bool:
        """False where the method said that not even the best is good enough."""
        return self.measured[self.selected].get("enough", 1.0) != 0


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        steps: optimizer steps of all phases.
        seconds: of all sessions.
        budget_hit: `max_steps`, `max_seconds` or "".
        changed: whether any weight or buffer differs from the start.
        records: one per phase.
        choices: one per `Select`.
    """

    steps: int
    seconds: float
    budget_hit: str
    changed: bool
    records: tuple[PhaseRecord, ...]
    choices: tuple[Choice, ...] = ()
