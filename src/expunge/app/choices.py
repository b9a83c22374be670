"""Says what a method that tried several things chose, and why; outcomes flow in, sentences flow out."""

from __future__ import annotations

from collections.abc import Mapping

from expunge.app.desk import Desk
from expunge.engine.outcome import Outcome
from expunge.functional.guards import FAILED
from expunge.methods.auto import LEFT_OUT

BLIND = 0.2  # gap by chance above which even a model that memorised strongly may go unseen


def tell_choices(outcome: Outcome, desk: Desk) -> None:
    """What a method that tried several things chose, and why; a warning where nothing was good enough."""
    if not outcome.choices:
        return
    for record in outcome.records:
        if f": {LEFT_OUT}: " in record.name or f": {FAILED}: " in record.name:
            desk.say(record.name)
    for choice in outcome.choices:
        for name, measured in choice.measured.items():
            chosen = "chosen" if name == choice.selected else "tried"
            desk.say(f"{chosen}: {name}: {_measured(measured)}")
        if not choice.enough:
            desk.warn(
                f"nothing that was tried came close enough to what a retrained model is expected to show; "
                f"{choice.selected} came closest: retrain instead (--method retrain), or read the audit with care"
            )
        elif choice.measured[choice.selected].get("chance", 0.0) > BLIND:
            desk.say(
                f"the forget set is small: gaps up to {choice.measured[choice.selected]['chance']:.2f} are chance, so "
                "that it cannot be told from these whether it was forgotten; read the audit with care"
            )


def _measured(measured: Mapping[str, float]) -> str:
    if measured.get(FAILED):
        return f"{FAILED}: its answers are no longer finite"
    gaps = {name: value for name, value in measured.items() if name.endswith(" gap")}
    shown = ", ".join(f"{name} {value:+.3f}" for name, value in gaps.items())
    largest = max(map(abs, gaps.values()), default=-measured["score"])
    return f"{largest:.3f}" + (f" ({shown})" if shown else "")
