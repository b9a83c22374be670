"""What nobody may overlook: report data flows in, boxes for the top of the page flow out.

Each box says what happened, what it means, and what to do. Nothing here softens anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from expunge.evidence.report.data import ReportData
from expunge.evidence.report.findings import waiting
from expunge.evidence.report.judged import judged
from expunge.evidence.report.words import counted, sentence

BUDGETS = {"max_seconds": "time", "max_steps": "steps"}


@dataclass(frozen=True)
class Alert:
    """A box. `key` is stable, for tests and links; `level` also stands in words, not in colour alone."""

    key: str
    level: Literal["danger", "warning"]
    title: str
    text: str
    remedy: str

    @property
    def label(self) -> str:
        """The level as a word."""
        return "Failed" if self.level == "danger" else "Caution"


def alerts(data: ReportData) -> tuple[Alert, ...]:
    """The boxes that are due, gravest first."""
    due = (_unchanged(data), _alarm(data), _warned(data), _budget(data), _no_reference(data), _review(data))
    return tuple(alert for alert in due if alert is not None)


def _unchanged(data: ReportData) -> Alert | None:
    if data.changed:
        return None
    return Alert(
        "unchanged",
        "danger",
        "Nothing was erased",
        f"The method {data.method} did not change a single weight: the model that came out is the model that went in. "
        "Every number below describes the original model.",
        "Do not put this model into service as an answer to the request. Choose stronger settings or another method.",
    )


def _alarm(data: ReportData) -> Alert | None:
    verdict = judged(data.verdict, data.descriptions)
    if verdict is None or not verdict.alarms:
        return None
    return Alert(
        "alarm",
        "warning",
        "The audits raise an alarm",
        " ".join(verdict.alarms),
        "Read the verdict below before relying on this model.",
    )


def _warned(data: ReportData) -> Alert | None:
    if not data.warnings:
        return None
    return Alert(
        "warned",
        "warning",
        "The erasure gave a warning" if len(data.warnings) == 1 else f"The erasure gave {len(data.warnings)} warnings",
        " ".join(f"{sentence(text).rstrip('.')}." for text in data.warnings),
        "Each warning names its remedy: decide on it before putting this model into service.",
    )


def _budget(data: ReportData) -> Alert | None:
    if not data.budget_hit:
        return None
    what = BUDGETS.get(data.budget_hit, data.budget_hit)
    return Alert(
        "budget",
        "warning",
        "Stopped early: the budget ran out",
        f"The method was cut off by its limit on {what} ({data.budget_hit}) before it had finished. The model may have "
        "forgotten less than it would have, and may answer worse.",
        "Repeat the run with a larger budget before relying on it.",
    )


def _no_reference(data: ReportData) -> Alert | None:
    if data.has_reference:
        return None
    return Alert(
        "no-reference",
        "warning",
        "No retrained model to compare with",
        "Nothing can be said about whether this model behaves like one trained without the erased pictures: there was "
        "no such model. What can still be said: how the model changed, how well it still works, and how well the "
        "attacks listed here do now. A value of one half is not the target: on real people a retrained model often "
        "shows another.",
        "Repeat the run with a reference, by naming a retrained model or by having one trained.",
    )


def _review(data: ReportData) -> Alert | None:
    near = waiting(data.findings)
    if not near:
        return None
    return Alert(
        "review",
        "warning",
        f"{counted(near, 'near copy', 'near copies')} for a person to decide on",
        "Pictures that look like erased ones, under the same or another name, were not erased: the model may still "
        "remember them.",
        "Look at the list below; name in a new request those that are to be erased too.",
    )
