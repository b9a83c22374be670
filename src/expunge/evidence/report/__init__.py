"""The report of a run: numbers, arrays and strings flow in, one self-contained HTML file flows out."""

from expunge.evidence.report.data import Costs, ModelView, PhaseLine, PicturePair, ProbePoint, ReportData
from expunge.evidence.report.render import render_report, report_html

__all__ = [
    "Costs",
    "ModelView",
    "PhaseLine",
    "PicturePair",
    "ProbePoint",
    "ReportData",
    "render_report",
    "report_html",
]
