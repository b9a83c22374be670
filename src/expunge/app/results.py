"""What a run measured, as plain values: `metrics.json`, and the rows of the table that people see.

Everything here is a function of the job and its inputs: no times, so that equal runs have equal files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from expunge.app.line import Erased, Erasure
from expunge.app.measure import plain
from expunge.audits.run import AuditReport
from expunge.evidence.verdict import judge
from expunge.models.artefact import ModelArtefact
from expunge.models.weights import hash_state

FORMAT = 1
HEADLINES = ("accuracy", "mia_auroc", "forgetting_score", "nomus", "js_divergence", "distance")
Cell = tuple[float, float | None, float | None] | None


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
    values: Mapping[str, Cell]
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
        "choices": plain(outcome.choices),
        "skill": plain(erased.skill),
        "warnings": list(erased.warnings),
        "weights": {"before": erasure.artefact.weights_sha256, "after": after, "changed": outcome.changed},
        "references": reference_names(erased.references),
        "audit": judged_report(erased.report),
    }


def judged_report(report: AuditReport) -> dict[str, Any]:
    """A report with its verdict, as plain values."""
    verdict = judge(report.rows_after, report.rows_reference, before=report.rows_before)
    return {**plain(report), "verdict": plain(verdict)}


def verdicts(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The verdict on every audited model, by name (`after` of an erasure); nothing for runs without any."""
    audits = [{"model": "after", **metrics["audit"]}] if metrics.get("kind") == "erase" else metrics.get("audits", [])
    return {audit["model"]: audit["verdict"] for audit in audits if audit.get("verdict")}


def reference_names(references: Sequence[ModelArtefact]) -> list[dict[str, str]]:
    """Where references came from, and their hashes."""
    return [{"source": r.source, "weights": r.weights_sha256} for r in references]


def table_rows(metrics: Mapping[str, Any]) -> Iterator[TableRow]:
    """The rows of the table of an erasure or an audit, from its metrics."""
    models: dict[str, list[dict[str, Any]]] = {}
    if metrics["kind"] == "erase":
        models = {"before": metrics["audit"]["rows_before"], "after": metrics["audit"]["rows_after"]}
    elif metrics["kind"] == "audit":
        models = {report["model"]: report["rows_after"] for report in metrics["audits"]}
    by_key: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for model, rows in models.items():
        for row in rows or ():
            by_key.setdefault((row["name"], row["split"]), {})[model] = row
    for (name, split), found in by_key.items():
        last = list(found.values())[-1]
        values = {model: _value(found.get(model)) for model in models}
        yield TableRow(name, split, last["n"], last["unit"], last["direction"], values, last["reference"], last["note"])


def _value(row: Mapping[str, Any] | None) -> Cell:
    return None if row is None or row["value"] is None else (row["value"], row["low"], row["high"])


def headline_rows(rows: Sequence[TableRow]) -> list[TableRow]:
    """The rows that a short table shows."""
    return [row for row in rows if row.name in HEADLINES] or list(rows)


def short_row(row: TableRow) -> dict[str, Any]:
    """A row for a script: values without intervals, by model."""
    values = {model: None if cell is None else cell[0] for model, cell in row.values.items()}
    return {"name": row.name, "split": row.split, "n": row.n, **values, "reference": row.reference}


def shown_value(value: Cell) -> str:
    """A value with its interval, as people read it.

    Example:
        >>> shown_value((0.5, 0.25, 0.75)), shown_value(None)
        ('0.500 (0.250 to 0.750)', 'not estimable')
    """
    if value is None:
        return "not estimable"
    middle, low, high = value
    return f"{middle:.3f}" if low is None or high is None else f"{middle:.3f} ({low:.3f} to {high:.3f})"


def text_table(rows: Sequence[TableRow]) -> str:
    """The short table as plain text."""
    shown = headline_rows(rows)
    models = list(shown[0].values) if shown else []
    lines = [["measure", "pictures", "n", *models, "reference"]]
    for row in shown:
        reference = "" if row.reference is None else f"{row.reference:.3f}"
        cells = [shown_value(row.values[model]) for model in models]
        lines.append([row.name, row.split, str(row.n), *cells, reference])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)
