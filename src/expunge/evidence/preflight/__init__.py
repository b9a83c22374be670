"""What can be said of data and request before anything is trained: facts flow in, findings and one page flow out."""

from expunge.evidence.preflight.data import (
    Class,
    Comparison,
    Cost,
    Doubt,
    Effect,
    Machine,
    Overlap,
    Preflight,
    SetSize,
)
from expunge.evidence.preflight.effects import effects
from expunge.evidence.preflight.findings import Finding, findings, verdict
from expunge.evidence.preflight.page import Shown, check_page, shown_tables, told

__all__ = [
    "Class",
    "Comparison",
    "Cost",
    "Doubt",
    "Effect",
    "Finding",
    "Machine",
    "Overlap",
    "Preflight",
    "SetSize",
    "Shown",
    "check_page",
    "effects",
    "findings",
    "shown_tables",
    "told",
    "verdict",
]
