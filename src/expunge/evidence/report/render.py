"""Puts a report together: data flows in, one self-contained HTML file flows out.

No script, no address outside the file: the page itself forbids both, so that a sceptic need not take our word.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from expunge.evidence.report.alerts import alerts
from expunge.evidence.report.auditview import audit_view
from expunge.evidence.report.data import ReportData
from expunge.evidence.report.featurefigure import feature_figure
from expunge.evidence.report.figures import glance_figure, loss_figure, probe_figure
from expunge.evidence.report.findings import found
from expunge.evidence.report.headline import headline
from expunge.evidence.report.judged import NONE_MADE, judged
from expunge.evidence.report.pictures import AMPLIFY, shown_pairs, why_hidden
from expunge.evidence.report.tables import comparison, descriptions_of
from expunge.evidence.report.words import counted, flat, sentence, spoken_time

NUMBERED = (
    "People and pictures are numbered on this page; which are meant, metrics.json and the request tell those who may "
    "know. The page with names is written by expunge report --show-names."
)
REASONS = {"complete": "ran to its end", "stopped": "reached its own stop rule", "budget": "cut off by the budget"}


def render_report(data: ReportData, path: Path) -> None:
    """Write a report as one HTML file; a file that was there is replaced in one step.

    Args:
        data: all that is to be said.
        path: of the file to write.

    Raises:
        OSError: the file cannot be written.
    """
    write_page(report_html(data), path)


def write_page(text: str, path: Path) -> None:
    """Write a page; a file that was there is replaced in one step.

    Raises:
        OSError: the file cannot be written.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_text(text, encoding="utf-8", errors="replace", newline="\n")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def report_html(data: ReportData) -> str:
    """A report as text; the same data give the same text."""
    return environment().get_template("report.html").render(_context(data))


def environment() -> Environment:
    """Templates of this package, in which every value is escaped and none may be missing."""
    found = Environment(
        loader=PackageLoader("expunge.evidence.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(spoken_time=spoken_time, counted=counted, sentence=sentence)
    return found


def _context(data: ReportData) -> dict[str, Any]:
    groups = comparison(data)
    return {
        "data": data,
        "alerts": alerts(data),
        "headline": headline(data),
        "audit": audit_view(data.audit),
        "judged": judged(data.verdict, data.descriptions),
        "none_made": NONE_MADE,
        "numbered": NUMBERED,
        "request": found(data.request),
        "found": found(data.findings),
        "groups": groups,
        "descriptions": descriptions_of(groups),
        "figures": _figures(data),
        "pairs": shown_pairs(data),
        "why_hidden": why_hidden(data),
        "amplify": AMPLIFY,
        "reasons": REASONS,
        "costs": costs(data),
        "settings": flat(data.settings),
        "versions": flat(data.versions),
        "hashes": flat(data.hashes),
    }


def _figures(data: ReportData) -> dict[str, Any]:
    return {
        "glance": glance_figure(data),
        "losses": loss_figure(data),
        "features": feature_figure(data),
        "progress": probe_figure(data),
    }


def costs(data: ReportData) -> list[tuple[str, str]]:
    """Time spent, and against retraining where that was measured."""
    spent = data.costs
    rows = [("making the model forget", spoken_time(spent.method))]
    rows += [("measuring", spoken_time(spent.audit))] if spent.audit is not None else []
    rows += [("the whole run", spoken_time(spent.total))] if spent.total is not None else []
    if spent.reference is None:
        return [*rows, ("retraining once, for comparison", "not measured in this run")]
    rows.append(("retraining once, for comparison", spoken_time(spent.reference)))
    if spent.method <= 0:
        return rows
    return [*rows, ("retraining costs", f"{spent.reference / spent.method:.1f} times as much as forgetting did")]
