"""What a run measured, as plain values: `metrics.json`, and the rows of the table that people see.

Everything here is a function of the job and its inputs: no times, so that equal runs have equal files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from expunge.app.line import Erased, Erasure
from expunge.app.measure import plain
from expunge.models.artefact import ModelArtefact
from expunge.models.weights import hash_state

FORMAT = 1


@dataclass(frozen=True)
class TableRow:
    """One measurement on one set of pictures, for every model at once.

    Args:
        name, split, n, unit, direction: what was measured, on what.
        values: (value, low, high) by model (`before`, `after`, or the name of an audited model); None where it cannot
            be estimated.
        reference: mean over the references, or None.
        note: why something is missing.
    """

    name: str
    split: str
    n: int
    unit: str
    direction: str
    values: Mapping[str, tuple[float, float | None, float | None] | None]
    reference: float | None
    note: str


def erasure_metrics(erasure: Erasure, erased: Erased) -> dict[str, Any]:
    """Everything of an erasure that goes into `metrics.json`."""
    after = hash_state(erased.model.net.state_dict())
    outcome = erased.outcome
    return {
        "format": FORMAT,
        "kind": "erase",
        "method": erasure.method.name,
        "request": plain(erasure.resolution.findings),
        "pictures": {name: len(erasure.task.split(name)) for name in ("retain", "forget", "tuning", "reporting")},
        "steps": outcome.steps,
        "budget_hit": outcome.budget_hit,
        "phases": [{"name": r.name, "kind": r.kind, "steps": r.steps, "reason": r.reason} for r in outcome.records],
        "weights": {"before": erasure.artefact.weights_sha256, "after": after, "changed": outcome.changed},
        "references": reference_names(erased.references),
        "audit": plain(erased.report),
    }


def reference_names(references: Sequence[ModelArtefact]) -> list[dict[str, str]]:
    """Where references came from, and their hashes."""
    return [{"source": r.source, "weights": r.weights_sha256} for r in references]


def table_rows(metrics: Mapping[str, Any]) -> Iterator[TableRow]:
    """The rows of the table of an erasure or an audit, from its metrics."""
    models: dict[str, list[dict[str, Any]]] = {}
    if metrics["kind"] == "erase":
        models = {"before": metrics["audit"]["rows_before"], "after": metrics["audit"]["rows_after"]}
    elif metrics["kind"] == "audit":
        models = {name: report["rows_after"] for name, report in metrics["audits"].items()}
    by_key: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for model, rows in models.items():
        for row in rows or ():
            by_key.setdefault((row["name"], row["split"]), {})[model] = row
    for (name, split), found in by_key.items():
        last = list(found.values())[-1]
        values = {model: _value(found.get(model)) for model in models}
        yield TableRow(
            name, split, last["n"], last["unit"], last["direction"], values, last["reference"], last["note"]
        )


def _value(row: Mapping[str, Any] | None) -> tuple[float, float | None, float | None] | None:
    return None if row is None or row["value"] is None else (row["value"], row["low"], row["high"])
