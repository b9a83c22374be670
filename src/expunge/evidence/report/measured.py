"""Audit rows of one model before, after and beside retrained ones: what tables and figures of measures are made of.

The plain mapping of `metrics.json` flows in, rows flow out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from expunge.types import AuditRow


class Measured(Protocol):
    """Whatever has rows to be compared: a report, or an audit alone. As in `ReportData`."""

    @property
    def rows_before(self) -> Sequence[AuditRow]:
        """Of the model before erasure."""

    @property
    def rows_after(self) -> Sequence[AuditRow]:
        """Of the audited model."""

    @property
    def rows_references(self) -> Sequence[Sequence[AuditRow]]:
        """Of each retrained model."""

    @property
    def rows_floor(self) -> Sequence[AuditRow]:
        """Distances between two retrained models."""

    @property
    def descriptions(self) -> Mapping[str, str]:
        """A sentence for measures without words, by name."""

    @property
    def has_reference(self) -> bool:
        """Whether anything can be said against retraining."""


@dataclass(frozen=True)
class AuditRows:
    """The rows of an audit alone; as in `ReportData`."""

    rows_before: Sequence[AuditRow] = ()
    rows_after: Sequence[AuditRow] = ()
    rows_references: Sequence[Sequence[AuditRow]] = ()
    rows_floor: Sequence[AuditRow] = ()
    descriptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_reference(self) -> bool:
        """Whether anything can be said against retraining."""
        return len(self.rows_references) > 0

    def of(self, name: str, split: str) -> AuditRow | None:
        """The row of the audited model; None where that was not measured."""
        return next((row for row in self.rows_after if (row.name, row.split) == (name, split)), None)


def audit_rows(audit: Mapping[str, Any], descriptions: Mapping[str, str]) -> AuditRows:
    """The rows of an audit as `metrics.json` holds it; what is missing there is empty."""
    return AuditRows(
        rows_before=_rows(audit.get("rows_before")),
        rows_after=_rows(audit.get("rows_after")),
        rows_references=[_rows(rows) for rows in audit.get("rows_reference") or ()],
        rows_floor=_rows(audit.get("rows_floor")),
        descriptions=descriptions,
    )


def _rows(rows: Sequence[Mapping[str, Any]] | None) -> list[AuditRow]:
    return [AuditRow(**row) for row in rows or ()]
