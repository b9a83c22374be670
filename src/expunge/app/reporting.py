"""Gathers what a report says from a finished erasure; how it is said is the report's own business.

Observations, engine records and the event log flow in, one `ReportData` of numbers, arrays and strings flows out.
Pictures of people enter only where the user asked for them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from expunge.app.illustrate import perturbed_pairs
from expunge.app.line import Erased, Erasure
from expunge.app.measure import plain
from expunge.audits.observe import Observation
from expunge.audits.registry import describe_audits
from expunge.evidence.report import Costs, ModelView, PhaseLine, PicturePair, ProbePoint, ReportData
from expunge.models.weights import hash_state
from expunge.types import Split

MAP_PICTURES = 400  # of each split in the feature map
MAPPED: tuple[Split, ...] = ("retain", "forget")


def erasure_report(
    erasure: Erasure,
    erased: Erased,
    frozen: Mapping[str, Any],
    *,
    events: Sequence[Mapping[str, Any]],
    show_faces: bool,
) -> ReportData:
    """All that the report of an erasure says.

    Args:
        erasure, erased: what was asked and what came out.
        frozen: the fields of `job.yaml`.
        events: the event log, for times and probes.
        show_faces: whether pictures of people may be in it.
    """
    shown = map_rows(erased.before)
    classes, forget = map_classes(erased.before, shown)
    pairs, reason = _pairs(erasure, allowed=show_faces)
    return ReportData(
        run_id=erasure.key[:12],
        title="Erasure report",
        method=erasure.method.name,
        method_summary=erasure.method.card["summary"],
        request=_request(erasure, frozen),
        findings=_findings(erasure),
        rows_before=erased.report.rows_before,
        rows_after=erased.report.rows_after,
        rows_references=erased.report.rows_reference,
        rows_floor=erased.report.rows_floor,
        before=model_view(erased.before, shown),
        after=model_view(erased.after, shown),
        reference=model_view(erased.beside[0], shown) if erased.beside else None,
        changed=erased.outcome.changed,
        budget_hit=erased.outcome.budget_hit,
        costs=_costs(erased, events),
        created=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        feature_classes=classes,
        feature_forget=forget,
        class_names=erasure.task.retain.spec.classes[0],
        pairs=pairs,
        pairs_reason=reason,
        phases=[PhaseLine(**plain(record)) for record in erased.outcome.records],
        probes=_probes(events),
        settings={name: frozen[name] for name in ("data", "model", "method", "recipe", "engine", "seed", "reference")},
        versions={"expunge": frozen["frozen"]["expunge"], **frozen["frozen"]["versions"]},
        hashes={**frozen["frozen"]["inputs"], "weights after": hash_state(erased.model.net.state_dict())},
        descriptions={str(card["name"]): str(card.get("description", "")) for card in describe_audits()},
        notes=erased.report.notes,
    )


def _request(erasure: Erasure, frozen: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked, counted: who is meant stands in the request itself, whose fingerprint is given."""
    found, asked = erasure.resolution.findings, frozen["request"]
    return {
        "people asked for": found.subjects,
        "single pictures asked for": found.pictures,
        "request file": asked["file"] or "none, named on the command line",
        "near copies under the same name": asked["near_copies"],
        "fingerprint of the request (SHA-256)": frozen["frozen"]["inputs"]["request"],
    }


def _findings(erasure: Erasure) -> dict[str, Any]:
    """What resolving the request found, with counts under names that say what is counted."""
    found: dict[str, Any] = plain(erasure.resolution.findings)
    del found["subjects"], found["pictures"]
    counts = {
        "pictures to forget, copies included": found.pop("forget"),
        "training pictures that stay": found.pop("retain"),
        "never-seen pictures that may steer the method": found.pop("tuning"),
        "never-seen pictures used only to measure": found.pop("reporting"),
    }
    return counts | found


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


def _costs(erased: Erased, events: Sequence[Mapping[str, Any]]) -> Costs:
    times = [float(event["t"]) for event in events]
    started = {e["kind"]: float(e["t"]) for e in events if e["kind"] in ("audit_start", "audited")}
    trained = [float(e["seconds"]) for e in events if e["kind"] == "reference_trained"]
    return Costs(
        method=erased.outcome.seconds,
        reference=sum(trained) / len(trained) if trained else None,
        audit=started["audited"] - started["audit_start"] if len(started) == 2 else None,
        total=times[-1] - times[0] if times else None,
    )


def _probes(events: Sequence[Mapping[str, Any]]) -> list[ProbePoint]:
    return [ProbePoint(e["phase"], e["step"], e["values"]) for e in events if e["kind"] == "probe"]
