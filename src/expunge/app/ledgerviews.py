"""What there is to say about requests, runs, models, datasets and attestations of a ledger, as plain values.

Registers flow in; mappings ready for JSON and for people flow out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from expunge.evidence.ledger.events import Event
from expunge.evidence.ledger.lineage import ancestors, drift_of, last_models
from expunge.evidence.ledger.register import FinishedRun, Register, Request

KINDS = ("requests", "runs", "audits", "models", "datasets", "attestations")


def items_of(kind: str, register: Register, today: date) -> Iterator[dict[str, Any]]:
    """One entry for everything of a kind, in the order in which it came; audits are runs too."""
    match kind:
        case "requests":
            yield from (request_card(request, today) for request in register.requests.values())
        case "runs":
            yield from (run_card(run) for run in register.runs.values())
        case "audits":
            yield from (run_card(run) for run in register.runs.values() if run.kind == "audit")
        case "models":
            yield from model_cards(register)
        case "datasets":
            names = dict.fromkeys(run.data for run in register.runs.values())
            yield from (dataset_card(register, name) for name in names)
        case "attestations":
            yield from map(attestation_card, attested_runs(register).values())


def request_card(request: Request, today: date) -> dict[str, Any]:
    """A request without its pseudonyms."""
    return {
        "what": "request",
        "request": request.number,
        "state": request.state,
        "received": request.received.isoformat(),
        "due": request.due.isoformat(),
        "days_left": (request.due - today).days if request.state == "open" else None,
        "extended": request.extended,
        "subjects": len(request.subjects),
        "pictures": len(request.pictures),
        "note": request.note,
        "reason": request.reason,
        "runs": list(request.runs),
        "begun": [run.out for run in request.begun],
        "purges": request.purges,
    }


def run_card(run: FinishedRun) -> dict[str, Any]:
    """A run."""
    card = {name: value for name, value in vars(run).items() if name != "measured"}
    return {"what": "run", **card, "requests": list(run.requests), "before": list(run.before)}


def attested_runs(register: Register) -> dict[str, FinishedRun]:
    """The runs that have an attestation, by its hash."""
    return {run.attestation: run for run in register.runs.values() if run.attestation is not None}


def attestation_card(run: FinishedRun) -> dict[str, Any]:
    """The attestation of a run: of which model, for which requests, and where the run was written."""
    return {
        "what": "attestation",
        "attestation": run.attestation,
        "run": run.run,
        "model": run.after,
        "requests": list(run.requests),
        "out": run.out,
    }


def dataset_card(register: Register, data: str) -> dict[str, Any]:
    """A dataset: which runs read it, for which requests, and which models they made."""
    read = [run for run in register.runs.values() if run.data == data]
    return {
        "what": "dataset",
        "dataset": data,
        "runs": [run.run for run in read],
        "models": list(dict.fromkeys(run.after for run in read if run.after is not None)),
        "requests": sorted({number for run in read for number in run.requests}),
    }


def model_cards(register: Register) -> Iterator[dict[str, Any]]:
    """Every model that a run made or erased from, and where it came from."""
    seen = set()
    for run in register.runs.values():
        for model in () if run.kind == "audit" else (*run.before, run.after):
            if model not in seen:
                seen.add(model)
                yield model_card(register, str(model))


def model_card(register: Register, model: str) -> dict[str, Any]:
    """A model: made by which runs, from which models, for which requests."""
    made = [run for run in register.runs.values() if run.after == model]
    return {
        "what": "model",
        "model": model,
        "runs": [run.run for run in made],
        "method": made[0].method or made[0].kind if made else "",
        "from": sorted({parent for run in made for parent in run.before}),
        "requests": sorted({number for run in made for number in run.requests}),
        "drift": drift_card(register, model),
    }


def lineage_steps(register: Register, models: Iterable[str]) -> list[dict[str, Any]]:
    """How models came to be, in the order in which it was entered: which run made what, from what, for whom."""
    runs = register.runs.values()
    line = set().union(*(ancestors(runs, model) for model in models))
    return [
        {
            "model": run.after,
            "by": run.kind,
            "method": run.method,
            "from": list(run.before),
            "requests": list(run.requests),
            "run": run.run,
        }
        for run in runs
        if run.after in line
    ]


def drift_card(register: Register, model: str) -> dict[str, Any] | None:
    """How far a model is from its last training, and why to train anew; None where nobody measured."""
    drift = drift_of(register, model)
    return None if drift is None else {**vars(drift), "reasons": list(drift.reasons), "retrain": drift.retrain}


def overdrawn(register: Register) -> list[dict[str, Any]]:
    """The last models of all lines that should be trained anew."""
    cards = [model_card(register, model) for model in last_models(register)]
    return [card for card in cards if card["drift"] is not None and card["drift"]["retrain"]]


def event_card(event: Event) -> dict[str, Any]:
    """What happened, without pseudonyms."""
    fields = {name: value for name, value in event.body.items() if name not in ("subjects", "pictures")}
    return {"event": event.sequence, "time": event.time, "kind": event.kind, "fields": fields}
