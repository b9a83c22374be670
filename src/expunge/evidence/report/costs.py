"""What the run did and what it cost, line by line: records flow in, text flows out."""

from __future__ import annotations

from dataclasses import dataclass

from expunge.evidence.report.data import PhaseLine, ReportData
from expunge.evidence.report.words import spoken_time

REASONS = {
    "complete": "came to its planned end",
    "stopped": "stopped by its own rule",
    "budget": "CUT OFF by the budget",
}


@dataclass(frozen=True)
class PhaseText:
    """A phase of the method, as text."""

    name: str
    kind: str
    steps: str
    pictures: str
    reason: str
    time: str


def phase_lines(data: ReportData) -> tuple[PhaseText, ...]:
    """What the method did, phase by phase."""
    return tuple(_phase(phase) for phase in data.phases)


def cost_lines(data: ReportData) -> tuple[tuple[str, str], ...]:
    """Where the time went; what was not measured says so."""
    costs = data.costs
    trained = spoken_time(costs.reference) if costs.reference is not None else "none was trained in this run"
    ratio = f"{costs.ratio:.1f} to 1" if costs.ratio is not None else "not known"
    return (
        ("Making the model forget", spoken_time(costs.method)),
        ("Training one reference without the erased pictures", trained),
        ("Time of retraining to time of the method", ratio),
        ("Measuring", spoken_time(costs.audit)),
        ("The whole run", spoken_time(costs.total)),
    )


def _phase(phase: PhaseLine) -> PhaseText:
    share = f" ({100 * phase.model_seconds / phase.seconds:.0f} % computing)" if _timed(phase) else ""
    return PhaseText(
        name=phase.name,
        kind=phase.kind,
        steps=f"{phase.steps:,}",
        pictures=f"{phase.pictures:,}" if phase.pictures else "\N{EM DASH}",
        reason=REASONS.get(phase.reason, phase.reason),
        time=spoken_time(phase.seconds) + share,
    )


def _timed(phase: PhaseLine) -> bool:
    return phase.seconds > 0 and phase.model_seconds > 0
