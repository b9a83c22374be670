"""Gathers what a report says from a finished erasure; how it is said is the report's own business.

Observations, the run's job, metrics and event log flow in, one `ReportData` of numbers, arrays and strings flows out.
Pictures and names of people enter only where the user asked for them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from expunge.app.illustrate import perturbed_pairs
from expunge.app.line import Erasure
from expunge.app.people import Naming, finding_facts, people_lines, request_facts
from expunge.app.unmeasured import not_measured
from expunge.audits.observe import Observation
from expunge.audits.registry import describe_audits
from expunge.evidence.report import Costs, ModelView, PhaseLine, PicturePair, ProbePoint, ReportData, RequestLine
from expunge.types import AuditRow, Split

MAP_PICTURES = 400  # of each split in the feature map
MAPPED: tuple[Split, ...] = ("retain", "forget")


@dataclass(frozen=True)
class Cover:
    """What a report says beyond the run itself.

    Args:
        show_faces: whether pictures of people may be in it.
        show_names: whether people, pictures and the request's file are called by their names.
        requests: as a ledger knows them.
        attestation: id of the run's attestation.
    """

    show_faces: bool = False
    show_names: bool = False
    requests: tuple[RequestLine, ...] = ()
    attestation: str = ""


def erasure_report(
    erasure: Erasure,
    seen: Mapping[str, Observation],
    fields: Mapping[str, Any],
    metrics: Mapping[str, Any],
    *,
    events: Sequence[Mapping[str, Any]],
    cover: Cover,
) -> ReportData:
    """All that the report of an erasure says.

    Args:
        erasure: what was asked.
        seen: what the model answered `before` and `after`, and a retrained `reference` where there is one.
        fields: of `job.yaml`.
        metrics: of `metrics.json`.
        events: the event log, for times and probes.
        cover: what else is to be said or shown.
    """
    shown = map_rows(seen["before"])
    naming = Naming(shown=cover.show_names)
    card, measured = erasure.method.card, metrics["audit"]
    data = ReportData(
        run_id=erasure.key[:12],
        title="Erasure report",
        method=erasure.method.name,
        method_summary=card["summary"],
        method_cost=card["cost"],
        method_fails=card["fails_when"],
        request=request_facts(erasure.resolution, fields, names=cover.show_names),
        requests=cover.requests,
        people=people_lines(erasure.resolution, naming),
        names_shown=cover.show_names,
        findings=finding_facts(erasure.resolution, naming),
        rows_before=read_rows(measured["rows_before"]),
        rows_after=read_rows(measured["rows_after"]),
        rows_references=[read_rows(rows) for rows in measured["rows_reference"]],
        rows_floor=read_rows(measured["rows_floor"]),
        before=model_view(seen["before"], shown),
        after=model_view(seen["after"], shown),
        changed=metrics["weights"]["changed"],
        budget_hit=metrics["budget_hit"],
        costs=_costs(events),
        created=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        phases=phase_lines(metrics["phases"], events),
        probes=_probes(events),
        settings={name: fields[name] for name in ("data", "model", "method", "recipe", "engine", "seed", "reference")},
        versions={"expunge": fields["frozen"]["expunge"], **fields["frozen"]["versions"]},
        hashes={**fields["frozen"]["inputs"], "weights after": metrics["weights"]["after"]},
        verdict=measured.get("verdict"),
        audit=measured,
        attestation=cover.attestation,
        descriptions={str(card["name"]): str(card.get("description", "")) for card in describe_audits()},
        unmeasured=not_measured(metrics),
        warnings=metrics.get("warnings", ()),
        notes=measured["notes"],
    )
    return _illustrated(data, erasure, seen, show_faces=cover.show_faces)


def _illustrated(
    data: ReportData, erasure: Erasure, seen: Mapping[str, Observation], *, show_faces: bool
) -> ReportData:
    """The same with what its figures and pictures need beyond the two models."""
    shown = map_rows(seen["before"])
    classes, forget = map_classes(seen["before"], shown)
    pairs, reason = _pairs(erasure, allowed=show_faces)
    return replace(
        data,
        reference=model_view(seen["reference"], shown) if "reference" in seen else None,
        feature_classes=classes,
        feature_forget=forget,
        class_names=erasure.task.retain.spec.classes[0],
        pairs=pairs,
        pairs_reason=reason,
    )


def read_rows(rows: Sequence[Mapping[str, Any]]) -> list[AuditRow]:
    """Audit rows as `metrics.json` holds them."""
    return [AuditRow(**row) for row in rows]


def phase_lines(phases: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]) -> list[PhaseLine]:
    """What the method did, from the metrics, with its times, from the event log."""
    ends = {event["name"]: event for event in events if event["kind"] == "phase_end"}
    timed = ("seconds", "model_seconds", "pictures")
    return [PhaseLine(**phase, **{name: ends[phase["name"]][name] for name in timed}) for phase in phases]


def map_rows(observation: Observation) -> dict[Split, Any]:
    """The same evenly spread pictures of every mapped split, whatever the model."""
    sizes = {split: len(observation[split].labels) for split in MAPPED}
    return {split: np.linspace(0, n - 1, min(MAP_PICTURES, n)).astype(int) for split, n in sizes.items()}


def map_classes(observation: Observation, rows: Mapping[Split, Any]) -> tuple[Any, Any]:
    """Class of the first attribute of each of these pictures, and whether it is a forget picture."""
    classes = np.concatenate([observation[split].labels[at, 0] for split, at in rows.items()])
    forget = np.concatenate([np.full(len(at), split == "forget") for split, at in rows.items()])
    return classes, forget


def model_view(observation: Observation, rows: Mapping[Split, Any]) -> ModelView:
    """What figures show of a model: its losses, and its features of these pictures."""
    kept = [(observation[split].features, at) for split, at in rows.items()]
    return ModelView(
        forget_losses=observation["forget"].losses,
        reporting_losses=observation["reporting"].losses,
        features=np.concatenate([features[at] for features, at in kept if features is not None]),
    )


def _pairs(erasure: Erasure, *, allowed: bool) -> tuple[Sequence[PicturePair], str]:
    if not allowed:
        return (), ""  # the report says why
    pairs = perturbed_pairs(erasure)
    return pairs, "" if pairs else f"{erasure.method.name} does not change pictures"


def _costs(events: Sequence[Mapping[str, Any]]) -> Costs:
    times = [float(event["t"]) for event in events]
    last = {event["kind"]: event for event in events}
    trained = [float(e["seconds"]) for e in events if e["kind"] == "reference_trained"]
    return Costs(
        # of all sessions: a phase knows only the one that ended it
        method=float(last["audit_start"]["method_seconds"]),
        reference=sum(trained) / len(trained) if trained else None,
        audit=float(last["audited"]["t"]) - float(last["audit_start"]["t"]),
        total=times[-1] - times[0],
    )


def _probes(events: Sequence[Mapping[str, Any]]) -> list[ProbePoint]:
    return [ProbePoint(e["phase"], e["step"], e["values"]) for e in events if e["kind"] == "probe"]
