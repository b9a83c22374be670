"""What a number or a hash stands for in a ledger, what it came from, and all that happened to it.

A ledger at one moment and a name flow in; a mapping ready for JSON and for people flows out.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from expunge.app.ledgerviews import (
    attestation_card,
    attested_runs,
    dataset_card,
    event_card,
    lineage_steps,
    model_card,
    request_card,
    run_card,
)
from expunge.errors import RequestError
from expunge.evidence.ledger.register import Register
from expunge.evidence.ledger.store import View

SHORTEST, DIGITS = 4, 15  # at least so many digits of a hash stand for it; at most so many are a number


def shown(view: View, name: str, today: date) -> dict[str, Any]:
    """A request by its number, or a run, model, dataset or attestation by the beginning of its hash.

    Raises:
        RequestError: there is none, or several.
    """
    register = view.register()
    what, full = _named(view, register, name.lower())
    match what:
        case "request":
            card = request_card(register.request(int(full)), today)
        case "dataset":
            card = dataset_card(register, full)
        case "model":
            card = model_card(register, full) | {"lineage": lineage_steps(register, [full])}
        case _:
            run = register.runs[full] if what == "run" else attested_runs(register)[full]
            models = [run.after] if run.after else list(run.before)
            told = run_card(run) if what == "run" else attestation_card(run)
            card = told | {"lineage": lineage_steps(register, models)}
    # what happened to an attestation happened to its run
    mentioned = {"dataset": f"data:{full}", "attestation": f"run:{card.get('run')}"}.get(what, f"{what}:{full}")
    return {**card, "events": [event_card(event) for event in view.events(mentioned)]}


def _named(view: View, register: Register, name: str) -> tuple[str, str]:
    number = int(name) if name.isdecimal() and len(name) <= DIGITS else None
    known = {"run": view.names("run"), "model": view.names("model"), "dataset": view.names("data")}
    known["attestation"] = list(attested_runs(register))
    hashed = len(name) >= SHORTEST and number not in register.requests  # some hashes begin with decimal digits only
    found = [(what, full) for what, names in known.items() for full in names if hashed and full.startswith(name)]
    if number is not None and not found:
        return "request", str(register.request(number).number)
    if len(found) != 1:
        came = f"{len(found)} of them" if len(name) >= SHORTEST else repr(name)
        hashes = f"{SHORTEST} or more digits of the hash of one run, model, dataset or attestation"
        raise RequestError("name", expected=f"the number of a request, or {hashes}", came=came)
    return found[0]
