"""Writes the report: one HTML file that needs nothing but itself, not even a script.

Plain numbers, arrays and strings flow in, one file flows out, whole or not at all. Whatever a user chose (names,
ids, captions) is escaped. The same data gives the same bytes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from expunge.evidence.report.alerts import alerts
from expunge.evidence.report.asked import asked
from expunge.evidence.report.costs import cost_lines, phase_lines
from expunge.evidence.report.data import ReportData
from expunge.evidence.report.featuremap import feature_map
from expunge.evidence.report.figures import glance_chart, loss_chart, probe_chart
from expunge.evidence.report.findings import found
from expunge.evidence.report.headline import headline
from expunge.evidence.report.limits import limits
from expunge.evidence.report.tables import comparison, descriptions_of
from expunge.evidence.report.thumbs import LOUDER, shown
from expunge.evidence.report.tiles import tiles
from expunge.evidence.report.words import flat

NO_FACES = (
    "Pictures are left out: the people on them asked to be erased, and they do not belong into a file that is passed "
    "on. Whoever may see them can repeat the run with --show-faces."
)


def render_report(data: ReportData, path: Path) -> None:
    """Write the report of a run as one self-contained HTML file.

    Args:
        data: all that the report says.
        path: the file to write; replaced whole, never left half written.

    Raises:
        InputError: arrays of the report do not belong to each other.
        OSError: the file cannot be written.
    """
    text = report_html(data)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8", errors="replace", newline="\n")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def report_html(data: ReportData) -> str:
    """The report as HTML text.

    Raises:
        InputError: arrays of the report do not belong to each other.
    """
    return _environment().get_template("report.html.j2").render(_context(data))


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("expunge.evidence.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _context(data: ReportData) -> dict[str, Any]:
    return {"data": data, "louder": LOUDER, **_words(data), **_charts(data), **_records(data)}


def _words(data: ReportData) -> dict[str, Any]:
    groups = comparison(data)
    return {
        "alerts": alerts(data),
        "headline": headline(data),
        "tiles": tiles(data),
        "asked": asked(data.request),
        "found": found(data.findings),
        "groups": groups,
        "descriptions": descriptions_of(groups),
        "limits": limits(data),
    }


def _charts(data: ReportData) -> dict[str, Any]:
    return {
        "glance": glance_chart(data),
        "losses": loss_chart(data),
        "map": feature_map(data),
        "probe": probe_chart(data.probes),
        "pairs": tuple(shown(pair) for pair in data.pairs),
        "pairs_reason": data.pairs_reason or NO_FACES,
    }


def _records(data: ReportData) -> dict[str, Any]:
    return {
        "phases": phase_lines(data),
        "costs": cost_lines(data),
        "records": (
            ("Settings", "Setting", flat(data.settings)),
            ("Versions", "Software", flat(data.versions)),
            ("Hashes", "Of what", flat(data.hashes)),
        ),
    }
