"""What the page says of attacks, people, groups and relearning, read from an audit in `metrics.json`.

Plain values flow in, lines of tables and figures flow out. Parts that were not measured are empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from expunge.evidence.report.auditfigures import Curve, relearning_figure, roc_figure
from expunge.evidence.report.words import bounds, number
from expunge.types import AuditRow

Audit = Mapping[str, Any]
SHOWN = 25  # people; all of them are in metrics.json


@dataclass(frozen=True)
class ExposedLine:
    """The attack on one person, or on one group of pictures, as text."""

    name: str
    pictures: int
    before: str
    after: str
    interval: str
    reference: str
    gap: str


@dataclass(frozen=True)
class Exposed:
    """An attack person by person.

    Args:
        lines: most exposed first; `more` are left out. note: how to read them, or why there are none.
    """

    lines: Sequence[ExposedLine]
    more: int
    note: str


@dataclass(frozen=True)
class AuditView:
    """What `audits.html` shows.

    Args:
        roc, relearning: figures, or None where nothing was recorded.
        people: the attack by loss. by_lira: LiRA; None without its shadow models.
        groups: lines of every column by which the attack was broken down.
    """

    roc: Markup | None
    people: Exposed
    by_lira: Exposed | None
    groups: Mapping[str, Sequence[ExposedLine]]
    relearning: Markup | None


def audit_view(audit: Audit) -> AuditView:
    """Everything there is in an audit of one model."""
    by_lira = audit.get("people_by_lira")
    return AuditView(
        roc=roc_figure(roc_lines(audit)),
        people=exposed(audit.get("people") or {}),
        by_lira=None if by_lira is None else exposed(by_lira),
        groups=group_lines(audit.get("groups") or ()),
        relearning=relearning_figure(relearning_lines(audit)),
    )


def exposed(people: Audit) -> Exposed:
    """The first lines of an attack person by person."""
    lines = [_line(entry) for entry in people.get("rows", ())]
    return Exposed(lines[:SHOWN], max(0, len(lines) - SHOWN), people.get("note", ""))


def roc_lines(audit: Audit) -> list[Curve]:
    """Curves of every attack, from the audit's grid of false positive rates."""
    found = audit.get("curves") or {}
    rates = found.get("fpr", ())
    return [
        Curve(one["attack"], one["model"], tuple(zip(rates, one["tpr"], strict=True)))
        for one in found.get("curves", ())
    ]


def relearning_lines(audit: Audit) -> list[Curve]:
    """Losses while models were trained further."""
    found = (audit.get("relearning") or {}).get("curves", ())
    return [Curve(one["part"], one["model"], tuple(zip(one["steps"], one["loss"], strict=True))) for one in found]


def group_lines(groups: Sequence[Audit]) -> dict[str, list[ExposedLine]]:
    """Lines of every column."""
    columns = dict.fromkeys(str(entry["column"]) for entry in groups)
    return {column: [_line(entry) for entry in groups if entry["column"] == column] for column in columns}


def _line(entry: Audit) -> ExposedLine:
    before = None if entry["before"] is None else AuditRow(**entry["before"])
    after = AuditRow(**entry["after"])
    return ExposedLine(
        name=str(entry["group"]),
        pictures=after.n,
        before="not measured" if before is None else number(before.value, before.unit),
        after=number(after.value, after.unit),
        interval=bounds(after.low, after.high, after.unit),
        reference="none" if after.reference is None else number(after.reference, after.unit),
        gap="none" if after.gap is None else number(after.gap, after.unit, sign=True),
    )
