"""The pages of a run: numbers, arrays and strings flow in; report, hand-off page and model card flow out as text."""

from expunge.evidence.report.auditpage import audit_page
from expunge.evidence.report.data import (
    Costs,
    ModelView,
    PersonLine,
    PhaseLine,
    PicturePair,
    ProbePoint,
    ReportData,
    RequestLine,
)
from expunge.evidence.report.handoff import Check, Handoff, OnnxCheck, handoff_html
from expunge.evidence.report.modelcard import CardFacts, model_card
from expunge.evidence.report.render import render_report, report_html, write_page

__all__ = [
    "CardFacts",
    "Check",
    "Costs",
    "Handoff",
    "ModelView",
    "OnnxCheck",
    "PersonLine",
    "PhaseLine",
    "PicturePair",
    "ProbePoint",
    "ReportData",
    "RequestLine",
    "audit_page",
    "handoff_html",
    "model_card",
    "render_report",
    "report_html",
    "write_page",
]
