"""What the page says of attacks, people, groups and relearning, read from an audit in `metrics.json`.

Plain values flow in, lines of tables and figures flow out. Parts that were not measured are empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from expunge.evidence.report.auditfacts import of_split
from expunge.evidence.report.auditfigures import (
    EXPECTED,
    SELDOM,
    Curve,
    attack_title,
    recognised,
    relearning_figure,
    roc_figure,
)
from expunge.evidence.report.auditpeople import ATTACKED, Audit, Exposed, ExposedLine, exposed, group_lines
from expunge.evidence.report.measured import AuditRows, audit_rows
from expunge.evidence.report.words import NONE, bounds, number

GROUPS = {"groups": "loss", "groups_by_lira": "LiRA"}
U_LIRA = "u_lira"
U_LIRA_CURVE = (
    "U-LiRA accuses no never-seen pictures: it compares the erased pictures under this model with the same pictures "
    "under retrained references, and is falsely alarmed by the latter; its n counts these pictures once."
)
NEEDED = round(EXPECTED / SELDOM)  # never-seen pictures


@dataclass(frozen=True)
class CaughtLine:
    """What an attack recognises while hardly anybody is accused falsely, as text."""

    attack: str
    before: str
    after: str
    reference: str


@dataclass(frozen=True)
class AuditView:
    """What `audits.html` shows.

    Args:
        roc, relearning: figures, or None where nothing was recorded.
        sides: how many pictures and people the curves rest on; "" where that is not known.
        unlike: what the words on curves do not fit; "" where they fit all.
        caught: what attacks recognise at one false alarm in a thousand; without_caught says why there is nothing.
        people: the attack by loss. by_lira: LiRA; None without its shadow models.
        groups: by attack, lines of every column by which it was broken down.
    """

    roc: Markup | None
    sides: str
    unlike: str
    caught: Sequence[CaughtLine]
    without_caught: str
    people: Exposed
    by_lira: Exposed | None
    groups: Mapping[str, Mapping[str, Sequence[ExposedLine]]]
    relearning: Markup | None


def audit_view(audit: Audit) -> AuditView:
    """Everything there is in an audit of one model."""
    by_lira, rows, curves = audit.get("people_by_lira"), audit_rows(audit, {}), roc_lines(audit)
    sides, caught = sides_words(rows), caught_lines(curves)
    return AuditView(
        roc=roc_figure(curves, _counts(rows, curves), sides),
        sides=sides,
        unlike=U_LIRA_CURVE if any(curve.panel == U_LIRA for curve in curves) else "",
        caught=caught,
        without_caught="" if caught else _why_none_caught(rows),
        people=exposed(audit.get("people") or {}, rows),
        by_lira=None if by_lira is None else exposed(by_lira, rows),
        groups={name: group_lines(audit[key]) for key, name in GROUPS.items() if audit.get(key)},
        relearning=relearning_figure(relearning_lines(audit)),
    )


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


def sides_words(rows: AuditRows) -> str:
    """How many pictures and people stand on both sides of the attacks; "" where that is not known."""
    erased, unseen = of_split(rows, "forget"), of_split(rows, "reporting")
    return f"Erased: {erased}; never seen: {unseen}." if erased and unseen else ""


def caught_lines(curves: Sequence[Curve]) -> list[CaughtLine]:
    """What every attack recognises at one false alarm in a thousand, where any curve reaches so far."""
    attacks = dict.fromkeys(curve.panel for curve in curves if recognised(curve, SELDOM) is not None)
    lines = []
    for attack in attacks:
        found = {curve.model: recognised(curve, SELDOM) for curve in curves if curve.panel == attack}
        beside = [value for model, value in found.items() if model.startswith("reference") and value is not None]
        before, after = (_share(found, model) for model in ("before", "after"))
        lines.append(CaughtLine(attack_title(attack), before, after, _mean(beside)))
    return lines


def _share(found: Mapping[str, float | None], model: str) -> str:
    return number(found[model], "share") if model in found else "not measured"


def _mean(values: Sequence[float]) -> str:
    """The mean of several references, and their range."""
    if not values:
        return "none"
    mean = number(sum(values) / len(values), "share")
    return mean if len(values) == 1 else f"{mean} ({bounds(min(values), max(values), 'share')})"


def _why_none_caught(rows: AuditRows) -> str:
    row = rows.of("accuracy", "reporting")
    here = "" if row is None or row.n >= NEEDED else f"; there are {row.n:,} here"
    return f"What attacks recognise at 0.1 % false alarms is {NONE}: that takes {NEEDED:,} never-seen pictures{here}."


def _counts(rows: AuditRows, curves: Sequence[Curve]) -> dict[str, int]:
    """Pictures that each attack was made on, some being made on a sample."""
    names = {curve.panel: "mia_auroc" if curve.panel == "loss" else f"{curve.panel}_auroc" for curve in curves}
    known = {attack: rows.of(name, "forget" if attack == U_LIRA else ATTACKED) for attack, name in names.items()}
    return {attack: row.n for attack, row in known.items() if row is not None}
