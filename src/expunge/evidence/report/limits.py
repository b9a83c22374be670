"""What the report does not say: report data flows in, sentences flow out. Nothing here may be switched off."""

from __future__ import annotations

from expunge.evidence.report.data import ReportData
from expunge.evidence.report.headline import NOT_CLAIMED

ALWAYS = (
    "The attacks measured here compare losses. A stronger attack, or one with knowledge of other models trained alike, "
    "may still tell erased pictures from others.",
    "Whatever had been derived from the old model before (copies of it, predictions, models distilled from it) is not "
    "touched by this run.",
    "Intervals say how far the numbers would move with other people in place of these (or other pictures, where "
    "nobody knows who is on them). They say nothing about another training run of the same method.",
)
WITHOUT_REFERENCE = (
    "Without a retrained reference nothing can be said against retraining: not whether the model forgot too little, "
    "nor whether it forgot too much. What can be said is how the model changed from before to after.",
)
ONE_REFERENCE = (
    "There is one retrained reference only: how far two retrained models lie apart from each other is not known, so a "
    "small difference from it cannot be weighed.",
)


def limits(data: ReportData) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Headed lists of limits."""
    comparison = () if len(data.rows_references) > 1 else ONE_REFERENCE if data.has_reference else WITHOUT_REFERENCE
    return (
        ("What is never claimed", NOT_CLAIMED),
        ("What to bear in mind", (*comparison, *ALWAYS, *data.notes)),
    )
